"""`grouped_native`: the framework's own grouped convolution, without Keras' detour through XLA."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, grouped_layer, variant


@variant
class GroupedNative(Variant):
    """A kernel of Cin/groups input channels handed to the framework's convolution as it is."""

    name = "grouped_native"
    summary = "the framework's own grouped convolution"
    computes = "grouped"

    def layer(self, case: Case, backend: Backend) -> Any:
        return grouped_layer(case, lambda inputs, kernel: backend.convolution(inputs, kernel, case))
