"""What variants compute: the weights that define a function, and how far a result lies from its exact value.

Arrays are channels last, whatever the case's data format.
"""

import functools
import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from grouped_bench.space.case import Case
from grouped_bench.variants.reference import convolution
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.projections import Deviations, Projections

POINTS = 96


class Held(ABC):
    """What the results of a function are held to, for some inputs and weights."""

    @abstractmethod
    def errors(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        """max |value − exact| / max |exact| of each of `outputs`, of the elements that are looked at.

        Args:
            outputs: `output` and, for training, `input gradient` and `NAME gradient` of each weight.
        """

    def deviations(self, outputs: dict[str, np.ndarray]) -> dict[str, Deviations]:
        """Of `outputs` whose elements are not all looked at, how far slices along every axis are off."""
        return {}


class Function(ABC):
    """A function of one case.

    Args:
        case: its geometry, dtype and pass.
    """

    def __init__(self, case: Case) -> None:
        self.case = case

    @property
    @abstractmethod
    def key(self) -> str:
        """Tells the functions of one case apart; variants of the same function share their weights by it."""

    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each reference weight, by name."""

    @property
    @abstractmethod
    def reduction(self) -> int:
        """Terms of the longest sum in the pass, by whose square root rounding grows."""

    def roundings(self, name: str) -> float:
        """How often the result `name` is rounded to the case's dtype on its way."""
        return 1.0

    def kinks(self, name: str) -> int:
        """Elements of a ReLU by whose signs the output `name` jumps; where there are any, errors are Euclidean."""
        return 0

    @abstractmethod
    def held(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights, rng: np.random.Generator) -> Held:
        """What results are held to.

        Args:
            x, upstream: input (N, *n, Cin) and, for training, upstream gradient (N, *o, Cout).
            weights: reference weights.
            rng: chooses elements and signs, where not all elements are looked at.
        """

    def draw(self, seed: int) -> Weights:
        """Reference weights in float64: kernels such that an output has about the variance of the input."""
        rng = np.random.default_rng([seed, zlib.crc32(self.key.encode())])
        return {name: self._draw(shape, rng) for name, shape in self.shapes().items()}

    def _draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        values = rng.standard_normal(shape)
        return values if len(shape) == 1 else np.asarray(values / np.sqrt(np.prod(shape[:-1])))


class Convolution(Function):
    """The convolution with `groups` groups, 1 for the dense one.

    It is held to its exact value at sampled elements, and to exact sums over all of them.
    """

    def __init__(self, case: Case, groups: int) -> None:
        super().__init__(case)
        self.groups = groups

    @property
    def key(self) -> str:
        return f"convolution {self.groups}"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        bias: dict[str, tuple[int, ...]] = {"bias": (self.case.out_channels,)} if self.case.bias else {}
        return {"kernel": self.case.kernel_shape(self.groups), **bias}

    @property
    def reduction(self) -> int:
        case = self.case
        forward = int(np.prod(case.kernel_size)) * case.in_channels // self.groups
        over_outputs = case.batch_size * int(np.prod(case.output_size)) if case.pass_ == "training" else 0
        return max(forward, over_outputs)

    def roundings(self, name: str) -> float:
        # Each result, each of a split's partial results, and in XLA each partial sum of a bias's gradient.
        case = self.case
        sums = case.batch_size * math.prod(case.output_size) if name == "bias gradient" else 0
        return 1 + (math.sqrt(case.groups) + math.sqrt(sums)) / 4

    def held(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights, rng: np.random.Generator) -> Held:
        """By `x`, `upstream` and `weights`: elements and signs that `rng` draws."""
        return _HeldConvolution(self, x, upstream, weights, rng)


class _HeldConvolution(Held):
    """Elements that `rng` draws are compared, the bias's gradient as a whole, and sums over all elements."""

    def __init__(
        self,
        function: Convolution,
        x: np.ndarray,
        upstream: np.ndarray | None,
        weights: Weights,
        rng: np.random.Generator,
    ) -> None:
        where = (function.case, function.groups)
        self._rng, self._projections = rng, Projections(*where, x, upstream, weights, rng)
        self._exact_at = {"output": functools.partial(convolution.output_at, x, weights, *where)}
        self._bias_gradient = None
        if upstream is not None:
            of_input, of_kernel = convolution.input_gradient_at, convolution.kernel_gradient_at
            self._exact_at["input gradient"] = functools.partial(of_input, upstream, weights, *where)
            self._exact_at["kernel gradient"] = functools.partial(of_kernel, x, upstream, *where)
            self._bias_gradient = convolution.bias_gradient(upstream) if "bias" in weights else None

    def errors(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        errors = {name: _sampled_error(outputs[name], at, self._rng) for name, at in self._exact_at.items()}
        if self._bias_gradient is not None:
            errors["bias gradient"] = whole_error(outputs["bias gradient"], self._bias_gradient)
        return errors

    def deviations(self, outputs: dict[str, np.ndarray]) -> dict[str, Deviations]:
        return {name: self._projections.deviations(name, outputs[name]) for name in self._exact_at}


class WholeFunction(Function):
    """A function that is held to its exact value at every element."""

    @abstractmethod
    def exact(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights) -> dict[str, np.ndarray]:
        """The exact float64 value of each of the outputs that `errors` takes, by the same names.

        Args:
            x: input, (N, *n, Cin).
            upstream: upstream gradient, (N, *o, Cout); None for inference, which has no gradients.
            weights: reference weights.
        """

    def error_of(self, name: str, values: np.ndarray, exact: np.ndarray) -> float:
        """The error of the output `name`, from its `values` and the `exact` ones."""
        return whole_error(values, exact)

    def held(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights, rng: np.random.Generator) -> Held:
        """The `exact` values by `x`, `upstream` and `weights`; `rng` is not needed."""
        return _HeldWhole(self, self.exact(x, upstream, weights))


class _HeldWhole(Held):
    """Every element is compared."""

    def __init__(self, function: WholeFunction, exact: dict[str, np.ndarray]) -> None:
        self._function, self._exact = function, exact

    def errors(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        return {name: self._function.error_of(name, values, self._exact[name]) for name, values in outputs.items()}


def whole_error(values: np.ndarray, exact: np.ndarray) -> float:
    """max |values − exact| / max |exact|."""
    return float(np.max(np.abs(values - exact)) / (np.max(np.abs(exact)) or 1.0))


def _sampled_error(values: np.ndarray, exact_at: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> float:
    points = convolution.sample_points(values.shape, POINTS, rng)
    return whole_error(values[tuple(points.T)], exact_at(points))
