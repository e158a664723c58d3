"""Whole convolutions, batch normalisation and their gradients in NumPy float64: the parts of a block's reference.

Arrays are channels last: x (N, *n, Cin), y (N, *n, Cout), kernel (*k, Cin/G, Cout). Convolutions have stride 1 and
padding `same`; a case says the rest.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from grouped_bench.space.case import Case

EPSILON = 1e-3  # what Keras' BatchNormalization adds to a variance


def convolve(x: np.ndarray, kernel: np.ndarray, case: Case) -> np.ndarray:
    """y (N, *n, Cout): the sum over taps of one matrix product a group.

    Args:
        x: (N, *n, Cin).
        kernel: (*k, Cin/G, Cout).
        case: its geometry, of stride 1 and padding `same`, and its groups.
    """
    padded = np.pad(x, [(0, 0), *case.pads, (0, 0)])
    y = np.zeros((*x.shape[:-1], case.out_channels))
    for tap, window in _taps(case):
        y += _joined(_grouped(padded[window], case) @ _tap(kernel[tap], case), y.shape)
    return y


def convolution_gradients(
    x: np.ndarray, kernel: np.ndarray, dy: np.ndarray, case: Case
) -> tuple[np.ndarray, np.ndarray]:
    """dx (N, *n, Cin) and the kernel's gradient (*k, Cin/G, Cout).

    Args:
        x: (N, *n, Cin).
        kernel: (*k, Cin/G, Cout).
        dy: upstream gradient, (N, *n, Cout).
        case: its geometry, of stride 1 and padding `same`, and its groups.
    """
    padded, upstream = np.pad(x, [(0, 0), *case.pads, (0, 0)]), _grouped(dy, case)
    of_padded, of_kernel = np.zeros_like(padded), np.empty_like(kernel)
    for tap, window in _taps(case):
        of_padded[window] += _joined(upstream @ _tap(kernel[tap], case).swapaxes(1, 2), x.shape)
        products = _grouped(padded[window], case).swapaxes(1, 2) @ upstream
        of_kernel[tap] = products.swapaxes(0, 1).reshape(kernel[tap].shape)
    inside = [slice(p, p + n) for p, n in zip(case.pad_before, case.size, strict=True)]
    return of_padded[(slice(None), *inside)], of_kernel


@dataclasses.dataclass(frozen=True)
class Normalised:
    """`scale` · x̂ + `offset`, with x̂ = (a − mean) / deviation for each channel."""

    standard: np.ndarray
    deviation: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def by(
        cls, a: np.ndarray, statistics: tuple[np.ndarray, np.ndarray], scale: np.ndarray, offset: np.ndarray
    ) -> "Normalised":
        """`a` normalised.

        Args:
            a: (N, *n, C).
            statistics: mean and variance, each (C,).
            scale, offset: (C,).
        """
        deviation = np.sqrt(statistics[1] + EPSILON)
        return cls((a - statistics[0]) / deviation, deviation, scale, offset)

    @property
    def values(self) -> np.ndarray:
        """The result, in the shape of `a`."""
        return np.asarray(self.standard * self.scale + self.offset)

    def gradients(self, upstream: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients by `a`, scale and offset, where the statistics are those of `a` itself."""
        of_scale, of_offset = (upstream * self.standard).sum(axis=_axes(upstream)), upstream.sum(axis=_axes(upstream))
        count = self.standard.size / self.scale.size
        rest = upstream - of_offset / count - self.standard * (of_scale / count)
        return rest * (self.scale / self.deviation), of_scale, of_offset


def batch_statistics(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and (biased) variance of each channel."""
    return a.mean(axis=_axes(a)), a.var(axis=_axes(a))


def _axes(array: np.ndarray) -> tuple[int, ...]:
    return tuple(range(array.ndim - 1))


def _taps(case: Case) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each tap of the kernel with the part of the padded input that it reads."""
    for tap in itertools.product(*map(range, case.kernel_size)):
        starts = [t * d for t, d in zip(tap, case.dilation, strict=True)]
        yield tap, (slice(None), *(slice(s, s + n) for s, n in zip(starts, case.size, strict=True)))


def _grouped(array: np.ndarray, case: Case) -> np.ndarray:
    """(N, *n, G·c) as (G, N·Πn, c)."""
    return array.reshape(-1, case.groups, array.shape[-1] // case.groups).swapaxes(0, 1)


def _joined(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What `_grouped` made of an array of `shape`, undone."""
    return array.swapaxes(0, 1).reshape(shape)


def _tap(weights: np.ndarray, case: Case) -> np.ndarray:
    """(Cin/G, Cout) as (G, Cin/G, Cout/G)."""
    return weights.reshape(len(weights), case.groups, -1).swapaxes(0, 1)
