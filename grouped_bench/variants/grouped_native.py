"""`grouped_native`: the framework's own grouped convolution, without Keras' detour through XLA."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, bias_shape, variant


@variant
class GroupedNative(Variant):
    """A kernel of Cin/groups input channels handed to the framework's convolution as it is."""

    name = "grouped_native"
    summary = "the framework's own grouped convolution"
    computes = "grouped"

    def layer(self, case: Case, backend: Backend) -> Any:
        import keras

        class GroupedNativeLayer(keras.layers.Layer):
            def build(self, input_shape: Any) -> None:
                self.kernel = self.add_weight(shape=case.kernel_shape(case.groups), name="kernel")
                self.bias = self.add_weight(shape=(case.out_channels,), name="bias") if case.bias else None

            def call(self, inputs: Any) -> Any:
                kernel = keras.ops.cast(self.kernel, self.compute_dtype)
                outputs = backend.convolution(inputs, kernel, case)
                if self.bias is None:
                    return outputs
                return outputs + keras.ops.reshape(keras.ops.cast(self.bias, self.compute_dtype), bias_shape(case))

        return GroupedNativeLayer(dtype=case.dtype)
