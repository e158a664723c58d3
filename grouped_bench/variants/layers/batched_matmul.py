"""`batched_matmul`: every patch laid out as a row (im2col), then one matmul batched over the groups."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Convolve, KernelVariant, variant
from grouped_bench.variants.taps import as_outputs, shifted_inputs


@variant
class BatchedMatmul(KernelVariant):
    """(G, N·Πo, Πk·Cin/G) times (G, Πk·Cin/G, Cout/G): Πk copies of the input for one large product."""

    name = "batched_matmul"
    summary = "im2col patches, one matmul batched over the groups"
    computes = "grouped"

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        import keras

        def convolve(inputs: Any, kernel: Any) -> Any:
            patches = keras.ops.concatenate(shifted_inputs(inputs, case), axis=-1)
            parts = keras.ops.reshape(kernel, (-1, case.groups, case.out_channels // case.groups))
            return as_outputs(keras.ops.matmul(patches, keras.ops.transpose(parts, (1, 0, 2))), case)

        return convolve
