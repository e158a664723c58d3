"""`split_concat`: a convolution of its own for each group of channels, outputs concatenated."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, keras_convolution, variant
from grouped_bench.variants.reference.convolution import Weights


@variant
class SplitConcat(Variant):
    """Branch g maps channels g·Cin/G … (g+1)·Cin/G to Cout/G: the grouped function, exactly."""

    name = "split_concat"
    summary = "split channels, convolve each part to Cout/G, concatenate"
    computes = "grouped"
    in_parts = True

    def layer(self, case: Case, backend: Backend) -> Any:
        return branches_layer(case, lambda group: contextlib.nullcontext())

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        parts = [np.split(array, case.groups, axis=-1) for array in weights.values()]
        return [array for branch in zip(*parts, strict=True) for array in branch]

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        names = list(self.function(case).shapes())
        return {name: np.concatenate(values[kind :: len(names)], axis=-1) for kind, name in enumerate(names)}


def branches_layer(case: Case, place: Callable[[int], AbstractContextManager[Any]]) -> Any:
    """A layer with a convolution of its own for each group, outputs concatenated.

    Args:
        case: its geometry and dtype.
        place: the context in which a group's weights are made and its convolution is computed.
    """
    import keras

    class BranchesLayer(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(dtype=case.dtype)
            filters = case.out_channels // case.groups
            self.branches = [keras_convolution(case, filters=filters, bias=case.bias) for _ in range(case.groups)]

        def build(self, input_shape: Any) -> None:
            part = list(input_shape)
            part[case.channel_axis] //= case.groups
            for group, branch in enumerate(self.branches):
                with place(group):
                    branch.build(tuple(part))

        def call(self, inputs: Any) -> Any:
            outputs = []
            parts = keras.ops.split(inputs, case.groups, axis=case.channel_axis)
            for group, (branch, part) in enumerate(zip(self.branches, parts, strict=True)):
                with place(group):
                    outputs.append(branch(part))
            return keras.ops.concatenate(outputs, axis=case.channel_axis)

    return BranchesLayer()
