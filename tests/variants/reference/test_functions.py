"""Functions with a reference of their own: exact values against loops, gradients against finite differences."""

import dataclasses
import itertools

import numpy as np
import pytest
from cases import make_case
from loops import direct_convolution

from grouped_bench import variants

CASES = [
    make_case(),
    make_case(rank=1, padding="causal", dilation=2, bias=True),
    make_case(stride=2, padding="valid", size=7, bias=True),
    make_case(stride=3, kernel_size=1, size=7),
    make_case(rank=3, size=4, batch_size=1),
]


def drawn(function):
    case, rng = function.case, np.random.default_rng(0)
    x = rng.standard_normal((case.batch_size, *case.size, case.in_channels))
    dy = rng.standard_normal((case.batch_size, *case.output_size, case.out_channels))
    return x, dy, function.draw(3)


def separable(case):
    return variants.get("depthwise_separable").function(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title())
def test_a_separable_convolution_is_two_convolutions_one_after_the_other(case):
    x, _, weights = drawn(separable(case))
    alone = dataclasses.replace(case, out_channels=case.in_channels, bias=False)
    between = direct_convolution(x, {"kernel": weights["depthwise"]}, alone, case.in_channels)
    y = np.einsum("...i,io->...o", between, weights["pointwise"]) + weights.get("bias", 0)
    np.testing.assert_allclose(separable(case).exact(x, None, weights)["output"], y, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title())
def test_gradients_of_a_separable_convolution_are_finite_differences(case):
    """sum(y·dy) is of the first degree in each operand alone, so that any step gives its derivative exactly."""
    function = separable(case)
    x, dy, weights = drawn(function)
    exact = function.exact(x, dy, weights)
    assert set(exact) == {"output", "input gradient"} | {f"{name} gradient" for name in weights}

    def loss(operands):
        return np.sum(function.exact(operands["input"], None, operands)["output"] * dy)

    operands, rng = {"input": x, **weights}, np.random.default_rng(1)
    for name, values in operands.items():
        for point in rng.integers(0, values.shape, (6, values.ndim)):
            moved = values.copy()
            moved[tuple(point)] += 1
            slope = loss({**operands, name: moved}) - loss(operands)
            assert exact[f"{name} gradient"][tuple(point)] == pytest.approx(slope, abs=1e-9)


def test_an_output_of_a_separable_convolution_by_hand():
    case = make_case(rank=1, groups=1, channels=(2, 1), size=3, kernel_size=2, padding="valid", batch_size=1)
    weights = {"depthwise": np.array([[[1.0, 2.0]], [[10.0, 20.0]]]), "pointwise": np.array([[1.0], [100.0]])}
    x = np.array([[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]])
    first, second = 1 * 1 + 10 * 2 + 100 * (2 * 4 + 20 * 5), 1 * 2 + 10 * 3 + 100 * (2 * 5 + 20 * 6)
    assert separable(case).exact(x, None, weights)["output"].ravel().tolist() == [first, second]


def test_what_lies_between_the_convolutions_has_about_the_variance_of_the_input():
    case = make_case(channels=(64, 64), size=16, kernel_size=5)
    x, _, weights = drawn(separable(case))
    alone = separable(case)._depthwise(x[0], weights["depthwise"])
    assert np.var(alone) == pytest.approx(1, rel=0.3)
    assert np.var(separable(case).exact(x, None, weights)["output"]) == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_shuffled_convolution_knows_its_order(groups):
    case = make_case(groups=groups, channels=(4, 8), bias=True)
    function = variants.get("channel_shuffle").function(case)
    x, _, weights = drawn(function)
    y = direct_convolution(x, weights, case, groups)
    order = [g * (8 // groups) + i for i, g in itertools.product(range(8 // groups), range(groups))]
    outputs = {"output": y[..., order]}
    held = function.held(x, None, weights, np.random.default_rng(0))
    assert held.errors(outputs)["output"] < 1e-12
    assert held.deviations(outputs)["output"].whole[1] < 1e-12
    for off in (held.errors({"output": y})["output"], held.deviations({"output": y})["output"].whole[1]):
        assert (off > 0.1) == (groups > 1)


def test_functions_of_one_case_have_keys_of_their_own():
    keys = {variants.get(name).function(make_case(groups=2)).key for name in variants.names()}
    assert len(keys) == len({variants.get(name).computes for name in variants.names()}) == 4
