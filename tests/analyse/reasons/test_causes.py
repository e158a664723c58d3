"""Causes: each rule holds where its fact was read, and only there."""

import pytest
from cases import make_block
from looks import cohort, instruction, look, primitive

from grouped_bench.analyse.reasons.causes import causes
from grouped_bench.harness.plan import Cohort
from grouped_bench.space.case import Setting

DILATED = instruction(lhs_dilate="1x1x32", macs=924_844_032)
FULL = primitive(seconds=0.009)


def test_a_grouped_weight_gradient_over_zeros_is_told_with_its_arithmetic():
    assert causes(look(instructions=[DILATED, instruction()])) == [
        "XLA computes the weight gradient of all 32 groups as one convolution over an input spread out with zeros "
        "(lhs_dilate=1x1x32): 925 M multiply-accumulates where 28.9 M are needed."
    ]


@pytest.mark.parametrize(
    ("groups", "lhs_dilate"),
    [
        (1, "1x1x32"),  # not grouped
        (32, "2x2"),  # the input gradient of a stride
        (2, "2x2"),  # the same, where the stride is the number of groups
        (32, ""),
    ],
)
def test_no_other_dilation_is_taken_for_it(groups, lhs_dilate):
    assert causes(look(of=cohort(groups=groups), instructions=[instruction(lhs_dilate=lhs_dilate)])) == []


def test_a_reference_implementation_is_told():
    slow = look(primitives=[primitive(implementation="ref:any", seconds=0.008), primitive("reorder", seconds=0.001)])
    assert causes(slow) == [
        "oneDNN has no optimised kernel for this here: its reference implementation (ref:any) takes 89% of its "
        "primitives' time."
    ]
    assert causes(look(primitives=[primitive(implementation="ref:any", seconds=0.002), FULL])) == []


def test_reorders_that_take_a_third_of_the_time_are_told():
    made = look(primitives=[primitive(seconds=0.006), primitive("reorder", "jit:uni", count=2, seconds=0.003)])
    assert causes(made) == [
        "oneDNN converts the layout of tensors in every call: 2 reorders take 33% of its primitives' time."
    ]
    assert causes(look(primitives=[FULL, primitive("reorder", "jit:uni", seconds=0.001)])) == []


def test_a_call_that_costs_more_than_its_work_is_told():
    tiny = look(latency_s=0.0003, logged_s=0.0003, primitives=[primitive(seconds=0.0002)])
    assert causes(tiny) == ["The call costs more than its work: a step that computes nothing takes 200 µs here."]
    assert causes(look(latency_s=0.0003, logged_s=0.0003, primitives=[primitive(seconds=0.0002)], call_s=0.0001)) == []
    assert causes(look(latency_s=0.0003, logged_s=0.0003, primitives=[primitive(seconds=0.0002)], call_s=None)) == []


def test_a_convolution_for_each_group_is_told():
    split = look(of=cohort(variants=["split_concat"]), primitives=[primitive(count=96, seconds=0.02)])
    assert causes(split) == [
        "A call runs 96 convolutions for its 32 groups, each with its own launch and small operands."
    ]
    assert causes(look(of=cohort(variants=["regular"]), primitives=[primitive(count=3, seconds=0.009)])) == []
    inference = cohort(pass_="inference", variants=["split_concat"])
    assert len(causes(look(of=inference, instructions=[instruction("__cudnn$convForward", count=32)]))) == 1
    assert causes(look(of=cohort(groups=1), primitives=[primitive(count=3, seconds=0.009)])) == []


def test_of_a_block_the_paths_are_counted():
    block = Cohort(
        make_block(channels=64, cardinality=8, width=4), Setting("tensorflow", "graph", "cpu"), ("resnext_sum",)
    )
    (told,) = causes(look(of=block, primitives=[primitive(count=72, seconds=0.01)]))
    assert told.startswith("A call runs 72 convolutions for its 8 paths")


@pytest.mark.parametrize("pass_", ["inference", "training"])
@pytest.mark.parametrize("cardinality", [2, 3])
def test_the_three_convolutions_of_any_block_are_not_taken_for_those_of_its_few_paths(cardinality, pass_):
    case = make_block(channels=64, cardinality=cardinality, width=4, pass_=pass_)
    block = Cohort(case, Setting("tensorflow", "graph", "cpu"), ("bottleneck",))
    made = 3 if pass_ == "inference" else 9
    assert causes(look(of=block, primitives=[primitive(count=made, seconds=0.01)])) == []


def test_a_convolution_of_which_xla_and_onednn_tell_is_one():
    made = look(
        of=cohort(groups=2, pass_="inference", variants=["regular"]),
        primitives=[primitive(seconds=0.01)],
        instructions=[instruction("__onednn$convolution")],
    )
    assert causes(made) == []


def test_time_between_primitives_is_told():
    assert causes(look(primitives=[primitive(seconds=0.004)])) == [
        "oneDNN computes for 4.0 ms of a call's 10 ms. The framework takes the rest: the call, copies, and "
        "operations that oneDNN does not run."
    ]
    # XLA's own loops are not the framework's doing.
    assert causes(look(primitives=[primitive(seconds=0.004)], instructions=[instruction()])) == []


def test_what_the_machine_holds_back_is_told():
    near = {"primitives": [FULL], "share_of_bandwidth": 0.8}
    assert causes(look(**near, cache_bytes=2**20)) == [
        "Memory is the limit: the least traffic alone is 80% of what a long stream reaches here."
    ]
    assert causes(look(**near, cache_bytes=2**30)) == []  # caches deliver more than memory
    assert causes(look(primitives=[FULL], share_of_peak=0.75)) == [
        "Arithmetic is the limit: it reaches 75% of what a matrix product reaches here."
    ]
    assert causes(look(primitives=[FULL], share_of_peak=None, share_of_bandwidth=None)) == []
    assert causes(look(primitives=[FULL], share_of_peak=1.5)) == []  # a peak that was read too low


def test_parts_that_take_longer_than_their_call_are_no_cause():
    """One of both figures is wrong, and nobody knows which."""
    slow = [primitive("reorder", seconds=0.02), primitive(implementation="ref:any", seconds=0.05)]
    assert causes(look(primitives=slow, logged_s=0.01)) == []
    assert len(causes(look(primitives=slow, logged_s=0.08))) == 1


def test_nothing_is_said_of_what_failed_or_told_nothing():
    assert causes(look(instructions=[DILATED], status="oom", reason="64 GiB wanted")) == []
    assert causes(look()) == []
