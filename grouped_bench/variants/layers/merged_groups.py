"""`merged_groups`: blocks of m neighbouring groups as one dense convolution each, with m searched on the machine."""

import dataclasses
from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Arguments, Code
from grouped_bench.space.case import Case
from grouped_bench.space.choices import merged_groups, merges
from grouped_bench.space.counts import Counts
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.definitions import define_kernel_conv
from grouped_bench.variants.layers.grouped_native import define_native_grouped_conv
from grouped_bench.variants.palette import ULTRAMARINE


@variant
class MergedGroups(Variant):
    """G/m convolutions of m·Cin/G to m·Cout/G channels, their kernels block diagonal: m times the MACs in fewer calls.

    Between `split_concat` (m = 1) and `block_diagonal` (m = G). Its MACs are those of its choice of m.
    """

    name = "merged_groups"
    summary = "blocks of m groups as one dense convolution each, m searched"
    gloss = "one dense convolution per block of groups"
    computes = "grouped"
    colour, marker = ULTRAMARINE, "H"

    def choices(self, case: Case) -> tuple[str, ...]:
        return merges(case)

    def counts(self, case: Case) -> Counts:
        counts = super().counts(case)
        return dataclasses.replace(counts, macs=self.merged(case) * counts.macs)

    def code(self, case: Case, backend: Backend) -> Code:
        native = (*backend.convolution_code, define_kernel_conv, define_native_grouped_conv)
        return *native, define_merged_groups_conv

    def arguments(self, case: Case) -> Arguments:
        return {**super().arguments(case), "merged": self.merged(case)}

    def merged(self, case: Case) -> int:
        """How many groups make a block; ValueError for a choice that the case does not have."""
        return merged_groups(self.choice, case)


def define_merged_groups_conv(NativeGroupedConv: Any) -> Any:
    """`MergedGroupsConv`."""
    import keras
    import numpy as np

    class MergedGroupsConv(NativeGroupedConv):
        """Keras' layer, with its weights, by a dense convolution for each block.

        A block is of so many neighbouring groups as `merged` says.
        """

        def __init__(self, *arguments, merged, **options):
            super().__init__(*arguments, **options)
            self.merged = merged

        def convolve(self, inputs, kernel):
            convolve, blocks = super().convolve, self.groups // self.merged
            kernel = self.dense(kernel)
            if blocks == 1:
                return convolve(inputs, kernel)
            parts = keras.ops.split(inputs, blocks, axis=self.channel_axis)
            kernels = keras.ops.split(kernel, blocks, axis=-1)
            outputs = [convolve(*pair) for pair in zip(parts, kernels, strict=True)]
            return keras.ops.concatenate(outputs, axis=self.channel_axis)

        def dense(self, kernel):
            """A kernel (*k, Cin/G, Cout) as (*k, m·Cin/G, Cout).

            It is zero where inputs and outputs are of different groups.
            """
            if self.merged == 1:
                return kernel
            m, width = self.merged, kernel.shape[-2]
            blocks, each = self.groups // m, self.filters // self.groups
            # One axis for all taps: TensorFlow broadcasts few axes at once.
            shape = (-1, 1, width * blocks, m, each)
            parts = keras.ops.reshape(kernel, shape)
            eye = np.eye(m).reshape(1, m, 1, m, 1)
            diagonal = keras.ops.convert_to_tensor(eye, dtype=kernel.dtype)
            shape = (*self.kernel_size, m * width, self.filters)
            return keras.ops.reshape(parts * diagonal, shape)

        def get_config(self):
            return {**super().get_config(), "merged": self.merged}

    return MergedGroupsConv
