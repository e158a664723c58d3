"""`split_concat`: a convolution of its own for each group of channels, outputs concatenated."""

from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.palette import PURPLE
from grouped_bench.variants.reference.convolution import Weights


@variant
class SplitConcat(Variant):
    """Branch g maps channels g·Cin/G … (g+1)·Cin/G to Cout/G: the grouped function, exactly."""

    name = "split_concat"
    summary = "split channels, convolve each part to Cout/G, concatenate"
    gloss = "one convolution per group, concatenated"
    computes = "grouped"
    in_parts = True
    colour, marker = PURPLE, "v"

    def code(self, case: Case, backend: Backend) -> Code:
        return (define_split_concat_conv,)

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        parts = [np.split(array, case.groups, axis=-1) for array in weights.values()]
        return [array for branch in zip(*parts, strict=True) for array in branch]

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        names = list(self.function(case).shapes())
        return {name: np.concatenate(values[kind :: len(names)], axis=-1) for kind, name in enumerate(names)}


def define_split_concat_conv(Conv: Any) -> Any:
    """`SplitConcatConv`."""
    import keras

    class SplitConcatConv(keras.layers.Layer):
        """A convolution for each group of channels, outputs concatenated.

        The kernels are those of Keras' layer with groups=, split along their
        last axis.
        """

        def __init__(
            self,
            filters,
            kernel_size,
            groups=1,
            name=None,
            dtype=None,
            **options,
        ):
            super().__init__(name=name, dtype=dtype)
            options["dtype"] = self.dtype_policy
            each, parts = filters // groups, range(groups)
            self.branches = [Conv(each, kernel_size, **options) for _ in parts]

        def build(self, input_shape):
            part = list(input_shape)
            part[self.channel_axis] //= len(self.branches)
            for branch in self.branches:
                branch.build(tuple(part))

        def call(self, inputs):
            axis = self.channel_axis
            parts = keras.ops.split(inputs, len(self.branches), axis=axis)
            pairs = zip(self.branches, parts, strict=True)
            outputs = [branch(part) for branch, part in pairs]
            return keras.ops.concatenate(outputs, axis=axis)

        @property
        def channel_axis(self):
            first = self.branches[0].data_format == "channels_first"
            return 1 if first else self.branches[0].rank + 1

    return SplitConcatConv
