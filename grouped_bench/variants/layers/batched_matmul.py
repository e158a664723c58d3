"""`batched_matmul`: every patch laid out as a row (im2col), then one matmul batched over the groups."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.backends.convolutions.padding import define_pads
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.definitions import define_kernel_conv, define_taps_conv
from grouped_bench.variants.palette import WINE


@variant
class BatchedMatmul(Variant):
    """(G, N·Πo, Πk·Cin/G) times (G, Πk·Cin/G, Cout/G): Πk copies of the input for one large product."""

    name = "batched_matmul"
    summary = "im2col patches, one matmul batched over the groups"
    computes = "grouped"
    colour, marker = WINE, "P"

    def code(self, case: Case, backend: Backend) -> Code:
        return define_pads, define_kernel_conv, define_taps_conv, define_batched_matmul_conv


def define_batched_matmul_conv(TapsConv: Any) -> Any:
    """`BatchedMatmulConv`."""
    import keras

    class BatchedMatmulConv(TapsConv):
        """Keras' layer, with its weights, by patches and a batched matmul."""

        def multiply(self, parts, kernel):
            patches = keras.ops.concatenate(parts, axis=-1)
            shape = (-1, self.groups, self.filters // self.groups)
            kernel = keras.ops.reshape(kernel, shape)
            matrices = keras.ops.transpose(kernel, (1, 0, 2))
            return keras.ops.matmul(patches, matrices)

    return BatchedMatmulConv
