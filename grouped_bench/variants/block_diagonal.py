"""`block_diagonal`: the groups' kernels as blocks of one dense kernel, zero elsewhere, convolved densely."""

import dataclasses
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.variants.base import Variant, grouped_layer, variant


@variant
class BlockDiagonal(Variant):
    """Diagonalwise refactorization (Qin et al. 2018, arXiv 1803.09926).

    It has the parameters of the grouped convolution, and does the arithmetic of the dense one: that is what its MACs
    count. The dense kernel is made anew in every call, as training needs.
    """

    name = "block_diagonal"
    summary = "the groups' kernels as blocks of one dense kernel, convolved densely"
    computes = "grouped"

    def counts(self, case: Case) -> Counts:
        return dataclasses.replace(super().counts(case), macs=convolution_counts(case, 1).macs)

    def layer(self, case: Case, backend: Backend) -> Any:
        return grouped_layer(
            case, lambda inputs, kernel: backend.convolution(inputs, block_diagonal(kernel, case), case)
        )


def block_diagonal(kernel: Any, case: Case) -> Any:
    """A grouped kernel (*k, Cin/G, Cout) as a dense one (*k, Cin, Cout)."""
    import keras

    groups, width_in, width_out = case.groups, case.in_channels // case.groups, case.out_channels // case.groups
    if groups == 1:
        return kernel
    blocks = keras.ops.reshape(kernel, (-1, 1, width_in, groups, width_out))
    # Groups of inputs against groups of outputs. One axis for all taps: TensorFlow broadcasts few axes at once.
    diagonal = keras.ops.convert_to_tensor(np.eye(groups).reshape(1, groups, 1, groups, 1), dtype=kernel.dtype)
    return keras.ops.reshape(blocks * diagonal, case.kernel_shape(1))
