"""`depthwise_separable`: a convolution of each channel alone, then a 1x1 convolution over all of them."""

import itertools
import math
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, pass_counts
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.palette import BROWN
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.functions import WholeFunction


class SeparableConvolution(WholeFunction):
    """y = (x ∗ depthwise) · pointwise + bias; the groups of the case play no part.

    `depthwise` is (*k, 1, Cin), the kernel of a convolution of as many groups as channels; `pointwise` is (Cin, Cout).
    """

    @property
    def key(self) -> str:
        return "separable convolution"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        case = self.case
        bias: dict[str, tuple[int, ...]] = {"bias": (case.out_channels,)} if case.bias else {}
        kernels = {
            "depthwise": (*case.kernel_size, 1, case.in_channels),
            "pointwise": (case.in_channels, case.out_channels),
        }
        return kernels | bias

    @property
    def reduction(self) -> int:
        case = self.case
        forward = max(math.prod(case.kernel_size), case.in_channels)
        over_outputs = case.batch_size * math.prod(case.output_size)
        return max(forward, case.out_channels, over_outputs) if case.pass_ == "training" else forward

    def roundings(self, name: str) -> float:
        return 2.0  # the result, and what lies between the two convolutions

    def exact(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights) -> dict[str, np.ndarray]:
        """Forward through both convolutions, from `x` and `weights`; with `upstream`, also back through them."""
        case, bias = self.case, weights.get("bias", np.zeros(()))
        exact = {"output": np.empty((case.batch_size, *case.output_size, case.out_channels))}
        if upstream is not None:
            exact["input gradient"] = np.empty(x.shape)
            exact |= {f"{name} gradient": np.zeros(values.shape) for name, values in weights.items()}
        # One image at a time: the float64 of all between the two convolutions may not fit.
        for n in range(case.batch_size):
            between = self._depthwise(x[n], weights["depthwise"])
            exact["output"][n] = between @ weights["pointwise"] + bias
            if upstream is not None:
                dy = upstream[n].astype(np.float64)
                exact["pointwise gradient"] += _flat(between).T @ _flat(dy)
                dx, ddepthwise = self._depthwise_gradients(x[n], dy @ weights["pointwise"].T, weights["depthwise"])
                exact["input gradient"][n] = dx
                exact["depthwise gradient"] += ddepthwise
                if case.bias:
                    exact["bias gradient"] += _flat(dy).sum(axis=0)
        return exact

    def _depthwise(self, image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        padded, total = self._padded(image), np.zeros((*self.case.output_size, self.case.in_channels))
        for tap, part in zip(_flat(kernel), _tap_slices(self.case), strict=True):
            total += padded[part] * tap
        return total

    def _depthwise_gradients(
        self, image: np.ndarray, upstream: np.ndarray, kernel: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of one image's input and of the depthwise kernel."""
        padded, of_taps = self._padded(image), []
        of_padded = np.zeros(padded.shape)
        for tap, part in zip(_flat(kernel), _tap_slices(self.case), strict=True):
            of_padded[part] += upstream * tap
            of_taps.append(_flat(padded[part] * upstream).sum(axis=0))
        inside = tuple(slice(before, before + n) for (before, _), n in zip(self.case.pads, self.case.size, strict=True))
        return of_padded[inside], np.reshape(of_taps, kernel.shape)

    def _padded(self, image: np.ndarray) -> np.ndarray:
        return np.pad(image.astype(np.float64), [*self.case.pads, (0, 0)])


def _tap_slices(case: Case) -> list[tuple[slice, ...]]:
    """For each tap of the kernel, in its order, the slices of the padded spatial axes that meet it."""
    axes = [
        [slice(k * d, k * d + (o - 1) * s + 1, s) for k in range(extent)]
        for extent, d, s, o in zip(case.kernel_size, case.dilation, case.stride, case.output_size, strict=True)
    ]
    return list(itertools.product(*axes))


def _flat(array: np.ndarray) -> np.ndarray:
    """`array` with a row for each position, a column for each channel."""
    return array.reshape(-1, array.shape[-1])


@variant
class DepthwiseSeparable(Variant):
    """Keras' SeparableConv1D or SeparableConv2D with depth multiplier 1; for rank 3 Keras has no depthwise layer."""

    name = "depthwise_separable"
    summary = "Keras' separable convolution: each channel alone, then a 1x1 convolution"
    computes = "depthwise_separable"
    colour, marker = BROWN, "h"

    def function(self, case: Case) -> SeparableConvolution:
        return SeparableConvolution(case)

    def counts(self, case: Case) -> Counts:
        """Both convolutions; what lies between them counts no bytes, since a fused kernel need not write it."""
        taps = math.prod(case.kernel_size)
        weights = case.in_channels * (taps + case.out_channels) + case.bias * case.out_channels
        forward = case.batch_size * math.prod(case.output_size) * case.in_channels * (taps + case.out_channels)
        return pass_counts(case, weights, weights, forward)

    def layer(self, case: Case, backend: Backend) -> Any:
        import keras

        if case.rank == 3:
            raise NotImplementedError("Keras has no SeparableConv3D and no DepthwiseConv3D: rank 1 or 2")

        class SeparableLayer(keras.layers.Layer):
            def build(self, input_shape: Any) -> None:
                self.convolution = _keras_separable(case)
                self.convolution.build(input_shape)

            def call(self, inputs: Any) -> Any:
                if case.padding == "causal":  # which Keras' own layer does not have
                    widths = [(0, 0), *case.pads]
                    widths.insert(case.channel_axis, (0, 0))
                    inputs = keras.ops.pad(inputs, widths)
                return self.convolution(inputs)

        return SeparableLayer(dtype=case.dtype)

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        depthwise, pointwise = np.swapaxes(weights["depthwise"], -1, -2), weights["pointwise"]
        kernels = [depthwise, pointwise.reshape((1,) * case.rank + pointwise.shape)]
        return [*kernels, weights["bias"]] if case.bias else kernels

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        # Of the depthwise kernel's last two axes, which change places, one has length 1.
        shapes = self.function(case).shapes()
        return {name: array.reshape(shapes[name]) for name, array in zip(shapes, values, strict=True)}


def _keras_separable(case: Case) -> Any:
    import keras

    separable = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)[case.rank - 1]
    return separable(
        case.out_channels,
        case.kernel_size,
        strides=case.stride,
        dilation_rate=case.dilation,
        padding="valid" if case.padding == "causal" else case.padding,
        data_format=case.data_format,
        use_bias=case.bias,
        dtype=case.dtype,
    )
