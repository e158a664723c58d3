"""`depthwise_sum`: the framework's depthwise convolution with Cout/G outputs a channel, summed over each group."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.definitions import define_kernel_conv
from grouped_bench.variants.palette import LEAF


@variant
class DepthwiseSum(Variant):
    """Every input channel convolved alone to Cout/G outputs, which are added up over the Cin/G channels of a group.

    The same MACs, in Cin/G times as many outputs. Where each group has one input channel nothing is left to add: it is
    the framework's own depthwise operation, as Keras' DepthwiseConv layers call it.
    """

    name = "depthwise_sum"
    summary = "the framework's depthwise convolution, its outputs summed over each group's channels"
    gloss = "depthwise, summed over each group"
    computes = "grouped"
    colour, marker = LEAF, "p"

    def code(self, case: Case, backend: Backend) -> Code:
        return *backend.depthwise_code, define_kernel_conv, define_depthwise_sum_conv


def define_depthwise_sum_conv(KernelConv: Any, depthwise: Any) -> Any:
    """`DepthwiseSumConv`."""
    import keras

    class DepthwiseSumConv(KernelConv):
        """Keras' layer, with its weights, by a depthwise convolution and a sum."""

        def convolve(self, inputs, kernel):
            width, each = kernel.shape[-2], self.filters // self.groups
            how = self.padding, self.data_format, self.dilation_rate
            kernel = self.depthwise_kernel(kernel)
            outputs = depthwise(inputs, kernel, self.strides, *how)
            if width == 1:
                return outputs
            axis = self.channel_axis
            extents = keras.ops.shape(outputs)
            before, after = extents[1:axis], extents[axis + 1 :]
            shape = (-1, *before, self.groups, width, each, *after)
            parts = keras.ops.reshape(outputs, shape)
            outputs = keras.ops.sum(parts, axis=axis + 1)
            return keras.ops.reshape(outputs, (-1, *before, self.filters, *after))

        def depthwise_kernel(self, kernel):
            """A kernel (*k, Cin/G, Cout) as (*k, Cin, Cout/G)."""
            width, each = kernel.shape[-2], self.filters // self.groups
            kernel = keras.ops.reshape(kernel, (-1, width, self.groups, each))
            if width > 1:
                kernel = keras.ops.transpose(kernel, (0, 2, 1, 3))
            shape = (*self.kernel_size, self.groups * width, each)
            return keras.ops.reshape(kernel, shape)

    return DepthwiseSumConv
