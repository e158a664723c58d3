"""TensorFlow's own convolutions, and one function with the gradients of others."""

from collections.abc import Callable, Sequence
from typing import Any

from grouped_bench.backends.base import BareConvolution, Tensor
from grouped_bench.space.case import Case


def native(inputs: Tensor, kernel: Tensor, case: Case) -> Tensor:
    """`tf.nn.convolution`; the kernel's input channels say the number of groups."""
    import tensorflow as tf

    inputs, padding = _padded(inputs, case)
    return tf.nn.convolution(
        inputs,
        kernel,
        strides=case.stride,
        padding=padding,
        dilations=case.dilation,
        data_format=_layout(case),
    )


def depthwise(inputs: Tensor, kernel: Tensor, case: Case) -> Tensor:
    """`tf.nn.depthwise_conv2d` with a kernel (*k, Cin, M), of rank 1 along the second of two axes as Keras has it."""
    import tensorflow as tf

    if case.rank == 3:
        raise NotImplementedError("TensorFlow has no depthwise convolution of three spatial axes: rank 1 or 2")
    if len(set(case.stride)) > 1:
        raise NotImplementedError("TensorFlow's depthwise convolution has one stride for both axes")
    inputs, padding = _padded(inputs, case)
    last, flat = case.data_format == "channels_last", case.rank == 1
    if flat:
        inputs, kernel = tf.expand_dims(inputs, 1 if last else 2), tf.expand_dims(kernel, 0)
    strides = case.stride * 2 if flat else case.stride
    outputs = tf.nn.depthwise_conv2d(
        inputs,
        kernel,
        strides=(1, *strides, 1) if last else (1, 1, *strides),
        padding=padding,
        dilations=(1, *case.dilation) if flat else case.dilation,
        data_format="NHWC" if last else "NCHW",
    )
    return tf.squeeze(outputs, 1 if last else 2) if flat else outputs


def composed(
    forward: BareConvolution, of_input: BareConvolution, of_kernel: BareConvolution
) -> Callable[[Tensor, Tensor], Tensor]:
    """The function that all three parts compute, as `forward` does, with the others' gradients."""
    import tensorflow as tf

    if forward is of_input is of_kernel and not forward.compiled:
        return forward.convolve
    whole = _compiled(forward.convolve, forward)
    of_both = _compiled(_gradients(of_input, (0, 1)), of_input) if of_input is of_kernel else None
    of_one = [_compiled(_gradients(part, (place,)), part) for place, part in enumerate((of_input, of_kernel))]

    def convolve(x: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], Sequence[Tensor]]]:
        def back(dy: Tensor) -> Sequence[Tensor]:
            if of_both is not None:
                return list(of_both(x, kernel, dy))
            return [gradient for gradients in of_one for gradient in gradients(x, kernel, dy)]

        return whole(x, kernel), back

    found: Callable[[Tensor, Tensor], Tensor] = tf.custom_gradient(convolve)
    return found


def _gradients(part: BareConvolution, places: Sequence[int]) -> Callable[[Tensor, Tensor, Tensor], Sequence[Tensor]]:
    """Gradients of input (0) and kernel (1), from these and the upstream gradient.

    The forward pass in it is of no use to any of them, and no graph computes it.
    """
    import tensorflow as tf

    def found(x: Tensor, kernel: Tensor, dy: Tensor) -> Sequence[Tensor]:
        sources = [(x, kernel)[place] for place in places]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            y = part.convolve(x, kernel)
        gradients: Sequence[Tensor] = tape.gradient(y, sources, output_gradients=dy)
        return gradients

    return found


def _compiled(function: Callable[..., Any], part: BareConvolution) -> Callable[..., Any]:
    """`function`, compiled by XLA where its part says so."""
    import tensorflow as tf

    compiled: Callable[..., Any] = tf.function(function, autograph=False, jit_compile=True)
    return compiled if part.compiled else function


def _padded(inputs: Tensor, case: Case) -> tuple[Tensor, str]:
    """The input with the zeros that TensorFlow's own padding does not know, and what that then is."""
    import tensorflow as tf

    if case.padding != "causal":
        return inputs, case.padding.upper()
    pads = [[0, 0], [0, 0], [0, 0]]
    pads[1 if case.data_format == "channels_last" else 2][0] = case.pad_before[0]
    return tf.pad(inputs, pads), "VALID"


def _layout(case: Case) -> str:
    spatial = "DHW"[3 - case.rank :]
    return f"N{spatial}C" if case.data_format == "channels_last" else f"NC{spatial}"
