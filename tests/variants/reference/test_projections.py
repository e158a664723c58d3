"""Sums over random signs: those of a correct result are exact, and no slice of a wrong one hides."""

import dataclasses

import numpy as np
import pytest
from cases import make_case
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from loops import direct_convolution

from grouped_bench.variants.reference import convolution
from grouped_bench.variants.reference.projections import Projections


def results(case, seed=0):
    """Projections of a drawn problem, and its exact results."""
    rng, groups = np.random.default_rng(seed), case.groups
    x = rng.standard_normal((case.batch_size, *case.size, case.in_channels))
    dy = rng.standard_normal((case.batch_size, *case.output_size, case.out_channels))
    weights = {"kernel": rng.standard_normal(case.kernel_shape(groups))}
    if case.bias:
        weights["bias"] = rng.standard_normal(case.out_channels)

    def whole(shape, at):
        return at(convolution.sample_points(shape, 10**9, rng)).reshape(shape)

    made = {
        "output": direct_convolution(x, weights, case, groups),
        "input gradient": whole(x.shape, lambda p: convolution.input_gradient_at(dy, weights, case, groups, p)),
        "kernel gradient": whole(
            weights["kernel"].shape, lambda p: convolution.kernel_gradient_at(x, dy, case, groups, p)
        ),
    }
    return Projections(case, groups, x, dy, weights, rng), made


def largest(found):
    return max(deviation for _, deviation in (found.whole, *found.slices))


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        make_case,
        rank=st.integers(1, 3),
        groups=st.sampled_from([1, 2, 4]),
        size=st.integers(2, 6),
        kernel_size=st.integers(1, 5),
        stride=st.integers(1, 3),
        dilation=st.integers(1, 3),
        padding=st.sampled_from(["same", "valid"]),
        bias=st.booleans(),
    )
)
def test_exact_results_have_exact_sums(case):
    assume(case.problem() is None)
    projections, made = results(case)
    for name, values in made.items():
        assert largest(projections.deviations(name, values)) < 1e-12, name


@pytest.mark.parametrize("name", ["output", "input gradient", "kernel gradient"])
@pytest.mark.parametrize("seed", range(10))
def test_no_slice_along_any_axis_may_be_zero(name, seed):
    case = make_case(groups=4, channels=(16, 32), size=7, batch_size=3)
    projections, made = results(case, seed)
    for axis, extent in enumerate(made[name].shape):
        for place in {0, extent // 2, extent - 1}:
            values = made[name].copy()
            np.moveaxis(values, axis, 0)[place] = 0
            assert largest(projections.deviations(name, values)) > 0.05, (axis, place)


def test_one_element_of_many_thousands_is_seen():
    projections, made = results(make_case(groups=4, channels=(16, 32), size=14))
    values = made["output"].copy()
    values[1, 7, 5, 9] += 1
    assert largest(projections.deviations("output", values)) > 1e-3


def test_taps_are_taken_in_portions_where_they_make_too_many_numbers(monkeypatch):
    case = make_case(groups=2, kernel_size=3)
    (whole, made), (parts, _) = results(case), results(case)
    expected = whole.deviations("output", made["output"] * 2)
    monkeypatch.setattr("grouped_bench.variants.reference.projections._MOST", 1)
    found = parts.deviations("output", made["output"] * 2)
    np.testing.assert_allclose(dataclasses.astuple(found)[0], dataclasses.astuple(expected)[0])
