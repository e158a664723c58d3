"""`split_sum`: a convolution to all outputs for each group of input channels, outputs summed."""

from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.palette import BLUE
from grouped_bench.variants.reference.convolution import Weights


@variant
class SplitSum(Variant):
    """Branch g maps channels g·Cin/G … (g+1)·Cin/G to Cout: the dense function, exactly. One bias, after the sum."""

    name = "split_sum"
    summary = "split channels, convolve each part to Cout, sum"
    gloss = "one convolution per group, summed"
    computes = "dense"
    in_parts = True
    colour, marker = BLUE, "D"

    def code(self, case: Case, backend: Backend) -> Code:
        return (define_split_sum_conv,)

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        kernels = np.split(weights["kernel"], case.groups, axis=-2)
        return [weights["bias"], *kernels] if case.bias else kernels

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        bias, kernels = ({"bias": values[0]}, values[1:]) if case.bias else ({}, values)
        return {"kernel": np.concatenate(kernels, axis=-2), **bias}


def define_split_sum_conv(Conv: Any) -> Any:
    """`SplitSumConv`."""
    import functools
    import operator

    import keras

    class SplitSumConv(keras.layers.Layer):
        """A convolution to all filters for each part of the channels, summed.

        The kernels are those of Keras' layer, split along their last axis but
        one.
        """

        def __init__(
            self,
            filters,
            kernel_size,
            groups=1,
            use_bias=True,
            name=None,
            dtype=None,
            **options,
        ):
            super().__init__(name=name, dtype=dtype)
            self.filters, self.use_bias = filters, use_bias
            options |= {"use_bias": False, "dtype": self.dtype_policy}
            parts = range(groups)
            self.branches = [Conv(filters, kernel_size, **options) for _ in parts]

        def build(self, input_shape):
            part = list(input_shape)
            part[self.channel_axis] //= len(self.branches)
            for branch in self.branches:
                branch.build(tuple(part))
            if self.use_bias:
                shape = (self.filters,)
                self.bias = self.add_weight(shape, "zeros", name="bias")

        def call(self, inputs):
            axis = self.channel_axis
            parts = keras.ops.split(inputs, len(self.branches), axis=axis)
            pairs = zip(self.branches, parts, strict=True)
            outputs = [branch(part) for branch, part in pairs]
            total = functools.reduce(operator.add, outputs)
            if not self.use_bias:
                return total
            shape = [1] * len(inputs.shape)
            shape[axis] = self.filters
            bias = keras.ops.cast(self.bias, self.compute_dtype)
            return total + keras.ops.reshape(bias, shape)

        @property
        def channel_axis(self):
            first = self.branches[0].data_format == "channels_first"
            return 1 if first else self.branches[0].rank + 1

    return SplitSumConv
