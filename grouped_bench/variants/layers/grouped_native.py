"""`grouped_native`: the framework's own grouped convolution, without Keras' detour through XLA."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.definitions import define_kernel_conv
from grouped_bench.variants.palette import GREEN


@variant
class GroupedNative(Variant):
    """A kernel of Cin/groups input channels handed to the framework's convolution as it is."""

    name = "grouped_native"
    summary = "the framework's own grouped convolution"
    gloss = "the backend's own grouped operation"
    computes = "grouped"
    colour, marker = GREEN, "^"

    def code(self, case: Case, backend: Backend) -> Code:
        return *backend.convolution_code, define_kernel_conv, define_native_grouped_conv


def define_native_grouped_conv(KernelConv: Any, convolution: Any) -> Any:
    """`NativeGroupedConv`."""

    class NativeGroupedConv(KernelConv):
        """Keras' layer, with its weights, by the framework's own convolution."""

        def convolve(self, inputs, kernel):
            how = self.padding, self.data_format, self.dilation_rate
            return convolution(inputs, kernel, self.strides, *how)

    return NativeGroupedConv
