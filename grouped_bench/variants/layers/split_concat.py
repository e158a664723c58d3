"""`split_concat`: a convolution of its own for each group of channels, outputs concatenated."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.definitions import define_parts_conv
from grouped_bench.variants.palette import PURPLE
from grouped_bench.variants.parts import PartsVariant


@variant
class SplitConcat(PartsVariant):
    """Branch g maps channels g·Cin/G … (g+1)·Cin/G to Cout/G: the grouped function, exactly.

    One bias, after the outputs are concatenated: with one for each branch TensorFlow's graph gave 32 of them each
    other's gradients, where oneDNN is on.
    """

    name = "split_concat"
    summary = "split channels, convolve each part to Cout/G, concatenate"
    gloss = "one convolution per group, concatenated"
    computes = "grouped"
    colour, marker = PURPLE, "v"
    kernel_axis = -1

    def code(self, case: Case, backend: Backend) -> Code:
        return define_parts_conv, define_split_concat_conv

    def module_code(self, case: Case) -> Code:
        return (define_split_concat_module,)


def define_split_concat_conv(PartsConv: Any) -> Any:
    """`SplitConcatConv`."""
    import keras

    class SplitConcatConv(PartsConv):
        """A convolution for each group of channels, outputs concatenated."""

        kernel_axis = -1

        def part_filters(self, groups):
            return self.filters // groups

        def join(self, outputs):
            return keras.ops.concatenate(outputs, axis=self.channel_axis)

    return SplitConcatConv


def define_split_concat_module(Conv: Any) -> Any:
    """`SplitConcatConv`, a module of `torch.nn`."""
    import torch

    class SplitConcatConv(torch.nn.Module):
        """A convolution for each group of channels, outputs concatenated."""

        def __init__(self, inputs, outputs, kernel, groups=1, **options):
            super().__init__()
            each = inputs // groups, outputs // groups, kernel
            parts = (Conv(*each, **options) for _ in range(groups))
            self.branches = torch.nn.ModuleList(parts)

        def forward(self, x):
            parts = x.chunk(len(self.branches), dim=1)
            pairs = zip(self.branches, parts, strict=True)
            return torch.cat([branch(part) for branch, part in pairs], dim=1)

    return SplitConcatConv
