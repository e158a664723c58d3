"""A case: its shapes against hand-made and brute-force counts, its rules, its columns."""

import itertools
import math

import pytest
from cases import CASE, case
from hypothesis import assume, given
from hypothesis import strategies as st

from grouped_bench.space.case import Case, Setting, format_extents


def line(n, k, s, d, padding):
    return case(rank=1, size=(n,), kernel_size=(k,), stride=(s,), dilation=(d,), padding=padding)


@pytest.mark.parametrize(
    ("n", "k", "s", "d", "padding", "output", "before"),
    [
        (28, 3, 1, 1, "same", 28, 1),
        (28, 3, 2, 1, "same", 14, 0),  # one zero in all, and TensorFlow puts it after
        (224, 7, 2, 1, "same", 112, 2),  # five zeros: two before, three after
        (28, 4, 1, 1, "same", 28, 1),
        (28, 1, 2, 1, "same", 14, 0),
        (29, 3, 2, 1, "same", 15, 1),
        (28, 3, 1, 4, "same", 28, 4),
        (28, 3, 1, 1, "valid", 26, 0),
        (28, 3, 2, 1, "valid", 13, 0),
        (28, 3, 1, 4, "valid", 20, 0),
        (28, 28, 1, 1, "valid", 1, 0),
        (28, 3, 1, 1, "causal", 28, 2),
        (28, 3, 1, 4, "causal", 28, 8),
        (29, 3, 2, 1, "causal", 15, 2),
    ],
)
def test_output_extent_and_padding_by_hand(n, k, s, d, padding, output, before):
    made = line(n, k, s, d, padding)
    assert made.output_size == (output,)
    assert made.pad_before == (before,)


@given(
    n=st.integers(1, 40),
    k=st.integers(1, 7),
    s=st.integers(1, 4),
    d=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid", "causal"]),
)
def test_output_extent_is_what_sliding_the_kernel_counts(n, k, s, d, padding):
    reach = d * (k - 1) + 1
    zeros = {"valid": 0, "causal": reach - 1}.get(padding)
    if zeros is None:  # TensorFlow's definition of same: the fewest zeros that give every s-th input its output
        zeros = next(z for z in itertools.count() if len(range(0, n + z - reach + 1, s)) == len(range(0, n, s)))
    starts = [start for start in range(n + zeros) if start % s == 0 and start + reach <= n + zeros]
    made = line(n, k, s, d, padding)
    assert made.output_size == (len(starts),)
    assert made.pad_before == ({"valid": 0, "causal": zeros, "same": zeros // 2}[padding],)


@pytest.mark.parametrize(
    ("data_format", "given_", "made", "axis"),
    [
        ("channels_last", (8, 28, 28, 64), (8, 14, 28, 128), 3),
        ("channels_first", (8, 64, 28, 28), (8, 128, 14, 28), 1),
    ],
)
def test_shapes_follow_the_data_format(data_format, given_, made, axis):
    strided = case(data_format=data_format, stride=(2, 1))
    assert (strided.input_shape, strided.output_shape, strided.channel_axis) == (given_, made, axis)


@pytest.mark.parametrize(("groups", "shape"), [(1, (3, 3, 64, 128)), (4, (3, 3, 16, 128))])
def test_kernel_shape_is_keras_own(groups, shape):
    assert CASE.kernel_shape(groups) == shape


@pytest.mark.parametrize(
    ("dtype", "compute", "variable"),
    [
        ("float32", "float32", "float32"),
        ("bfloat16", "bfloat16", "bfloat16"),
        ("mixed_bfloat16", "bfloat16", "float32"),
        ("mixed_float16", "float16", "float32"),
    ],
)
def test_mixed_dtypes_compute_short_and_hold_weights_long(dtype, compute, variable):
    assert (case(dtype=dtype).compute_dtype, case(dtype=dtype).variable_dtype) == (compute, variable)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": (28,)}, "size 28 has 1 extent, rank 2 needs 2"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size 3x3x3 has 3 extents, rank 2 needs 2"),
        ({"groups": 3}, "3 groups do not divide 64 input channels"),
        ({"groups": 32, "out_channels": 48}, "32 groups do not divide 48 output channels"),
        ({"padding": "causal"}, "causal padding exists for rank 1 only"),
        (
            {"padding": "valid", "kernel_size": (3, 29)},
            "the dilated kernel is larger than the unpadded input 28x28",
        ),
        (
            {"size": (2**24, 2**24), "batch_size": 2**12},
            "more than 1e+17 multiply-accumulates or elements, which no machine can hold",
        ),
    ],
)
def test_a_case_without_sense_says_why(changes, reason):
    assert case(**changes).problem() == reason


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"groups": 64},
        {"padding": "valid", "kernel_size": (28, 28)},
        {"kernel_size": (29, 29)},
        {"stride": (2, 2)},
        {"dilation": (2, 2)},
        {"stride": (2, 2), "dilation": (3, 3)},
        {"rank": 1, "padding": "causal", **dict.fromkeys(("size", "kernel_size", "stride", "dilation"), (1,))},
    ],
)
def test_a_case_at_the_edge_of_sense_has_no_problem(changes):
    assert case(**changes).problem() is None


@given(
    sizes=st.lists(st.integers(1, 2**24), min_size=3, max_size=3),
    channels=st.integers(1, 2**24),
    batch=st.integers(1, 2**24),
)
def test_counts_of_a_case_without_problem_fit_the_record(sizes, channels, batch):
    extents = {"size": tuple(sizes), **dict.fromkeys(("kernel_size", "stride", "dilation"), (1, 1, 1))}
    made = case(rank=3, in_channels=channels, out_channels=channels, groups=1, batch_size=batch, **extents)
    assume(made.problem() is None)
    work = math.prod(made.output_shape) * channels
    assert max(3 * work, 2 * 4 * (2 * math.prod(made.input_shape) + channels**2)) < 2**63


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Conv2D 64→128 k3x3 on 28x28 groups 4 batch 8 inference"),
        ({"stride": (2, 2)}, "Conv2D 64→128 k3x3 stride 2x2 on 28x28 groups 4 batch 8 inference"),
        ({"dilation": (2, 1)}, "Conv2D 64→128 k3x3 dilation 2x1 on 28x28 groups 4 batch 8 inference"),
        (
            {"dtype": "bfloat16", "padding": "valid", "data_format": "channels_first", "bias": True},
            "Conv2D 64→128 k3x3 on 28x28 groups 4 batch 8 inference bfloat16 valid channels_first bias",
        ),
    ],
)
def test_the_title_names_what_is_not_usual(changes, text):
    assert case(**changes).title() == text


def test_a_case_survives_its_columns():
    columns = CASE.to_columns() | {"size": [28.0, 28.0], "variant": "regular"}
    assert columns["pass"] == "inference"
    assert "pass_" not in columns
    assert Case.from_columns(columns) == CASE


def test_cases_and_settings_are_keys():
    assert len({CASE, case(), Setting("tensorflow", "graph", "cpu"), Setting("tensorflow", "graph", "cpu", "hot")}) == 2


def test_setting_and_extents_are_told_as_typed():
    assert Setting("tensorflow", "xla", "gpu:1").title() == "tensorflow xla on gpu:1"
    assert Setting("tensorflow", "graph", "cpu", "cold").title() == "tensorflow graph on cpu, cold cache"
    assert format_extents([28, 14]) == "28x14"
