"""Sums of a convolution's results over random signs: all of a result is looked at for the price of a few channels.

A result is right where its products with a few random vectors of signs are (Freivalds, 1977). The sum over all channels
is a convolution with one output channel, and the sum over all positions one with one position, so the exact value of
both costs next to nothing, and together they see any slice along any axis that is off. Arrays are channels last.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from grouped_bench.space.case import Case
from grouped_bench.variants.reference.convolution import Weights

# A slice that is wholly off hides from a vector where its sum happens to be small beside what is allowed, by the square
# of that from two. Of 16 bits more is allowed.
_VECTORS, _VECTORS_OF_16_BITS = 2, 4
# Numbers that are held at once for all taps.
_MOST = 2**24
Slices = tuple[slice, ...]


@dataclasses.dataclass(frozen=True)
class Deviations:
    """‖error‖ / ‖exact‖ of a result, both in the mean over its numbers, and how many sums tell of it.

    Args:
        whole: of all of the result.
        slices: of the worst slice along each axis; its error is set against the whole result.
    """

    whole: tuple[int, float]
    slices: tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True)
class Sums:
    """Exact sums of a result over signs, vectors last, and what makes the same sums of values."""

    expected: np.ndarray
    of: Callable[[np.ndarray], np.ndarray]


class Projections:
    """The exact sums of a convolution's output and gradients over signs that are drawn once.

    Args:
        case: its geometry.
        groups: G; 1 for the dense function of the case.
        x: input, (N, *n, Cin).
        upstream: upstream gradient, (N, *o, Cout); None for inference.
        weights: `kernel` (*k, Cin/G, Cout) and, where there is one, `bias` (Cout,).
        rng: draws the signs.
    """

    def __init__(
        self,
        case: Case,
        groups: int,
        x: np.ndarray,
        upstream: np.ndarray | None,
        weights: Weights,
        rng: np.random.Generator,
    ) -> None:
        self._case, self._groups, self._rng = case, groups, rng
        self._vectors = _VECTORS if case.compute_dtype == "float32" else _VECTORS_OF_16_BITS
        self._x = np.ascontiguousarray(x, np.float64)
        self._upstream = None if upstream is None else np.ascontiguousarray(upstream, np.float64)
        # (K, Cin/G, G, Cout/G)
        self._kernel = weights["kernel"].reshape(-1, case.in_channels // groups, groups, case.out_channels // groups)
        self._bias = weights.get("bias")

    def deviations(self, name: str, values: np.ndarray) -> "Deviations":
        """How far a result is off as a whole, and in the worst slice along each axis.

        Args:
            name: `output`, `input gradient` or `kernel gradient`.
            values: the result.
        """
        whole, slices = [], []
        for one in self._sums[name]():
            errors = one.of(values) - one.expected
            size = math.sqrt(float(np.mean(one.expected**2))) or 1.0
            whole.append((errors.size, math.sqrt(float(np.mean(errors**2))) / size))
            for axis in range(errors.ndim - 1):
                others = tuple(other for other in range(errors.ndim) if other != axis)
                each = np.sqrt(np.mean(errors**2, axis=others)) / size
                slices.append((errors.size // len(each), float(np.max(each))))
        return Deviations(max(whole), tuple(slices))

    @functools.cached_property
    def _sums(self) -> "dict[str, Callable[[], list[Sums]]]":
        """Of each result its exact sums, vectors last, and what makes the same sums of values."""
        return {
            "output": functools.cache(self._of_output),
            "input gradient": functools.cache(self._of_input_gradient),
            "kernel gradient": functools.cache(self._of_kernel_gradient),
        }

    def _of_output(self) -> "list[Sums]":
        return self._of_image(self._x, self._case.output_size, self._kernel, self._windows, self._bias)

    def _of_input_gradient(self) -> "list[Sums]":
        windows = [(inputs, outputs) for outputs, inputs in self._windows]
        return self._of_image(self._given, self._case.size, self._kernel.transpose(0, 3, 2, 1), windows)

    def _of_image(
        self,
        read: np.ndarray,
        size: tuple[int, ...],
        kernel: np.ndarray,
        windows: list[tuple[Slices, Slices]],
        bias: np.ndarray | None = None,
    ) -> "list[Sums]":
        """Of what a convolution makes, or of its transpose: by position (N, *size, Q), and by channel (channels, Q).

        Args:
            read: (N, *extents, channels read).
            size: extents of what is made.
            kernel: (K, read channels of a group, G, made channels of a group).
            windows: of each tap the positions that are made, and those that they read.
            bias: of each channel that is made.
        """
        *extents, channels = read.shape
        signs, at = self._signs(kernel.shape[2] * kernel.shape[3]), self._signs(extents[0], *size)
        kernels = np.einsum("krgm,gmq->grkq", kernel, self._by_group(signs)).reshape(channels, -1)
        by_position, by_tap = np.zeros_like(at), []
        for first, some in self._portions(windows, math.prod(extents)):
            columns = kernels[:, self._vectors * first : self._vectors * (first + len(some))]
            products = (read @ columns).reshape(*extents, -1, self._vectors)
            spread = np.zeros((len(some), self._vectors, *extents))
            for place, (made, source) in enumerate(some):
                by_position[made] += products[source][..., place, :]
                spread[place][:, *source] = np.moveaxis(at[made], -1, 0)
            by_tap.append(spread.reshape(len(some) * self._vectors, -1) @ read.reshape(-1, channels))
        parts = np.concatenate(by_tap).reshape(-1, self._vectors, self._groups, channels // self._groups)
        by_channel = np.einsum("kqgr,krgm->gmq", parts, kernel).reshape(-1, self._vectors)
        if bias is not None:
            by_position += bias @ signs
            by_channel += np.outer(bias, at.reshape(-1, self._vectors).sum(axis=0))
        return [
            Sums(by_position, lambda made: made @ signs),
            Sums(by_channel, lambda made: made.reshape(-1, made.shape[-1]).T @ at.reshape(-1, self._vectors)),
        ]

    def _of_kernel_gradient(self) -> "list[Sums]":
        """By input channel (G, Cin/G, Q), by output channel (Cout, Q), and by tap (K, Q)."""
        case, shape = self._case, self._kernel.shape
        ins, outs = self._by_group(self._signs(case.in_channels)), self._by_group(self._signs(case.out_channels))
        of_taps = self._signs(*case.kernel_size).reshape(-1, self._vectors)
        x, dy = self._split(self._x), self._split(self._given)
        read, wanted = self._within(x, ins, self._x), self._within(dy, outs, self._given)
        at_inputs, at_outputs = np.zeros_like(read), np.zeros_like(wanted)
        by_tap, axes = np.empty_like(of_taps), list(range(read.ndim - 1))
        for tap, (outputs, inputs) in enumerate(self._windows):
            for number, sign in enumerate(of_taps[tap]):
                # Without intermediate arrays, whose pages would take most of the time.
                put = np.add if sign > 0 else np.subtract
                theirs, ours = read[number][inputs], wanted[number][outputs]
                put(at_inputs[number][inputs], ours, out=at_inputs[number][inputs])
                put(at_outputs[number][outputs], theirs, out=at_outputs[number][outputs])
                by_tap[tap, number] = np.einsum(theirs, axes, ours, axes, [])
        by_input, by_output = (
            np.moveaxis(whole, 0, -1) @ at.reshape(self._vectors, -1, self._groups).transpose(2, 1, 0)
            for whole, at in ((x, at_inputs), (dy, at_outputs))
        )

        def summed(letters: str, *signs: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
            return lambda kernels: np.einsum(letters, kernels.reshape(shape), *signs, optimize=True)

        flat = (case.out_channels, self._vectors)
        of_outputs = summed("kigo,giq,kq->goq", ins, of_taps)
        return [
            Sums(by_input, summed("kigo,goq,kq->giq", outs, of_taps)),
            Sums(by_output.reshape(flat), lambda kernels: of_outputs(kernels).reshape(flat)),
            Sums(by_tap, summed("kigo,giq,goq->kq", ins, outs)),
        ]

    def _within(self, whole: np.ndarray, signs: np.ndarray, image: np.ndarray) -> np.ndarray:
        """The sums over the channels of each group, (Q, N, *extents, G)."""
        summed = np.swapaxes(whole, 0, 1) @ signs
        return np.ascontiguousarray(summed.transpose(2, 1, 0)).reshape(self._vectors, *image.shape[:-1], self._groups)

    def _portions(
        self, windows: list[tuple[Slices, Slices]], positions: int
    ) -> Iterator[tuple[int, list[tuple[Slices, Slices]]]]:
        """Taps to take together, as many as make no more numbers than `_MOST`; the place of the first of them."""
        each = max(1, _MOST // (self._vectors * positions))
        return ((first, windows[first : first + each]) for first in range(0, len(windows), each))

    @property
    def _given(self) -> np.ndarray:
        assert self._upstream is not None, "gradients are of training"
        return self._upstream

    def _signs(self, *extents: int) -> np.ndarray:
        return self._rng.choice([-1.0, 1.0], (*extents, self._vectors))

    def _by_group(self, signs: np.ndarray) -> np.ndarray:
        return signs.reshape(self._groups, -1, self._vectors)

    def _split(self, image: np.ndarray) -> np.ndarray:
        """(positions of all examples, G, channels of a group)."""
        return image.reshape(-1, self._groups, image.shape[-1] // self._groups)

    @functools.cached_property
    def _windows(self) -> list[tuple[Slices, Slices]]:
        """Of each tap the outputs that read no padding by it, and the inputs that they read: all examples of both."""
        case = self._case
        by_axis = [[_window(case, axis, tap) for tap in range(extent)] for axis, extent in enumerate(case.kernel_size)]
        return [
            ((slice(None), *(out for out, _ in taps)), (slice(None), *(inside for _, inside in taps)))
            for taps in itertools.product(*by_axis)
        ]


def _window(case: Case, axis: int, tap: int) -> tuple[slice, slice]:
    """Along an axis the outputs whose tap reads an input, and these inputs."""
    stride, shift = case.stride[axis], tap * case.dilation[axis] - case.pad_before[axis]
    first = max(0, -(shift // stride))
    end = min(case.output_size[axis], (case.size[axis] - 1 - shift) // stride + 1)
    start = first * stride + shift
    return slice(first, max(first, end)), slice(start, start + max(0, end - first) * stride, stride)
