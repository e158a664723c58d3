"""`block_diagonal`: the groups' kernels as blocks of one dense kernel, zero elsewhere, convolved densely."""

import dataclasses
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.variants.base import Convolve, KernelVariant, variant


@variant
class BlockDiagonal(KernelVariant):
    """Diagonalwise refactorization (Qin et al. 2018, arXiv 1803.09926).

    It has the parameters of the grouped convolution, and does the arithmetic of the dense one: that is what its MACs
    count. The dense kernel is made anew in every call, as training needs.
    """

    name = "block_diagonal"
    summary = "the groups' kernels as blocks of one dense kernel, convolved densely"
    computes = "grouped"

    def counts(self, case: Case) -> Counts:
        return dataclasses.replace(super().counts(case), macs=convolution_counts(case, 1).macs)

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        return lambda inputs, kernel: backend.convolution(inputs, block_diagonal(kernel, case), case)


def block_diagonal(kernel: Any, case: Case) -> Any:
    """A grouped kernel (*k, Cin/G, Cout) as a dense one (*k, Cin, Cout)."""
    return merged_kernel(kernel, case, case.groups)


def merged_kernel(kernel: Any, case: Case, merged: int) -> Any:
    """A grouped kernel (*k, Cin/G, Cout) as one of blocks of `merged` groups, (*k, merged·Cin/G, Cout).

    Within a block it is zero where inputs and outputs are of different groups.
    """
    import keras

    if merged == 1:
        return kernel
    blocks = case.groups // merged
    width_in, width_out = case.in_channels // case.groups, case.out_channels // case.groups
    parts = keras.ops.reshape(kernel, (-1, 1, width_in * blocks, merged, width_out))
    # Groups of inputs against groups of outputs. One axis for all taps: TensorFlow broadcasts few axes at once.
    eye = np.eye(merged).reshape(1, merged, 1, merged, 1)
    diagonal = keras.ops.convert_to_tensor(eye, dtype=kernel.dtype)
    return keras.ops.reshape(parts * diagonal, case.kernel_shape(blocks))
