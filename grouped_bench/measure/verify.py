"""The check before every measurement: output and gradients against the float64 reference."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from grouped_bench.backends.base import Backend, Tensor
from grouped_bench.space.case import Case
from grouped_bench.variants import reference
from grouped_bench.variants.base import Variant, Weights

POINTS = 96
_EPSILON = {"float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}


@dataclasses.dataclass(frozen=True)
class Problem:
    """The shared inputs of a cohort and the reference weights of each group count, exact in the case's dtypes."""

    case: Case
    x: np.ndarray
    upstream: np.ndarray | None
    seed: int

    def weights(self, groups: int) -> Weights:
        """Reference weights of the function with `groups` groups; equal for every variant that computes it."""
        rng = np.random.default_rng([self.seed, groups])
        shape = self.case.kernel_shape(groups)
        kernel = rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
        bias = rng.standard_normal(self.case.out_channels) if self.case.bias else None
        return Weights(*(rounded(a, self.case.compute_dtype) for a in (kernel, bias) if a is not None))


def make_problem(case: Case, seed: int) -> Problem:
    """Inputs and, for training, the upstream gradient of `case`, standard normal, drawn from `seed`."""
    rng = np.random.default_rng(seed)
    shapes = (case.input_shape, case.output_shape)[: 2 if case.pass_ == "training" else 1]
    x, *rest = (rounded(rng.standard_normal(shape, dtype=np.float32), case.compute_dtype) for shape in shapes)
    upstream = rest[0] if rest else None
    return Problem(case, x, upstream, seed)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` as float32 numbers that `dtype` holds exactly, so that no input brings an error of its own."""
    values = values.astype(np.float32)
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "bfloat16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return values


def tolerance(case: Case, variant: Variant) -> float:
    """Largest relative error of a correct result.

    Sums are held in float32 at least: rounding grows with the square root of the longest reduction (Higham,
    Accuracy and Stability of Numerical Algorithms, 4.2). Each result, and each of a split's partial results, is
    rounded once more to the case's dtype.
    """
    reduction = np.prod(case.kernel_size) * case.in_channels // variant.groups(case)
    if case.pass_ == "training":
        reduction = max(reduction, case.batch_size * np.prod(case.output_size))
    stored = _EPSILON[case.compute_dtype]
    return float(4 * _EPSILON["float32"] * np.sqrt(reduction) + 4 * stored * (1 + np.sqrt(case.groups) / 4))


def relative_error(outputs: list[Tensor], problem: Problem, variant: Variant, backend: Backend) -> tuple[float, str]:
    """max |y − ref| / max |ref| over sampled elements, the worst of output and gradients, and which it was.

    A wrong shape or a value that is not finite counts as an infinite error.
    """
    case, groups = problem.case, variant.groups(problem.case)
    weights, rng = problem.weights(groups), np.random.default_rng(problem.seed)
    y, *gradients = [backend.to_numpy(tensor) for tensor in outputs]
    found = {"output": (y, case.output_shape)}
    if problem.upstream is not None:
        kernel = variant.from_layer(gradients[1:], case).kernel
        found |= {"input gradient": (gradients[0], case.input_shape), "kernel gradient": (kernel, weights.kernel.shape)}
    for name, (array, shape) in found.items():
        if array.shape != shape:
            return float("inf"), f"{name} of shape {array.shape} instead of {shape}"
        if not np.isfinite(array).all():
            return float("inf"), f"{name} with values that are not finite"
    x = reference.channels_last(problem.x, case)
    output_at = functools.partial(reference.output_at, x, weights, case, groups)
    errors = {"output": _error(reference.channels_last(y, case), output_at, rng)}
    if problem.upstream is not None:
        errors |= _gradient_errors(gradients, problem, variant, rng)
    worst = max(errors, key=lambda name: errors[name])
    return errors[worst], worst


def _gradient_errors(
    gradients: list[np.ndarray], problem: Problem, variant: Variant, rng: np.random.Generator
) -> dict[str, float]:
    case, groups = problem.case, variant.groups(problem.case)
    x, upstream = (reference.channels_last(a, case) for a in (problem.x, problem.upstream) if a is not None)
    input_at = functools.partial(reference.input_gradient_at, upstream, problem.weights(groups), case, groups)
    kernel_at = functools.partial(reference.kernel_gradient_at, x, upstream, case, groups)
    found = variant.from_layer(gradients[1:], case)
    errors = {
        "input gradient": _error(reference.channels_last(gradients[0], case), input_at, rng),
        "kernel gradient": _error(found.kernel, kernel_at, rng),
    }
    if found.bias is not None:
        exact = reference.bias_gradient(upstream)
        errors["bias gradient"] = float(np.max(np.abs(found.bias - exact)) / np.max(np.abs(exact)))
    return errors


def _error(array: np.ndarray, reference_at: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> float:
    points = reference.sample_points(array.shape, POINTS, rng)
    exact = reference_at(points)
    largest = np.max(np.abs(exact))
    return float(np.max(np.abs(array[tuple(points.T)] - exact)) / (largest or 1.0))
