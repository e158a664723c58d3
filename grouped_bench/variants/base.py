"""What a variant must say: its function, its layer, its counts, and how it takes the reference weights."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.variants.functions import Convolution, Function
from grouped_bench.variants.reference import Weights


class Variant(ABC):
    """One way to compute a convolution.

    `computes` names the function, so that only variants of the same function are ranked as exact: `dense` is the
    convolution over all input channels, `grouped` the one over its groups.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    computes: ClassVar[str]

    def function(self, case: Case) -> Function:
        """What is computed: unless a variant says otherwise, the convolution that `computes` names."""
        return Convolution(case, case.groups if self.computes == "grouped" else 1)

    def counts(self, case: Case) -> Counts:
        """Analytic parameters, MACs and minimum bytes."""
        return convolution_counts(case, case.groups if self.computes == "grouped" else 1)

    @abstractmethod
    def layer(self, case: Case, backend: Backend) -> Any:
        """A Keras layer, not yet built, that maps `case.input_shape` to `case.output_shape`."""

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        """The reference weights as the values of the layer's trainable variables, in their order."""
        return list(weights.values())

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        """Values (or gradients) of the layer's trainable variables as reference weights."""
        return dict(zip(self.function(case).shapes(), values, strict=True))


REGISTRY: dict[str, Variant] = {}


def variant(cls: type[Variant]) -> type[Variant]:
    """Register a subclass of `Variant`: it joins every sweep, check, table and figure."""
    REGISTRY[cls.name] = cls()
    return cls


def keras_convolution(case: Case, *, filters: int, groups: int = 1, bias: bool) -> Any:
    """Keras' Conv1D, Conv2D or Conv3D with the case's geometry."""
    import keras

    convolution = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)[case.rank - 1]
    return convolution(
        filters,
        case.kernel_size,
        strides=case.stride,
        dilation_rate=case.dilation,
        padding=case.padding,
        data_format=case.data_format,
        groups=groups,
        use_bias=bias,
        dtype=case.dtype,
    )


def grouped_layer(case: Case, convolve: Callable[[Any, Any], Any]) -> Any:
    """A layer of one grouped kernel (*k, Cin/G, Cout) and, where the case has one, a bias.

    Args:
        case: its geometry and dtype.
        convolve: the output without bias, from the input and the kernel in the dtype of the arithmetic.
    """
    import keras

    class GroupedLayer(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=case.kernel_shape(case.groups), name="kernel")
            self.bias = self.add_weight(shape=(case.out_channels,), name="bias") if case.bias else None

        def call(self, inputs: Any) -> Any:
            outputs = convolve(inputs, keras.ops.cast(self.kernel, self.compute_dtype))
            if self.bias is None:
                return outputs
            return outputs + keras.ops.reshape(keras.ops.cast(self.bias, self.compute_dtype), bias_shape(case))

    return GroupedLayer(dtype=case.dtype)


def bias_shape(case: Case) -> tuple[int, ...]:
    """The shape in which a bias broadcasts over the output."""
    shape = [1] * (case.rank + 2)
    shape[case.channel_axis] = case.out_channels
    return tuple(shape)
