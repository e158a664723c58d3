"""`shifted_matmul`: for each tap of the kernel a matmul of the shifted input, batched over the groups; then the sum."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.backends.convolutions.padding import define_pads
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.definitions import define_kernel_conv, define_taps_conv
from grouped_bench.variants.palette import PINE


@variant
class ShiftedMatmul(Variant):
    """Πk products of (G, N·Πo, Cin/G) and (G, Cin/G, Cout/G): no patches are laid out, but each partial sum is."""

    name = "shifted_matmul"
    summary = "a matmul of the shifted input for each tap, batched over the groups, summed"
    computes = "grouped"
    colour, marker = PINE, ">"

    def code(self, case: Case, backend: Backend) -> Code:
        return define_pads, define_kernel_conv, define_taps_conv, define_shifted_matmul_conv


def define_shifted_matmul_conv(TapsConv: Any) -> Any:
    """`ShiftedMatmulConv`."""
    import functools
    import operator

    import keras

    class ShiftedMatmulConv(TapsConv):
        """Keras' layer, with its weights, by a batched matmul for each tap."""

        def multiply(self, parts, kernel):
            width, each = kernel.shape[-2], self.filters // self.groups
            kernel = keras.ops.reshape(kernel, (-1, width, self.groups, each))
            matrices = keras.ops.transpose(kernel, (0, 2, 1, 3))
            taps = enumerate(parts)
            products = (keras.ops.matmul(part, matrices[i]) for i, part in taps)
            return functools.reduce(operator.add, products)

    return ShiftedMatmulConv
