"""`split_sum`: a convolution to all outputs for each group of input channels, outputs summed."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.definitions import define_parts_conv
from grouped_bench.variants.palette import BLUE
from grouped_bench.variants.parts import PartsVariant


@variant
class SplitSum(PartsVariant):
    """Branch g maps channels g·Cin/G … (g+1)·Cin/G to Cout: the dense function, exactly. One bias, after the sum."""

    name = "split_sum"
    summary = "split channels, convolve each part to Cout, sum"
    gloss = "one convolution per group, summed"
    computes = "dense"
    colour, marker = BLUE, "D"
    kernel_axis = -2

    def code(self, case: Case, backend: Backend) -> Code:
        return define_parts_conv, define_split_sum_conv

    def module_code(self, case: Case) -> Code:
        return (define_split_sum_module,)


def define_split_sum_conv(PartsConv: Any) -> Any:
    """`SplitSumConv`."""
    import functools
    import operator

    class SplitSumConv(PartsConv):
        """A convolution to all filters for each part of the channels, summed."""

        kernel_axis = -2

        def part_filters(self, groups):
            return self.filters

        def join(self, outputs):
            return functools.reduce(operator.add, outputs)

    return SplitSumConv


def define_split_sum_module(Conv: Any) -> Any:
    """`SplitSumConv`, a module of `torch.nn`."""
    import torch

    class SplitSumConv(torch.nn.Module):
        """A convolution to all outputs for each group of inputs, summed.

        The bias is that of the first.
        """

        def __init__(self, inputs, outputs, kernel, groups=1, bias=True, **options):
            super().__init__()
            each = inputs // groups, outputs, kernel
            owns = (bias and not part for part in range(groups))
            parts = (Conv(*each, bias=own, **options) for own in owns)
            self.branches = torch.nn.ModuleList(parts)

        def forward(self, x):
            parts = x.chunk(len(self.branches), dim=1)
            pairs = zip(self.branches, parts, strict=True)
            first, *others = (branch(part) for branch, part in pairs)
            return sum(others, first)

    return SplitSumConv
