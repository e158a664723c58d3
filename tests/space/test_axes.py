"""Axes and controls: what each takes, and the words in which anything else is refused."""

import math

import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.space.axes import AXIS_NAMES, OPTION_AXES, Axes, Control, validate

INTEGERS = "takes positive integers"
EXTENTS = "takes positive integers, or one extent per spatial axis, such as 28x28"
STEPS = "takes positive integers, or one step per spatial axis, such as 2x1"
SHARE = "takes a share between 0 and 1"
DURATION = "takes a duration above zero, up to 8784h"
RULES = {
    "scope": "takes layer (one convolution) or block (a residual block)",
    "rank": "takes 1, 2 or 3 (Conv1D, Conv2D, Conv3D)",
    "variant": "takes names from `grouped-bench list variants`, or all",
    "groups": INTEGERS,
    "channels": "takes positive integers, or IN:OUT",
    "cardinality": "takes positive integers: the paths of a block",
    "width": "takes positive integers: the channels of each path of a block",
    "kernel_size": EXTENTS,
    "stride": STEPS,
    "dilation": STEPS,
    "padding": "takes same, valid, or (rank 1 only) causal",
    "size": EXTENTS,
    "batch_size": INTEGERS,
    "pass": "takes inference or training",
    "dtype": "takes float32, bfloat16, float16, mixed_bfloat16 or mixed_float16",
    "data_format": "takes channels_last or channels_first",
    "bias": "takes true or false",
    "backend": "takes names from `grouped-bench list backends`",
    "execution": "takes graph, xla, eager or compile, as the backend supports",
    "device": "takes cpu, gpu, or an indexed device such as gpu:1",
    "cache": "takes hot or cold: whether calls find their inputs and weights in the cache",
    "layout": "takes keras (layers of Keras), or contiguous or channels_last (torch.nn in that memory format)",
    "env": "takes NAME=value,value: environment variables of the measuring processes; NAME= unsets one",
    "threads": "takes positive integers up to 1024: the threads to compute with",
    "multiplicity": "takes a positive integer: how often the case occurs in its network",
    "label": "takes a text of at most 80 characters",
    "only": "takes onednn_off: the case is measured only where TensorFlow leaves oneDNN off by default",
    "in_use": "takes the name of the variant that the network uses for the case",
}
CONTROL_RULES = {
    "precision": SHARE,
    "margin": SHARE,
    **dict.fromkeys(("visits", "least_visits"), "takes a positive integer"),
    **dict.fromkeys(("visit_time", "budget"), DURATION),
    "reference": "takes machine or case",
    "task_timeout": DURATION,
    "memory_limit": "takes a size of at least 1 byte, up to 1024TiB",
    "tf32": "takes on or off",
}
BEYOND = "must be at most 16,777,216"  # instead of the rule, for these
TOO_LARGE = (10**30, 2**24 + 1)
COUNTS = ("groups", "channels", "cardinality", "width", "kernel_size", "stride", "dilation", "size", "batch_size",
          "multiplicity", "visits", "least_visits")  # fmt: skip
NEVER = ["", [[[[1]]]], {}, {"a": 1}, object(), math.nan, -1, 10**30, 1.5]
NUMBERS = [*NEVER, None, 0, True, "abc", b"1", [], [None], [0, 1], "1,,2", "1,", "-3", "1.5", "٣", 2**24 + 1, range(3)]
NAMES = [*NEVER, None, 0, True, b"regular", [], "a b", "1a", "é!", "x" * 81, "a,,b", ["a", 1]]
WORDS = [*NEVER, None, 0, True, [], "abc", "SAME", "same,,valid"]
MORE_EXTENTS = ["28x", "x28", "28x0", "1x2x3x4", "28X28", [[1, 2, 3, 4]], [[]], [(28, True)]]
BAD = {
    **{axis: [*NUMBERS, "28x28", "1:2"] for axis in ("groups", "batch_size")},
    **{axis: [*NUMBERS, *MORE_EXTENTS] for axis in ("kernel_size", "stride", "dilation", "size")},
    **{axis: [bad for bad in (*NUMBERS, "28x28") if bad is not None] for axis in ("cardinality", "width")},
    **dict.fromkeys(("scope", "padding", "pass", "dtype", "data_format", "cache", "layout"), WORDS),
    "rank": [*NUMBERS, 4, "0"],
    "channels": [*NUMBERS, ":", "3:", ":3", "1:2:3", "0:3", [[1, 2, 3]], [[]], [(3, True)]],
    "backend": NAMES,
    **{axis: [bad for bad in NAMES if bad is not None] for axis in ("variant", "execution")},
    "bias": [*NEVER, None, 2, "abc", [], [True, "abc"]],
    "device": [*NEVER, None, 0, True, b"cpu", [], "abc", "CPU", "tpu", "cpu:", "gpu:a", "gpu:1234", "cpu,,gpu"],
    "env": [],  # whose refusals are of its own: test_variables.py
    "threads": [0, -1, True, 1.5, "abc", [], 1025, [1, 0]],
    "multiplicity": [*NEVER, 0, True, "abc", [], [1], 2**24 + 1],
    "only": [*NEVER, 0, True, "onednn_on", ["onednn_off"]],
    "label": [[[1]], {}, object(), 0, 1.5, True, b"text", "x" * 81],
    "in_use": [bad for bad in NAMES if bad is not None],
}
SHARES = [0, 1, "0%", "100%", "2 %", -0.1, "-1%", True, "abc", math.nan, 10**400]
DURATIONS = [0, "0s", "-1s", "1x", True, "abc", [], math.inf, 10**400, "9" * 400, "8784h1s", 31_622_401]
BAD_CONTROLS = {
    **dict.fromkeys(("precision", "margin"), SHARES),
    **dict.fromkeys(("visit_time", "budget", "task_timeout"), DURATIONS),
    **{key: [0, -1, True, 1.5, "abc", [], 10**30] for key in ("visits", "least_visits")},
    "reference": [0, True, None, "CASE", "", [], "dense"],
    "memory_limit": [0, -1, "0GiB", "0.5B", True, "abc", "8GB", [], math.inf, 10**400, "1025TiB", 2**50 + 1],
    "tf32": [0, True, "ON", "", [], "auto"],
}


def refusal(model, values, source="Space"):
    with pytest.raises(SpaceError) as caught:
        validate(model, values, source)
    return caught.value


def pairs(table):
    return [pytest.param(name, bad, id=f"{name}-{i}") for name, every in table.items() for i, bad in enumerate(every)]


def rule_of(name, value, rules):
    """The rule that a value breaks: the limit, where it is beyond it and nothing else."""
    return BEYOND if name in COUNTS and type(value) is int and value in TOO_LARGE else rules[name]


@pytest.mark.parametrize("value", ["16777217", "28x134217732", 10**30, [28, 2**25]])
def test_a_limit_that_was_broken_is_named(value):
    assert refusal(Axes, {"size": value}).rule == f"Space: `size` {BEYOND}"


def test_threads_have_a_limit_of_their_own():
    assert "up to 1024" in refusal(Axes, {"threads": 2**25}).rule


def test_no_axis_and_no_control_is_left_out_below():
    assert set(RULES) == set(BAD) == set(AXIS_NAMES)
    assert set(CONTROL_RULES) == set(BAD_CONTROLS) == set(Control.model_fields)


@pytest.mark.parametrize(("axis", "value"), pairs(BAD))
def test_a_bad_value_of_an_axis_is_refused_in_words(axis, value):
    error = refusal(Axes, {axis: value})
    assert error.rule == f"Space: `{axis}` {rule_of(axis, value, RULES)}"
    assert error.received is value
    option = axis.replace("_", "-")
    assert error.remedy.startswith(f"Write it like --{option} ")
    assert f', {axis} = "' in error.remedy


@pytest.mark.parametrize(("name", "value"), pairs(BAD_CONTROLS))
def test_a_bad_control_is_refused_in_words(name, value):
    error = refusal(Control, {name: value}, "my.toml [control]")
    assert error.rule == f"my.toml [control]: `{name}` {rule_of(name, value, CONTROL_RULES)}"
    assert error.received is value
    assert error.remedy.startswith(f"Write it like --{name.replace('_', '-')} ")


@pytest.mark.parametrize("key", ["group", "pass_", "passes", "caches", "scopes", 3, "", "a\x1b[31m"])
def test_an_unknown_axis_is_refused_with_those_there_are(key):
    error = refusal(Axes, {key: 1})
    assert "every key must be known" in error.rule
    assert error.received.endswith(" = 1")
    assert error.remedy == "Use one of " + ", ".join(RULES)
    assert str(error).isprintable()


def test_an_unknown_control_is_refused_with_those_there_are():
    error = refusal(Control, {"speed": 1})
    assert str(error) == (
        "Space: every key must be known. Received: speed = 1. "
        "Use one of precision, margin, visits, least_visits, visit_time, reference, budget, task_timeout, "
        "memory_limit, tf32."
    )


@pytest.mark.parametrize("axis", [axis for axis in AXIS_NAMES if axis != "env"])
def test_the_example_that_a_refusal_gives_is_itself_accepted(axis):
    example = refusal(Axes, {axis: [[[[1]]]]}).remedy.partition(f'{axis} = "')[2].partition('"')[0]
    assert validate(Axes, {axis: example}, "Space")


@pytest.mark.parametrize("name", CONTROL_RULES)
def test_the_example_that_a_refused_control_gives_is_itself_accepted(name):
    example = refusal(Control, {name: [[]]}).remedy.partition(f'{name} = "')[2].partition('"')[0]
    assert validate(Control, {name: example}, "Space")


@pytest.mark.parametrize(
    ("axis", "value", "values"),
    [
        ("groups", "1, 4,1", (1, 4)),
        ("groups", (8, "8", 2), (8, 2)),
        ("channels", "64,3:64", ((64, 64), (3, 64))),
        ("channels", [64, "3:64", [3, 64]], ((64, 64), (3, 64))),
        ("size", "28,14x28,8x14x14", ((28,), (14, 28), (8, 14, 14))),
        ("size", [28, (14, 28), [8, 14, 14]], ((28,), (14, 28), (8, 14, 14))),
        ("bias", "true,false", (True, False)),
        ("device", "cpu,gpu:1", ("cpu", "gpu:1")),
        ("execution", None, None),
        ("scope", "block,layer", ("block", "layer")),
        ("cardinality", "32,1", (32, 1)),
    ],
)
def test_values_are_read_once_each_in_their_order(axis, value, values):
    assert getattr(validate(Axes, {axis: value}, "Space"), axis) == values


def test_defaults_are_those_of_the_contract():
    defaults = Axes()
    assert {name: getattr(defaults, "pass_" if name == "pass" else name) for name in OPTION_AXES} == {
        "scope": ("layer",),
        "rank": (2,),
        "variant": None,
        "groups": (1,),
        "channels": ((64, 64),),
        "cardinality": None,
        "width": None,
        "kernel_size": ((3,),),
        "stride": ((1,),),
        "dilation": ((1,),),
        "padding": ("same",),
        "size": ((28,),),
        "batch_size": (8,),
        "pass": ("inference",),
        "dtype": ("float32",),
        "data_format": ("channels_last",),
        "bias": (False,),
        "backend": ("tensorflow",),
        "execution": None,
        "device": ("cpu",),
        "cache": ("hot",),
        "layout": ("keras",),
        "env": None,
        "threads": None,
    }


def test_controls_are_read_in_their_units():
    read = validate(Control, {"precision": "5%", "margin": 0.01, "budget": "1h30m", "task_timeout": "500ms"}, "Space")
    assert (read.precision, read.margin, read.budget, read.task_timeout) == (0.05, 0.01, 5400.0, 0.5)
    assert (Control().precision, Control().margin, Control().budget, Control().task_timeout) == (0.02, 0.03, None, 60.0)
