"""Known refusals: each is provoked for real, known for what it is, and its remedy works; and where each is shown."""

import functools
import json

import pytest
import refused
from expected import FIRST as _FIRST
from expected import GRADIENT as _GRADIENT
from expected import HAS_BFLOAT16 as _HAS_BFLOAT16
from expected import HAS_FLOAT16 as _HAS_FLOAT16
from frames import fail, frame
from looks import cohort, look

from grouped_bench import backends
from grouped_bench.analyse.advise.advice import failures
from grouped_bench.analyse.reasons.reasons import explain_reason, explained, matching
from grouped_bench.analyse.reasons.refusals import REFUSALS
from grouped_bench.analyse.rows import plain
from grouped_bench.report import explanation
from grouped_bench.report.findings.findings import findings
from grouped_bench.report.page.html import page
from grouped_bench.report.run.tables import render

_BF16 = None if _HAS_BFLOAT16 else f"{_GRADIENT}_bfloat16"
_F16 = None if _HAS_FLOAT16 else f"{_GRADIENT}_float16"
_F16_FIRST = None if _HAS_FLOAT16 else f"{_FIRST}_dtype"
_F16_STRIDES = None if _HAS_FLOAT16 else "tensorflow_depthwise_strides_dtype"
_ALIKE = {
    **dict.fromkeys(("split float32", "split bfloat16", "split float16", "split float64", "split 3D", "own 3D")),
    **dict.fromkeys(("own first 3D", "fused eager", "depthwise", "depthwise float16", "kernel")),
    **dict.fromkeys(("3D", "train 3D"), "tensorflow_grouped_3d"),
    **dict.fromkeys(("gradient of input float64", "gradient of kernel float64"), f"{_GRADIENT}_float64"),
    **dict.fromkeys(("stride and dilation", "stride and dilation native"), "stride_and_dilation"),
}
_FAULTS = {
    **dict.fromkeys(("filters", "input channels", "kernel of 7", "kernel to 30"), "channels_and_groups"),
    **dict.fromkeys(("Keras kernel of 7", "Keras kernel to 30"), "channels_and_groups"),
    "kernel float16": "operand_dtypes",
    "transpose": "keras_transpose_groups",
    "causal": "keras_causal",
}
_FLOAT32 = ("train float32", "train 1D", "train eager", "train shuffle", "gradient of input float32",
            "gradient of kernel float32", "gradient of kernel 1D")  # fmt: skip
_LAYOUTS = (*(f"first {name} {pass_}" for name in ("regular", "grouped_native", "split_concat")
              for pass_ in ("inference", "training")), "first 3D of one group", "depthwise first")  # fmt: skip
# What becomes of each attempt in a class: the entry that it meets, or None where it works.
EXPECTED = {
    ("tensorflow", "off"): {
        **_ALIKE,
        **_FAULTS,
        **dict.fromkeys(_FLOAT32, _GRADIENT),
        **dict.fromkeys(("train bfloat16", "train mixed_bfloat16"), f"{_GRADIENT}_bfloat16_off"),
        **dict.fromkeys(("train float16", "train mixed_float16"), f"{_GRADIENT}_float16"),
        **dict.fromkeys(_LAYOUTS, _FIRST),
        **dict.fromkeys(("first 3D", "train first 3D"), f"{_FIRST}_grouped_3d"),
        "first float16": f"{_FIRST}_dtype",
        "fused": "tensorflow_fused_groups",
        "depthwise strides": "tensorflow_depthwise_strides",
        "depthwise strides float16": "tensorflow_depthwise_strides_dtype",
    },
    ("tensorflow", "on"): {
        **_ALIKE,
        **dict.fromkeys((*_FLOAT32, *_LAYOUTS, "fused", "depthwise strides")),
        **dict.fromkeys(("train bfloat16", "train mixed_bfloat16"), _BF16),
        **dict.fromkeys(("train float16", "train mixed_float16"), _F16),
        **dict.fromkeys(("first 3D", "train first 3D"), "tensorflow_grouped_3d"),
        "first float16": _F16_FIRST,
        "depthwise strides float16": _F16_STRIDES,
    },
    ("tensorflow", "held"): {"train bfloat16": "tensorflow_onednn_isa" if _HAS_BFLOAT16 else _BF16},
    ("tensorflow", "free"): {"train bfloat16": _BF16},
    ("torch", "own"): {**_FAULTS, "stride and dilation": "stride_and_dilation", "float8": "torch_dtype", "eager": None},
    ("torch", "bare"): {"compile": "torch_compiler", "eager": None},
    ("jax", "own"): {**_FAULTS, "stride and dilation": "stride_and_dilation", "stride and dilation native": None},
}
VARIABLES = {
    "own": {},
    "off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "on": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "held": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "free": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "ALL"},
    "bare": {"CXX": "no-such-compiler", "PATH": "/no/such/folder"},
}
EACH = [(*where, name, entry) for where, found in EXPECTED.items() for name, entry in found.items()]
ENTRIES = {refusal.name: refusal for refusal in REFUSALS}


@functools.cache
def outcomes(backend, class_):
    """What became of all attempts of a class, in one process."""
    if not backends.get(backend).installed():
        pytest.skip(f"{backend} is not installed")
    return refused.outcomes(backend, EXPECTED[backend, class_], VARIABLES[class_])


@pytest.mark.parametrize(("backend", "class_", "name", "entry"), EACH)
def test_what_a_framework_refuses_meets_its_entry_alone(backend, class_, name, entry):
    found = outcomes(backend, class_)[name]
    assert [one.name for one in matching(found["reason"], found["columns"])] == ([entry] if entry else [])
    assert (found["status"] == "ok") == (entry is None), found["reason"]


@pytest.mark.parametrize(("backend", "class_", "name", "entry"), [each for each in EACH if each[-1]])
def test_a_record_that_tells_nothing_of_onednn_gets_one_entry_too(backend, class_, name, entry):
    found = outcomes(backend, class_)[name]
    unknown = {key: value for key, value in found["columns"].items() if key != "in_force"}
    expected = entry.removesuffix("_off")  # which is true of either
    assert [one.name for one in matching(found["reason"], unknown)] == [expected]


@pytest.mark.parametrize(
    ("backend", "class_", "name", "entry"), [each for each in EACH if each[-1] and ENTRIES[each[-1]].env]
)
def test_a_value_that_is_a_remedy_is_one(backend, class_, name, entry):
    variable, value = ENTRIES[entry].env
    with_it = {**VARIABLES[class_], variable: value}
    assert f"{variable}={value}" in ENTRIES[entry].remedy
    if entry.endswith("bfloat16_off") and not _HAS_BFLOAT16:
        pytest.skip("the remedy asks for AVX-512, which this processor has not")
    remedied = next(name for name, variables in VARIABLES.items() if variables == with_it)
    assert outcomes(backend, remedied)[name]["status"] == "ok"


def test_every_entry_is_provoked():
    elsewhere = {f"{_GRADIENT}_bfloat16"} if _HAS_BFLOAT16 else {"tensorflow_onednn_isa"}
    assert {entry for *_, entry in EACH if entry} | elsewhere == set(ENTRIES)
    assert len(ENTRIES) == len(REFUSALS)


# What holds without a framework

REASON = "InvalidArgumentError: filter_size does not have enough elements, requested 147456, got 4608"
TASK = {"backend": "tensorflow", "dtype": "float32", "rank": 2, "groups": 32, "computes": "grouped"}
TOLD = (
    "TensorFlow has gradients of grouped convolutions on the CPU only in oneDNN, which was off. Set "
    "TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is imported, or use split_concat. (TensorFlow: " + REASON + ")"
)


@pytest.mark.parametrize(
    ("changed", "entry", "env"),
    [
        ({}, "", ("TF_ENABLE_ONEDNN_OPTS", "1")),
        ({"in_force": '{"onednn": false}'}, "", ("TF_ENABLE_ONEDNN_OPTS", "1")),
        ({"dtype": "bfloat16", "in_force": '{"onednn": false}'}, "_bfloat16_off", ("TF_ENABLE_ONEDNN_OPTS", "1")),
        ({"dtype": "bfloat16", "in_force": {"onednn": True}}, "_bfloat16", None),
        ({"dtype": "mixed_bfloat16"}, "_bfloat16", None),
        ({"dtype": "float16", "in_force": '{"onednn": false}'}, "_float16", None),
        ({"dtype": "float64"}, "_float64", None),
    ],
)
def test_a_value_is_offered_only_where_it_helps(changed, entry, env):
    found = explain_reason(REASON, {**TASK, **changed})
    assert (found.name, found.env) == (_GRADIENT + entry, env)


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        (None, {}),
        ("the machine is on fire", {}),
        (REASON, {"backend": "jax"}),
        (REASON, {"in_force": '{"onednn": true}'}),  # of which no cause is known
    ],
)
def test_what_is_not_known_is_not_explained(reason, changed):
    assert explain_reason(reason, {**TASK, **changed}) is None
    assert explained(reason, {**TASK, **changed}) == reason


@pytest.mark.parametrize("in_force", ["no JSON", "[" * 100_000, "[1]", '{"onednn": "yes"}', 3])
def test_what_was_in_force_may_be_anything(in_force):
    assert explain_reason(REASON, {**TASK, "in_force": in_force}).name == _GRADIENT


@pytest.mark.parametrize(
    ("computes", "split"),
    [("grouped", "split_concat"), ("resnext", "resnext_concat"), ("planes", "a variant without grouped kernels")],
)
def test_the_variant_of_a_remedy_computes_the_same_function(computes, split):
    assert f", or use {split}." in explain_reason(REASON, {**TASK, "computes": computes}).remedy


def test_cause_and_remedy_are_sentences():
    for one in REFUSALS:
        assert one.cause[-1] == one.remedy[-1] == "." and "  " not in one.cause + one.remedy


# Where it is shown


def small(reason=REASON):
    made = frame(groups=[32], channels=[128], passes=["training"], in_force=json.dumps({"onednn": False, "flags": {}}))
    return fail(made, made["variant"] == "grouped_native", "unsupported", reason)


def shown(text):
    return " ".join(text.split())


def test_the_table_has_cause_remedy_and_words_in_80_columns():
    text = render(small(), [])
    assert f"grouped_native unsupported {TOLD} " in shown(text)
    assert max(map(len, text.splitlines())) <= 80


def test_markdown_has_them_in_the_outcome():
    assert f"| unsupported: {TOLD} |" in render(small(), [], format="markdown").replace("\\_", "_")


def test_the_record_keeps_the_words_alone():
    assert "only in oneDNN" not in render(small(), [], format="csv")
    told = json.loads(render(small(), [], format="json"))
    assert [task["reason"] for task in told["tasks"] if task["reason"]] == [REASON]


def test_a_finding_counts_those_of_one_cause_whatever_their_numbers():
    made = fail(small(), small()["variant"] == "grouped", "unsupported", REASON.replace("4608", "9"))
    made = fail(made, made["variant"] == "split_sum", "unsupported", "no such thing")
    text = findings(made)[-1].text
    assert text.startswith(
        "Not measured: 3 of 5 tasks. Reasons: 3 unsupported, no such thing (1). 2 tasks: TensorFlow has "
    )
    assert text.count("Set TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is imported, or use split_concat. (") == 1


def test_a_finding_counts_causes_beyond_the_first():
    reasons = [REASON, "Fused conv implementation does not support grouped convolutions for now.",
               "input and filter must have the same depth: 8 vs 2", "Conv2DCustomBackpropInputOp only supports NHWC.",
               "nobody knows"]  # fmt: skip
    made = frame(groups=[32], channels=[128], passes=["training"], in_force=None)
    made = made.assign(status="unsupported", reason=reasons)
    assert findings(made)[-1].text.endswith(" 1 more cause.")


def test_the_page_has_them_in_its_table_and_among_its_failures():
    text = page(small(), [])
    assert text.count(TOLD) == 3  # a finding, the table of the cohort, and the failures


def test_advice_has_them_with_what_it_left_out():
    assert failures(plain(small()), "grouped") == {"grouped_native": f"unsupported: {TOLD}"}


def test_explain_has_them():
    one = look(of=cohort(variants=["grouped_native"]), status="unsupported", reason=REASON, latency_s=None)
    text = explanation.render([one], "table")
    assert f"grouped_native: unsupported: {TOLD} " in shown(text)
    assert max(map(len, text.splitlines())) <= 80


def test_a_look_that_does_not_tell_its_task_keeps_its_words():
    one = look(status="unsupported", reason=REASON)
    assert explanation.tell({**one, "task": 3}).used == f"unsupported: {REASON}"
