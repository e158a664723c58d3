"""`split_sum`: a convolution to all outputs for each group of input channels, outputs summed."""

import functools
import operator
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, bias_shape, keras_convolution, variant
from grouped_bench.variants.reference.convolution import Weights


@variant
class SplitSum(Variant):
    """Branch g maps channels g·Cin/G … (g+1)·Cin/G to Cout: the dense function, exactly. One bias, after the sum."""

    name = "split_sum"
    summary = "split channels, convolve each part to Cout, sum"
    computes = "dense"
    in_parts = True

    def layer(self, case: Case, backend: Backend) -> Any:
        import keras

        class SplitSumLayer(keras.layers.Layer):
            def __init__(self) -> None:
                super().__init__(dtype=case.dtype)
                self.branches = [
                    keras_convolution(case, filters=case.out_channels, bias=False) for _ in range(case.groups)
                ]

            def build(self, input_shape: Any) -> None:
                part = list(input_shape)
                part[case.channel_axis] //= case.groups
                for branch in self.branches:
                    branch.build(tuple(part))
                self.bias = self.add_weight(shape=(case.out_channels,), name="bias") if case.bias else None

            def call(self, inputs: Any) -> Any:
                parts = keras.ops.split(inputs, case.groups, axis=case.channel_axis)
                outputs = [branch(part) for branch, part in zip(self.branches, parts, strict=True)]
                total = functools.reduce(operator.add, outputs)
                if self.bias is None:
                    return total
                return total + keras.ops.reshape(keras.ops.cast(self.bias, self.compute_dtype), bias_shape(case))

        return SplitSumLayer()

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        kernels = np.split(weights["kernel"], case.groups, axis=-2)
        return [weights["bias"], *kernels] if case.bias else kernels

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        bias, kernels = ({"bias": values[0]}, values[1:]) if case.bias else ({}, values)
        return {"kernel": np.concatenate(kernels, axis=-2), **bias}
