"""The check before every measurement: output and gradients against the float64 reference."""

import dataclasses

import numpy as np

from grouped_bench.backends.base import Backend, Tensor
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant
from grouped_bench.variants.reference.convolution import Weights, channels_last
from grouped_bench.variants.reference.functions import Function

_EPSILON = {"float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10}
# Elements of a ReLU that may turn over in any dtype: four where half of all are passed. The share of them at most.
_TURNED, _MOST_TURNED = 8, 0.25


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


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` as float32 numbers that `dtype` holds exactly, so that no input brings an error of its own."""
    values = values.astype(np.float32)
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
    rounding = float(4 * _EPSILON["float32"] * np.sqrt(function.reduction) + 4 * stored * function.roundings)
    kinks = function.kinks(name)
    return float(min(rounding + _TURNED / kinks, _MOST_TURNED) ** 0.5) if kinks else rounding


def judged(outputs: list[Tensor], problem: Problem, variant: Variant, backend: Backend) -> tuple[float, str | None]:
    """The largest error, and what is wrong where it is not allowed; arguments as `relative_error` takes them."""
    error, where = relative_error(outputs, problem, variant, backend)
    limit = tolerance(problem.case, variant, where)
    wrong = f"{where}: relative error {error:.2g} against the float64 reference, {limit:.2g} allowed"
    return error, None if error <= limit else wrong


def relative_error(outputs: list[Tensor], problem: Problem, variant: Variant, backend: Backend) -> tuple[float, str]:
    """The largest error, measured against its tolerance, of the output and the gradients, and the name of that tensor.

    Errors are max |y − ref| / max |ref|, and ‖dy − ref‖ / ‖ref‖ for gradients of blocks. A wrong shape or a value that
    is not finite counts as an infinite error.

    Args:
        outputs: what a step returned: y and, for training, dx and the gradients of the layer's variables in their
            order.
        problem: the inputs and reference weights that the step used.
        variant: how it was computed.
        backend: reads the tensors.
    """
    case, function = problem.case, variant.function(problem.case)
    y, *gradients = [backend.to_numpy(tensor) for tensor in outputs]
    found = {"output": (y, case.output_shape)}
    if problem.upstream is not None:
        found["input gradient"] = (gradients[0], case.input_shape)
        of_weights, shapes = variant.from_layer(gradients[1:], case), function.shapes()
        found |= {f"{name} gradient": (of_weights[name], shapes[name]) for name in shapes}
    for name, (array, shape) in found.items():
        if array.shape != shape:
            return float("inf"), f"{name} of shape {array.shape} instead of {shape}"
        if not np.isfinite(array).all():
            return float("inf"), f"{name} with non-finite values"
    x = channels_last(problem.x, case)
    upstream = None if problem.upstream is None else channels_last(problem.upstream, case)
    arrays = {name: channels_last(a, case) if name in _IMAGES else a for name, (a, _) in found.items()}
    rng = np.random.default_rng(problem.seed)
    errors = function.errors(x, upstream, problem.weights(function), arrays, rng)
    worst = max(errors, key=lambda name: errors[name] / tolerance(case, variant, name))
    return errors[worst], worst


_IMAGES = ("output", "input gradient")
