"""`shifted_matmul`: for each tap of the kernel a matmul of the shifted input, batched over the groups; then the sum."""

import functools
import operator
from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Convolve, KernelVariant, variant
from grouped_bench.variants.taps import as_outputs, shifted_inputs, tap_matrices


@variant
class ShiftedMatmul(KernelVariant):
    """Πk products of (G, N·Πo, Cin/G) and (G, Cin/G, Cout/G): no patches are laid out, but each partial sum is."""

    name = "shifted_matmul"
    summary = "a matmul of the shifted input for each tap, batched over the groups, summed"
    computes = "grouped"

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        import keras

        def convolve(inputs: Any, kernel: Any) -> Any:
            parts, matrices = shifted_inputs(inputs, case), tap_matrices(kernel, case)
            products = (keras.ops.matmul(part, matrices[tap]) for tap, part in enumerate(parts))
            return as_outputs(functools.reduce(operator.add, products), case)

        return convolve
