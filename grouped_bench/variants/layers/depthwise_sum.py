"""`depthwise_sum`: the framework's depthwise convolution with Cout/G outputs a channel, summed over each group."""

from grouped_bench.backends.base import Backend, Tensor
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Convolve, KernelVariant, variant


@variant
class DepthwiseSum(KernelVariant):
    """Every input channel convolved alone to Cout/G outputs, which are added up over the Cin/G channels of a group.

    The same MACs, in Cin/G times as many outputs. Where each group has one input channel nothing is left to add: it is
    the framework's own depthwise operation, as Keras' DepthwiseConv layers call it.
    """

    name = "depthwise_sum"
    summary = "the framework's depthwise convolution, its outputs summed over each group's channels"
    computes = "grouped"

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        import keras

        width, outputs = case.in_channels // case.groups, case.out_channels // case.groups
        axis = case.channel_axis

        def convolved(inputs: Tensor, kernel: Tensor) -> Tensor:
            found = backend.depthwise_convolution(inputs, depthwise_kernel(kernel, case), case)
            if width == 1:
                return found
            before, after = case.output_shape[1:axis], case.output_shape[axis + 1 :]
            parts = keras.ops.reshape(found, (-1, *before, case.groups, width, outputs, *after))
            return keras.ops.reshape(keras.ops.sum(parts, axis=axis + 1), (-1, *case.output_shape[1:]))

        return convolved


def depthwise_kernel(kernel: Tensor, case: Case) -> Tensor:
    """A grouped kernel (*k, Cin/G, Cout) as that of a depthwise convolution, (*k, Cin, Cout/G)."""
    import keras

    width, outputs = case.in_channels // case.groups, case.out_channels // case.groups
    parts = keras.ops.reshape(kernel, (-1, width, case.groups, outputs))
    if width > 1:
        parts = keras.ops.transpose(parts, (0, 2, 1, 3))
    return keras.ops.reshape(parts, (*case.kernel_size, case.in_channels, outputs))
