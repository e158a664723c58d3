"""Variants that make a convolution of its own for each part of the channels."""

from typing import ClassVar

import numpy as np

from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant
from grouped_bench.variants.reference.convolution import Weights


class PartsVariant(Variant):
    """A layer of one bias and then a kernel for each group, which is a slice of Keras' along `kernel_axis`."""

    in_parts = True
    kernel_axis: ClassVar[int]

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        kernel, *bias = weights.values()
        return [*bias, *np.split(kernel, case.groups, axis=self.kernel_axis)]

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        bias, kernels = values[: case.bias], values[case.bias :]
        whole = [np.concatenate(kernels, axis=self.kernel_axis), *bias]
        return dict(zip(self.function(case).shapes(), whole, strict=True))
