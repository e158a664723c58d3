"""Kernel taps as slices of a padded input: what the variants share that build a convolution from matmuls.

Tensors are channels last with the groups outermost, (G, N, *n, Cin/G), so that each group's matmul reads and writes
memory of its own and the channels are moved once, not at every tap.
"""

import itertools
from typing import Any

from grouped_bench.space.case import Case


def tap_slices(case: Case) -> list[tuple[slice, ...]]:
    """For each tap of the kernel, in its order, the slices of the padded spatial axes that meet it."""
    axes = [
        [slice(k * d, k * d + (o - 1) * s + 1, s) for k in range(extent)]
        for extent, d, s, o in zip(case.kernel_size, case.dilation, case.stride, case.output_size, strict=True)
    ]
    return list(itertools.product(*axes))


def shifted_inputs(inputs: Any, case: Case) -> list[Any]:
    """For each tap, what it is multiplied with: (G, N·Πo, Cin/G), a row an output position."""
    import keras

    padded = _padded(_groups_outermost(inputs, case), case)
    parts = (padded[(slice(None), slice(None), *tap)] for tap in tap_slices(case))
    return [keras.ops.reshape(part, (case.groups, -1, case.in_channels // case.groups)) for part in parts]


def tap_matrices(kernel: Any, case: Case) -> Any:
    """A kernel (*k, Cin/G, Cout) as (Πk, G, Cin/G, Cout/G): a matrix for each tap and group."""
    import keras

    parts = (-1, case.in_channels // case.groups, case.groups, case.out_channels // case.groups)
    return keras.ops.transpose(keras.ops.reshape(kernel, parts), (0, 2, 1, 3))


def as_outputs(products: Any, case: Case) -> Any:
    """Products (G, M, Cout/G), a row an output position, as the case's output."""
    import keras

    extents = (case.groups, -1, *case.output_size, case.out_channels // case.groups)
    products = keras.ops.reshape(products, extents)
    spatial = range(2, 2 + case.rank)
    if case.data_format == "channels_first":
        products = keras.ops.transpose(products, (1, 0, case.rank + 2, *spatial))
        return keras.ops.reshape(products, (-1, case.out_channels, *case.output_size))
    products = keras.ops.transpose(products, (1, *spatial, 0, case.rank + 2))
    return keras.ops.reshape(products, (-1, *case.output_size, case.out_channels))


def _groups_outermost(inputs: Any, case: Case) -> Any:
    import keras

    width = case.in_channels // case.groups
    if case.data_format == "channels_first":
        parts = keras.ops.reshape(inputs, (-1, case.groups, width, *case.size))
        return keras.ops.transpose(parts, (1, 0, *range(3, 3 + case.rank), 2))
    parts = keras.ops.reshape(inputs, (-1, *case.size, case.groups, width))
    return keras.ops.transpose(parts, (case.rank + 1, *range(case.rank + 1), case.rank + 2))


def _padded(tensor: Any, case: Case) -> Any:
    import keras

    if not any(before or after for before, after in case.pads):
        return tensor
    return keras.ops.pad(tensor, ((0, 0), (0, 0), *case.pads, (0, 0)))
