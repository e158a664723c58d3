"""The float64 reference of blocks: convolutions against a direct loop, gradients against finite differences."""

import dataclasses

import numpy as np
import pytest
from cases import make_block, make_case
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import direct_convolution

from grouped_bench import variants
from grouped_bench.measure import verify
from grouped_bench.variants.reference import block
from grouped_bench.variants.reference.block_functions import STAGES, Block, euclidean_error, moving_statistics

STEP = 1e-6


def drawn(case, seed=0):
    """Function, input, upstream gradient and weights of a block, all in float64."""
    rng = np.random.default_rng(seed)
    function = Block(case, case.cardinality)
    shape = (case.batch_size, *case.size, case.in_channels)
    return function, rng.standard_normal(shape), rng.standard_normal(shape), function.draw(seed)


@settings(max_examples=40, deadline=None)
@given(
    case=st.builds(
        make_case,
        rank=st.integers(1, 3),
        groups=st.sampled_from([1, 2, 4]),
        size=st.integers(1, 5),
        kernel_size=st.integers(1, 4),
        dilation=st.integers(1, 2),
    )
)
def test_a_convolution_equals_a_direct_loop_and_its_gradients_are_its_adjoints(case):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((case.batch_size, *case.size, case.in_channels))
    kernel = rng.standard_normal(case.kernel_shape(case.groups))
    y = block.convolve(x, kernel, case)
    np.testing.assert_allclose(y, direct_convolution(x, {"kernel": kernel}, case, case.groups), atol=1e-12)
    dy = rng.standard_normal(y.shape)
    dx, dkernel = block.convolution_gradients(x, kernel, dy, case)
    assert np.sum(x * dx) == pytest.approx(np.sum(y * dy), abs=1e-9)
    assert np.sum(kernel * dkernel) == pytest.approx(np.sum(y * dy), abs=1e-9)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("cardinality", [1, 2])
def test_gradients_are_those_of_finite_differences(rank, cardinality):
    case = make_block(rank=rank, size=4, cardinality=cardinality, dilation=2 if rank == 1 else 1)
    function, x, upstream, weights = drawn(case)
    exact = function.exact(x, upstream, weights)

    def total(x, weights):
        return np.sum(function.exact(x, upstream, weights)["output"] * upstream)

    rng = np.random.default_rng(1)
    for name in ("input", *weights):
        values = x if name == "input" else weights[name]
        direction = rng.standard_normal(values.shape)
        ends = [values + sign * STEP * direction for sign in (1, -1)]
        moved = [total(e, weights) if name == "input" else total(x, {**weights, name: e}) for e in ends]
        slope = np.sum(exact[f"{name} gradient"] * direction)
        assert (moved[0] - moved[1]) / (2 * STEP) == pytest.approx(slope, rel=1e-5, abs=1e-5), name


def test_one_pixel_of_one_path_by_hand():
    """In inference every stage is a product, shifted and scaled by known statistics."""
    case = make_block(rank=1, channels=1, cardinality=1, width=1, size=1, kernel_size=1, batch_size=1)
    case = dataclasses.replace(case, pass_="inference")
    kernels, scales, offsets = (2.0, -3.0, 0.5), (1.5, 0.5, 2.0), (0.25, 0.75, 1.0)
    weights = {}
    value = 0.8
    for stage, kernel, scale, offset in zip(STAGES, kernels, scales, offsets, strict=True):
        ones = {"kernel": np.full((1, 1, 1), kernel), "scale": np.array([scale]), "offset": np.array([offset])}
        weights |= {f"{stage} {kind}": array for kind, array in ones.items()}
        (mean,), (variance,) = moving_statistics(stage, 1)
        value = (value * kernel - mean) / np.sqrt(variance + 1e-3) * scale + offset
        value = max(value, 0) if stage != "expand" else value
    y = Block(case, 1).exact(np.full((1, 1, 1), 0.8), None, weights)["output"]
    assert y.item() == pytest.approx(max(0.8 + value, 0))


def test_training_normalises_by_the_batch_and_inference_by_what_was_learnt():
    training = make_block()
    inference = dataclasses.replace(training, pass_="inference")
    function, x, upstream, weights = drawn(training)
    ys = [
        function.exact(x, upstream, weights)["output"],
        Block(inference, function.groups).exact(x, None, weights)["output"],
    ]
    assert euclidean_error(*ys) > 0.01


@pytest.mark.parametrize("stage", STAGES)
def test_moving_statistics_differ_between_channels_and_are_exact_in_every_dtype(stage):
    mean, variance = moving_statistics(stage, 64)
    assert len(set(mean)) > 4
    assert len(set(variance)) > 4
    assert (variance > 0).all()
    for values in (mean, variance):
        np.testing.assert_array_equal(verify.rounded(values, "bfloat16"), values)
        np.testing.assert_array_equal(verify.rounded(values, "float16"), values)


def test_no_gradient_of_the_drawn_weights_vanishes():
    function, x, upstream, weights = drawn(make_block())
    exact = function.exact(x, upstream, weights)
    assert set(exact) == {"output", "input gradient", *(f"{name} gradient" for name in function.shapes())}
    assert all(np.linalg.norm(values) > 0.1 for values in exact.values())


def test_only_gradients_have_kinks_and_a_tolerance_that_knows_of_them():
    variant, case = variants.get("resnext_sum"), make_block(channels=64, cardinality=8, width=4, size=28, batch_size=8)
    output, gradient = (verify.tolerance(case, variant, name) for name in ("output", "middle kernel gradient"))
    assert output < 1e-4 < gradient < 1e-2
    few = 4 / (case.batch_size * 28 * 28 * 32 / 2)
    assert gradient == pytest.approx((output + few) ** 0.5)
    tiny = make_block(size=1, batch_size=1)
    assert verify.tolerance(tiny, variant, "input gradient") == 0.5
