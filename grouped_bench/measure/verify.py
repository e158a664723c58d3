"""The check of what is measured: output and gradients against the float64 reference."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from grouped_bench.backends.base import Backend, Tensor
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant
from grouped_bench.variants.reference.convolution import Weights, channels_last
from grouped_bench.variants.reference.functions import Function, Held

_EPSILON = {"float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}
# Elements of a ReLU that may turn over in any dtype: four where half of all are passed. The share of them at most.
_TURNED, _MOST_TURNED = 8, 0.25
# A norm may be off by so much of what the largest element may be off by (some frameworks add in 16 bits); by so much
# more where few sums tell of it.
_OF_NORM = {"float32": 0.5, "bfloat16": 1.0, "float16": 1.0}
_FEW = 4.0
# A result that lies nearer by this to what bfloat16 inputs give was computed so; of fewer sums that may be chance.
_NEARER, _ENOUGH = 0.8, 32


@dataclasses.dataclass(frozen=True)
class Problem:
    """The shared inputs of a cohort and the reference weights of each function, exact in the case's dtypes."""

    case: Case
    x: np.ndarray
    upstream: np.ndarray | None
    seed: int

    def weights(self, function: Function) -> Weights:
        """Reference weights of `function`, equal for every variant that computes it."""
        drawn = function.draw(self.seed)
        return {name: rounded(values, self.case.compute_dtype) for name, values in drawn.items()}


def make_problem(case: Case, seed: int) -> Problem:
    """Inputs and, for training, the upstream gradient of `case`, standard normal, drawn from `seed`."""
    rng = np.random.default_rng(seed)
    shapes = (case.input_shape, case.output_shape)[: 2 if case.pass_ == "training" else 1]
    x, *rest = (rounded(rng.standard_normal(shape, dtype=np.float32), case.compute_dtype) for shape in shapes)
    upstream = rest[0] if rest else None
    return Problem(case, x, upstream, seed)


def renewed(problem: Problem, seed: int) -> Problem:
    """The problem with other inputs that are as likely: each array's numbers moved on, by `seed`, and negated."""
    rng = np.random.default_rng(seed)

    def other(array: np.ndarray) -> np.ndarray:
        return np.roll(-array.ravel(), int(rng.integers(array.size))).reshape(array.shape)

    upstream = None if problem.upstream is None else other(problem.upstream)
    return dataclasses.replace(problem, x=other(problem.x), upstream=upstream)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` as float32 numbers that `dtype` holds exactly, so that no input brings an error of its own."""
    values = values.astype(np.float32, copy=False)
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "bfloat16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return values


def tolerance(case: Case, variant: Variant, name: str = "output") -> float:
    """Largest relative error of a correct result `name`.

    Sums are held in float32 at least: rounding grows with the square root of the longest reduction (Higham,
    Accuracy and Stability of Numerical Algorithms, 4.2). Each result on the way is rounded once more to the case's
    dtype. Where ReLUs are on the way, rounding turns over a share of their elements as large as itself, and a few
    however small it is; the gradients through these are wholly off, in Euclidean norm by the root of their share.
    """
    function, stored = variant.function(case), _EPSILON[case.compute_dtype]
    rounding = float(4 * _EPSILON["float32"] * np.sqrt(function.reduction) + 4 * stored * function.roundings(name))
    kinks = function.kinks(name)
    return float(min(rounding + _TURNED / kinks, _MOST_TURNED) ** 0.5) if kinks else rounding


class Judge:
    """Holds the results of steps on one problem to the float64 reference, which is computed once for all variants.

    Args:
        problem: the inputs and weights that the steps used.
        backend: reads the tensors.
        seed: of what is looked at; the problem's own unless given.
    """

    def __init__(self, problem: Problem, backend: Backend, seed: int | None = None) -> None:
        self._problem, self._backend = problem, backend
        self._seed = problem.seed if seed is None else seed
        self._held: dict[tuple[str, str], Held] = {}

    def judged(self, outputs: Sequence[Tensor], variant: Variant) -> tuple[float, str | None]:
        """The largest error, max |y − ref| / max |ref|, and what is wrong where something is.

        Errors of gradients of blocks are ‖dy − ref‖ / ‖ref‖. A wrong shape or a value that is not finite is an infinite
        error.

        Args:
            outputs: what a step returned: y and, for training, dx and the gradients of the layer's variables in their
                order.
            variant: how it was computed.
        """
        case, function = self._problem.case, variant.function(self._problem.case)
        found = self._named(outputs, variant)
        for name, (array, shape) in found.items():
            if array.shape != shape:
                return math.inf, f"{name} of shape {array.shape} instead of {shape}"
            if not np.isfinite(array).all():
                return math.inf, f"{name} with non-finite values"
        arrays = {name: channels_last(a, case) if name in _IMAGES else a for name, (a, _) in found.items()}
        held = self._of(function, case.compute_dtype)
        errors = held.errors(arrays)
        where = max(errors, key=lambda name: errors[name] / tolerance(case, variant, name))
        error, limit = errors[where], tolerance(case, variant, where)
        if error > limit:
            return error, f"{where}: relative error {error:.2g} against the float64 reference, {limit:.2g} allowed"
        return error, self._off(function, held, arrays, variant)

    def _off(self, function: Function, held: Held, arrays: dict[str, np.ndarray], variant: Variant) -> str | None:
        """What is wrong with the sums over all elements; None where nothing is."""
        case = self._problem.case
        found = held.deviations(arrays)
        for name, one in found.items():
            usual = _OF_NORM[case.compute_dtype] * tolerance(case, variant, name)
            for count, deviation in (one.whole, *one.slices):
                limit = usual * (1 + _FEW / math.sqrt(count))
                if deviation > limit:
                    off = f"a part is off by {deviation:.2g} in norm against the float64 reference"
                    return f"{name}: {off}, {limit:.2g} allowed"
        if case.compute_dtype != "float16" or not found:
            return None
        coarse = self._of(function, "bfloat16").deviations(arrays)
        for name, one in found.items():
            count, deviation = one.whole
            if count >= _ENOUGH and coarse[name].whole[1] < _NEARER * deviation:
                return f"{name}: the result of bfloat16 inputs, where float16 was asked"
        return None

    def _of(self, function: Function, dtype: str) -> Held:
        """What the function is held to, its inputs rounded to `dtype`, which those of the problem are already."""
        problem, case = self._problem, self._problem.case
        if (function.key, dtype) not in self._held:
            x, upstream = rounded(channels_last(problem.x, case), dtype), problem.upstream
            upstream = None if upstream is None else rounded(channels_last(upstream, case), dtype)
            weights = {name: rounded(values, dtype) for name, values in problem.weights(function).items()}
            rng = np.random.default_rng(self._seed)
            self._held[function.key, dtype] = function.held(x, upstream, weights, rng)
        return self._held[function.key, dtype]

    def _named(self, outputs: Sequence[Tensor], variant: Variant) -> dict[str, tuple[np.ndarray, tuple[int, ...]]]:
        """Each of the outputs as an array, and the shape that it should have."""
        case, function = self._problem.case, variant.function(self._problem.case)
        y, *gradients = [self._backend.to_numpy(tensor) for tensor in outputs]
        found = {"output": (y, case.output_shape)}
        if self._problem.upstream is not None:
            found["input gradient"] = (gradients[0], case.input_shape)
            of_weights, shapes = variant.from_layer(gradients[1:], case), function.shapes()
            found |= {f"{name} gradient": (of_weights[name], shapes[name]) for name in shapes}
        return found


_IMAGES = ("output", "input gradient")
