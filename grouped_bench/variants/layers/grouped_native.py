"""`grouped_native`: the framework's own grouped convolution, without Keras' detour through XLA."""

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Convolve, KernelVariant, variant


@variant
class GroupedNative(KernelVariant):
    """A kernel of Cin/groups input channels handed to the framework's convolution as it is."""

    name = "grouped_native"
    summary = "the framework's own grouped convolution"
    computes = "grouped"

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        return lambda inputs, kernel: backend.convolution(inputs, kernel, case)
