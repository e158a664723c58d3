"""Primitives from oneDNN's log, and what is none in it."""

import pytest
from onednn_log import TENSORFLOW

from grouped_bench.measure.explain.onednn import parse


def test_primitives_are_read_in_their_order():
    reorder, convolution = parse(TENSORFLOW)
    assert (reorder.kind, reorder.implementation, reorder.propagation) == ("reorder", "jit:uni", "")
    assert reorder.formats == "src:f32::blocked:decab::f0 dst:f32::blocked:aBCde8c8b::f0"
    assert reorder.algorithm == "" and reorder.problem == "30x8x8x3x3"
    assert reorder.seconds == pytest.approx(200.928e-6)
    assert (convolution.kind, convolution.implementation) == ("convolution", "jit:avx512_core")
    assert (convolution.propagation, convolution.algorithm) == ("forward_training", "convolution_direct")
    assert convolution.problem.startswith("g30mb1_ic240oc240_")
    assert convolution.seconds == pytest.approx(382.812e-6)


@pytest.mark.parametrize(
    "log", ["", "no log at all\n", TENSORFLOW.splitlines()[-1][:-60], "onednn_verbose,v1,primitive,exec,\n"]
)
def test_what_is_no_whole_line_is_passed_over(log):
    assert parse(log) == []


def test_a_line_may_begin_in_the_middle_of_another():
    assert len(parse("WARNING: " + TENSORFLOW.splitlines()[2])) == 1
    assert parse(TENSORFLOW.splitlines()[2].replace("0.200928", "soon")) == []
