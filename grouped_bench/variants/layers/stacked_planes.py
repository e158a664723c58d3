"""`stacked_planes`: taps along the first spatial axis become channels of the native convolution of one rank less."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.backends.convolutions.padding import define_pads
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.definitions import define_kernel_conv
from grouped_bench.variants.palette import COBALT


@variant
class StackedPlanes(Variant):
    """A 3D convolution as one 2D convolution, which TensorFlow has in groups: k copies of the input are laid out.

    A 1D convolution becomes one of kernel 1.
    """

    name = "stacked_planes"
    summary = "first spatial axis folded into batch and channels, the framework's own grouped op of one rank less"
    computes = "grouped"
    colour, marker = COBALT, "*"

    def code(self, case: Case, backend: Backend) -> Code:
        return define_pads, *backend.convolution_code, define_kernel_conv, define_stacked_planes_conv


def define_stacked_planes_conv(KernelConv: Any, convolution: Any, pads: Any) -> Any:
    """`StackedPlanesConv`."""
    import keras

    class StackedPlanesConv(KernelConv):
        """Keras' layer, with its weights, by a convolution of one rank less.

        Taps along the first spatial axis become channels, and what it has of
        outputs is folded into the batch. Of rank 1 the kernel becomes 1.
        """

        def convolve(self, inputs, kernel):
            if self.data_format == "channels_first":
                inputs = keras.ops.moveaxis(inputs, 1, -1)
            planes, count = self.planes(inputs)
            outputs = convolution(
                planes,
                self.stacked(kernel),
                self.strides[1:] or (1,),
                self.padding if self.rank > 1 else "valid",
                "channels_last",
                self.dilation_rate[1:] or (1,),
            )
            extents = outputs.shape[1:-1] if self.rank > 1 else ()
            shape = (-1, count, *extents, self.filters)
            outputs = keras.ops.reshape(outputs, shape)
            if self.data_format == "channels_first":
                outputs = keras.ops.moveaxis(outputs, -1, 1)
            return outputs

        def planes(self, inputs):
            """(N·Do, *n, G·k·Cin/G) and Do: for each output plane its taps."""
            _, n, *size, channels = inputs.shape
            k, s, d = self.kernel_size[0], self.strides[0], self.dilation_rate[0]
            (zeros,) = pads((n,), (k,), (s,), (d,), self.padding)
            count = (n + sum(zeros) - d * (k - 1) - 1) // s + 1
            end = (count - 1) * s + 1
            x = keras.ops.pad(inputs, ((0, 0), zeros, *((0, 0),) * self.rank))
            shape = (-1, count, *size, self.groups, channels // self.groups)
            taps = [x[:, i * d : i * d + end : s] for i in range(k)]
            parts = [keras.ops.reshape(tap, shape) for tap in taps]
            planes = keras.ops.concatenate(parts, axis=-1)
            shape = (-1, *(size or (count,)), k * channels)
            return keras.ops.reshape(planes, shape), count

        def stacked(self, kernel):
            """A kernel (k, *k', Cin/G, Cout) as (*k', k·Cin/G, Cout)."""
            stacked = keras.ops.moveaxis(kernel, 0, self.rank - 1)
            extents, width = self.kernel_size[1:] or (1,), kernel.shape[-2]
            shape = (*extents, self.kernel_size[0] * width, self.filters)
            return keras.ops.reshape(stacked, shape)

    return StackedPlanesConv
