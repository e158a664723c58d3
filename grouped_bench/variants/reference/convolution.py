"""The convolution and its gradients in NumPy float64, at chosen elements: what every variant is held against.

Arrays are channels last: x (N, *n, Cin), dy (N, *o, Cout), kernel (*k, Cin/G, Cout). An element of y, dx or the
kernel's gradient is a row of integer coordinates, `points` of shape (P, axes); each function returns (P,) values.
"""

import itertools

import numpy as np

from grouped_bench.space.case import Case

# Reference weights, or gradients, by name: `kernel` (*k, Cin/G, Cout) and, where there is one, `bias` (Cout,).
Weights = dict[str, np.ndarray]


def channels_last(array: np.ndarray, case: Case) -> np.ndarray:
    """A view of `array`, which is in the case's data format, with the channels last."""
    return np.moveaxis(array, case.channel_axis, -1)


def sample_points(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    """At most `count` elements of an array of `shape`, spread evenly along every axis, both far corners among them."""
    if np.prod(shape) <= count:
        return np.array(list(itertools.product(*(range(extent) for extent in shape))))
    columns = [((rng.permutation(count) + rng.random(count)) / count * extent).astype(int) for extent in shape]
    points = np.stack(columns, axis=1)
    points[0], points[1] = 0, np.array(shape) - 1
    return points


def output_at(x: np.ndarray, weights: Weights, case: Case, groups: int, points: np.ndarray) -> np.ndarray:
    """y at `points`: the sum over taps and the group's input channels of x[o·s + k·d − pad] · kernel[k], plus the bias.

    Args:
        x: input, (N, *n, Cin).
        weights: `kernel` (*k, Cin/G, Cout) and, where there is one, `bias` (Cout,).
        case: its geometry.
        groups: G; 1 for the dense function of the case.
        points: elements of y, (P, rank + 2).
    """
    values = np.empty(len(points))
    for row, (n, *position, channel) in enumerate(points):
        window = [
            _input_positions(case, axis, np.full(extent, position[axis]), np.arange(extent))
            for axis, extent in enumerate(case.kernel_size)
        ]
        patch = x[n][np.ix_(*(inputs for inputs, _ in window))][..., _group_inputs(case, groups, channel)]
        taps = weights["kernel"][np.ix_(*(inside.nonzero()[0] for _, inside in window))][..., channel]
        values[row] = np.sum(patch.astype(np.float64) * taps)
        if "bias" in weights:
            values[row] += weights["bias"][channel]
    return values


def input_gradient_at(dy: np.ndarray, weights: Weights, case: Case, groups: int, points: np.ndarray) -> np.ndarray:
    """dx at `points`: the sum over the taps and outputs that read the element.

    Args:
        dy: upstream gradient, (N, *o, Cout).
        weights: `kernel` (*k, Cin/G, Cout).
        case: its geometry.
        groups: G; 1 for the dense function of the case.
        points: elements of dx, (P, rank + 2).
    """
    values = np.empty(len(points))
    for row, (n, *position, channel) in enumerate(points):
        readers = [_readers(case, axis, position[axis]) for axis in range(case.rank)]
        outputs = _group_outputs(case, groups, channel)
        upstream = dy[n][np.ix_(*(out for out, _ in readers))][..., outputs]
        taps = weights["kernel"][np.ix_(*(tap for _, tap in readers))]
        taps = taps[..., channel % (case.in_channels // groups), outputs]
        values[row] = np.sum(upstream.astype(np.float64) * taps)
    return values


def kernel_gradient_at(x: np.ndarray, dy: np.ndarray, case: Case, groups: int, points: np.ndarray) -> np.ndarray:
    """The kernel's gradient at `points`: the sum over batch and outputs of x · dy.

    Args:
        x: input, (N, *n, Cin).
        dy: upstream gradient, (N, *o, Cout).
        case: its geometry.
        groups: G; 1 for the dense function of the case.
        points: elements of the kernel, (P, rank + 2).
    """
    values = np.empty(len(points))
    for row, (*taps, channel_in, channel_out) in enumerate(points):
        found = [
            _input_positions(case, axis, np.arange(extent), np.full(extent, taps[axis]))
            for axis, extent in enumerate(case.output_size)
        ]
        source = _group_inputs(case, groups, channel_out).start + channel_in
        batch = np.arange(case.batch_size)
        inputs = x[..., source][np.ix_(batch, *(inputs for inputs, _ in found))]
        upstream = dy[..., channel_out][np.ix_(batch, *(inside.nonzero()[0] for _, inside in found))]
        values[row] = np.sum(inputs.astype(np.float64) * upstream)
    return values


def bias_gradient(dy: np.ndarray) -> np.ndarray:
    """The bias's gradient, (Cout,)."""
    total: np.ndarray = dy.sum(axis=tuple(range(dy.ndim - 1)), dtype=np.float64)
    return total


def _input_positions(case: Case, axis: int, outputs: np.ndarray, taps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs that pairs of outputs and taps read along an axis, and which pairs do not read padding."""
    inputs = outputs * case.stride[axis] + taps * case.dilation[axis] - case.pad_before[axis]
    inside = (inputs >= 0) & (inputs < case.size[axis])
    return inputs[inside], inside


def _readers(case: Case, axis: int, position: int) -> tuple[np.ndarray, np.ndarray]:
    """Outputs that read an input position along an axis, and the tap by which each does."""
    taps = np.arange(case.kernel_size[axis])
    reach = position + case.pad_before[axis] - taps * case.dilation[axis]
    outputs, rest = np.divmod(reach, case.stride[axis])
    real = (rest == 0) & (outputs >= 0) & (outputs < case.output_size[axis])
    return outputs[real], taps[real]


def _group_inputs(case: Case, groups: int, channel_out: int) -> slice:
    width = case.in_channels // groups
    start = int(channel_out) // (case.out_channels // groups) * width
    return slice(start, start + width)


def _group_outputs(case: Case, groups: int, channel_in: int) -> slice:
    width = case.out_channels // groups
    start = int(channel_in) // (case.in_channels // groups) * width
    return slice(start, start + width)
