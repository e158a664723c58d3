"""The NumPy reference against a direct loop, and its gradients against the adjoint identity."""

import numpy as np
import pytest
from cases import make_case
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import direct_convolution

from grouped_bench.variants.reference import convolution


def everything(shape):
    return convolution.sample_points(shape, 10**9, np.random.default_rng(0))


def drawn(case, groups, bias=False):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.batch_size, *case.size, case.in_channels))
    dy = rng.standard_normal((case.batch_size, *case.output_size, case.out_channels))
    kernel = rng.standard_normal(case.kernel_shape(groups))
    return x, dy, {"kernel": kernel} | ({"bias": rng.standard_normal(case.out_channels)} if bias else {})


legal_cases = st.builds(
    make_case,
    rank=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    size=st.integers(3, 6),
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.sampled_from(["same", "valid"]),
    bias=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(legal_cases)
def test_output_equals_a_direct_loop(case):
    x, _, weights = drawn(case, case.groups, case.bias)
    expected = direct_convolution(x, weights, case, case.groups)
    points = everything(expected.shape)
    found = convolution.output_at(x, weights, case, case.groups, points)
    np.testing.assert_allclose(found, expected[tuple(points.T)], atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(legal_cases)
def test_gradients_are_the_adjoints_of_the_output(case):
    """y is linear in x and in the kernel, so sum(y·dy) = sum(x·dx) = sum(kernel·dkernel) for every draw."""
    groups = case.groups
    x, dy, weights = drawn(case, groups)
    y = direct_convolution(x, weights, case, groups)
    dx = convolution.input_gradient_at(dy, weights, case, groups, everything(x.shape)).reshape(x.shape)
    shape = weights["kernel"].shape
    dkernel = convolution.kernel_gradient_at(x, dy, case, groups, everything(shape)).reshape(shape)
    assert np.sum(x * dx) == pytest.approx(np.sum(y * dy), abs=1e-9)
    assert np.sum(weights["kernel"] * dkernel) == pytest.approx(np.sum(y * dy), abs=1e-9)


@pytest.mark.parametrize("dilation", [2, 3])
@pytest.mark.parametrize("padding", ["same", "valid", "causal"])
def test_dilated_and_causal_outputs_equal_a_direct_loop(padding, dilation):
    case = make_case(rank=1, groups=2, size=9, padding=padding, dilation=dilation)
    x, _, weights = drawn(case, 2)
    expected = direct_convolution(x, weights, case, 2)
    points = everything(expected.shape)
    found = convolution.output_at(x, weights, case, 2, points)
    np.testing.assert_allclose(found, expected[tuple(points.T)], atol=1e-12)


def test_one_element_of_the_input_gradient_by_hand():
    case = make_case(rank=1, groups=1, channels=(1, 1), size=3, kernel_size=3, batch_size=1)
    weights = {"kernel": np.array([[[1.0]], [[10.0]], [[100.0]]])}
    dy = np.array([[[1.0], [2.0], [3.0]]])
    # x[1] is read by y[0] with the last tap, y[1] with the middle one, y[2] with the first.
    assert convolution.input_gradient_at(dy, weights, case, 1, np.array([[0, 1, 0]]))[0] == 100 * 1 + 10 * 2 + 1 * 3


def test_bias_gradient_sums_over_all_but_channels():
    dy = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(convolution.bias_gradient(dy), [60, 66, 72, 78])


def test_sampled_points_reach_every_group_and_both_corners():
    points = convolution.sample_points((8, 28, 28, 128), 96, np.random.default_rng(0))
    assert len(points) == 96
    assert set(points[2:, 3] // 4) | {0, 31} == set(range(32))
    assert points[0].tolist() == [0, 0, 0, 0]
    assert points[1].tolist() == [7, 27, 27, 127]
    assert (points < np.array([8, 28, 28, 128])).all()
