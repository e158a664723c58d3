"""`stacked_planes`: taps along the first spatial axis become channels of the native convolution of one rank less."""

import dataclasses
from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Convolve, KernelVariant, variant


@variant
class StackedPlanes(KernelVariant):
    """A 3D convolution as one 2D convolution, which TensorFlow has in groups: k copies of the input are laid out.

    A 1D convolution becomes one of kernel 1.
    """

    name = "stacked_planes"
    summary = "first spatial axis folded into batch and channels, the framework's own grouped op of one rank less"
    computes = "grouped"

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        plane = _plane(case)

        def convolve(inputs: Any, kernel: Any) -> Any:
            outputs = backend.convolution(_planes(inputs, case), _stacked(kernel, case), plane)
            return _unfolded(outputs, case)

        return convolve


def _plane(case: Case) -> Case:
    """The case of the planes: a batch of N·Do, and k·Cin/G channels in each group."""
    stacked = case.in_channels * case.kernel_size[0]
    if case.rank == 1:
        return dataclasses.replace(
            case,
            in_channels=stacked,
            size=case.output_size,
            kernel_size=(1,),
            stride=(1,),
            dilation=(1,),
            padding="valid",
            data_format="channels_last",
        )
    return dataclasses.replace(
        case,
        rank=case.rank - 1,
        batch_size=case.batch_size * case.output_size[0],
        in_channels=stacked,
        size=case.size[1:],
        kernel_size=case.kernel_size[1:],
        stride=case.stride[1:],
        dilation=case.dilation[1:],
        data_format="channels_last",
    )


def _planes(inputs: Any, case: Case) -> Any:
    """(N·Do, *n, G·k·Cin/G): for each output plane the input planes that its taps meet, each group's together."""
    import keras

    if case.data_format == "channels_first":
        inputs = keras.ops.moveaxis(inputs, 1, -1)
    inputs = keras.ops.pad(inputs, ((0, 0), case.pads[0], *((0, 0),) * case.rank))
    count, stride, dilation = case.output_size[0], case.stride[0], case.dilation[0]
    taps = [
        inputs[:, tap * dilation : tap * dilation + (count - 1) * stride + 1 : stride]
        for tap in range(case.kernel_size[0])
    ]
    width = case.in_channels // case.groups
    parts = [keras.ops.reshape(part, (*part.shape[:-1], case.groups, width)) for part in taps]
    return keras.ops.reshape(keras.ops.concatenate(parts, axis=-1), _plane(case).input_shape)


def _stacked(kernel: Any, case: Case) -> Any:
    """A kernel (k, *k', Cin/G, Cout) as (*k', k·Cin/G, Cout)."""
    import keras

    return keras.ops.reshape(keras.ops.moveaxis(kernel, 0, case.rank - 1), _plane(case).kernel_shape(case.groups))


def _unfolded(outputs: Any, case: Case) -> Any:
    import keras

    outputs = keras.ops.reshape(outputs, (case.batch_size, *case.output_size, case.out_channels))
    return keras.ops.moveaxis(outputs, -1, 1) if case.data_format == "channels_first" else outputs
