"""`merged_groups`: blocks of m neighbouring groups as one dense convolution each, with m searched on the machine."""

import dataclasses

from grouped_bench.backends.base import Backend, Tensor
from grouped_bench.space.case import Case
from grouped_bench.space.choices import merged_groups, merges
from grouped_bench.space.counts import Counts
from grouped_bench.variants.base import Convolve, KernelVariant, variant
from grouped_bench.variants.layers.block_diagonal import merged_kernel


@variant
class MergedGroups(KernelVariant):
    """G/m convolutions of m·Cin/G to m·Cout/G channels, their kernels block diagonal: m times the MACs in fewer calls.

    Between `split_concat` (m = 1) and `block_diagonal` (m = G). Its MACs are those of its choice of m.
    """

    name = "merged_groups"
    summary = "blocks of m groups as one dense convolution each, m searched"
    computes = "grouped"

    def choices(self, case: Case) -> tuple[str, ...]:
        return merges(case)

    def counts(self, case: Case) -> Counts:
        counts = super().counts(case)
        return dataclasses.replace(counts, macs=self.merged(case) * counts.macs)

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        import keras

        merged = self.merged(case)
        blocks = case.groups // merged
        one = dataclasses.replace(
            case, in_channels=case.in_channels // blocks, out_channels=case.out_channels // blocks, groups=merged
        )

        def convolved(inputs: Tensor, kernel: Tensor) -> Tensor:
            dense = merged_kernel(kernel, case, merged)
            if blocks == 1:
                return backend.convolution(inputs, dense, one)
            parts = keras.ops.split(inputs, blocks, axis=case.channel_axis)
            kernels = keras.ops.split(dense, blocks, axis=-1)
            outputs = [backend.convolution(part, each, one) for part, each in zip(parts, kernels, strict=True)]
            return keras.ops.concatenate(outputs, axis=case.channel_axis)

        return convolved

    def merged(self, case: Case) -> int:
        """How many groups make a block; ValueError for a choice that the case does not have."""
        return merged_groups(self.choice, case)
