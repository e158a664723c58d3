"""The check before every measurement lets correct results pass and stops wrong ones."""

import numpy as np
import pytest
from cases import make_case

from grouped_bench import variants
from grouped_bench.measure import verify
from grouped_bench.variants.reference import convolution
from grouped_bench.variants.reference.functions import Convolution


class NumPyBackend:
    """Tensors are NumPy arrays already."""

    def to_numpy(self, tensor):
        return np.asarray(tensor, dtype=float)


def exact_outputs(case):
    """What a perfect step of the grouped function returns, channels last."""
    problem, groups = verify.make_problem(case, 0), case.groups
    weights = problem.weights(Convolution(case, groups))

    def full(shape, at):
        points = convolution.sample_points(shape, 10**9, np.random.default_rng(0))
        return at(points).reshape(shape)

    y = full(case.output_shape, lambda p: convolution.output_at(problem.x, weights, case, groups, p))
    dx = full(case.input_shape, lambda p: convolution.input_gradient_at(problem.upstream, weights, case, groups, p))
    dk = full(
        weights["kernel"].shape, lambda p: convolution.kernel_gradient_at(problem.x, problem.upstream, case, groups, p)
    )
    db = [convolution.bias_gradient(problem.upstream)] if case.bias else []
    return problem, [y, dx, dk, *db]


def check(problem, outputs):
    return verify.Judge(problem, NumPyBackend()).judged(outputs, variants.get("grouped"))


@pytest.mark.parametrize("bias", [False, True])
def test_an_exact_result_has_no_error(bias):
    problem, outputs = exact_outputs(make_case(bias=bias))
    error, wrong = check(problem, outputs)
    assert error < 1e-12
    assert wrong is None


@pytest.mark.parametrize(
    ("position", "name"),
    [(0, "output"), (1, "input gradient"), (2, "kernel gradient"), (3, "bias gradient")],
)
def test_a_scaled_tensor_is_caught_and_named(position, name):
    problem, outputs = exact_outputs(make_case(bias=True))
    outputs[position] = outputs[position] * 1.01
    error, wrong = check(problem, outputs)
    assert wrong.startswith(f"{name}: relative error 0.01 against")
    assert error > verify.tolerance(problem.case, variants.get("grouped"))


def test_one_wrong_group_is_caught():
    case = make_case(groups=32, channels=(32, 64), size=14, pass_="inference")
    problem = verify.make_problem(case, 0)
    points = convolution.sample_points(case.output_shape, 10**9, np.random.default_rng(0))
    y = convolution.output_at(problem.x, problem.weights(Convolution(case, 32)), case, 32, points).reshape(
        case.output_shape
    )
    y[..., 20:22] = 0
    assert check(problem, [y])[0] > 0.01


def test_a_wrong_shape_and_a_nan_are_infinite_errors():
    problem, (y, dx, dk) = exact_outputs(make_case())
    assert check(problem, [y[:1], dx, dk]) == (float("inf"), "output of shape (1, 6, 6, 8) instead of (2, 6, 6, 8)")
    dk = dk.copy()
    dk.flat[0] = np.nan
    assert check(problem, [y, dx, dk]) == (float("inf"), "kernel gradient with non-finite values")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_values_are_exact_in_their_dtype(dtype):
    values = verify.rounded(np.random.default_rng(0).standard_normal(1000), dtype)
    mantissa_bits = {"float16": 10, "bfloat16": 7}[dtype]
    fraction, _ = np.frexp(values.astype(float))
    np.testing.assert_array_equal(fraction * 2 ** (mantissa_bits + 1) % 1, 0)


def test_tolerance_grows_with_the_reduction_and_the_dtype():
    grouped, regular = variants.get("grouped"), variants.get("regular")
    small, large = make_case(size=4), make_case(size=40)
    assert verify.tolerance(small, grouped) < verify.tolerance(large, grouped) < 1e-3
    assert verify.tolerance(make_case(dtype="bfloat16"), regular) < 0.1
    assert verify.tolerance(small, regular) < verify.tolerance(make_case(size=4, dtype="float16"), regular)


def test_every_process_of_a_run_draws_the_same_problem():
    case = make_case(bias=True)
    first, second = verify.make_problem(case, 7), verify.make_problem(case, 7)
    np.testing.assert_array_equal(first.x, second.x)
    function = Convolution(case, 2)
    np.testing.assert_array_equal(first.weights(function)["kernel"], second.weights(function)["kernel"])
    assert not np.array_equal(first.x, verify.make_problem(case, 8).x)
