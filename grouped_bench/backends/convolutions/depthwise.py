"""A depthwise convolution where the framework has it as one of as many groups as channels."""

from typing import Any


def define_depthwise(convolution: Any) -> Any:
    """`depthwise`, as Keras' DepthwiseConv layers call it."""

    def depthwise(inputs, kernel, strides, padding, data_format, dilation_rate):
        """The framework's own, with a kernel (*k, Cin, M)."""
        kernel = kernel.reshape((*kernel.shape[:-2], 1, -1))
        how = strides, padding, data_format, dilation_rate
        return convolution(inputs, kernel, *how)

    return depthwise
