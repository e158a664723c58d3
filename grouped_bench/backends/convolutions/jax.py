"""JAX's own convolutions, and one function with the gradients of others."""

from typing import Any


def define_convolution() -> Any:
    """`convolution`, with arguments as `keras.ops.conv` has them."""
    import jax

    def convolution(inputs, kernel, strides, padding, data_format, dilation_rate):
        """JAX's own; the kernel's channels say how many groups."""
        last = data_format == "channels_last"
        before = dilation_rate[0] * (kernel.shape[0] - 1)
        spatial = "DHW"[3 - len(strides) :]
        layout = f"N{spatial}C" if last else f"NC{spatial}"
        return jax.lax.conv_general_dilated(
            inputs,
            kernel,
            window_strides=strides,
            padding=[(before, 0)] if padding == "causal" else padding.upper(),
            rhs_dilation=dilation_rate,
            dimension_numbers=(layout, f"{spatial}IO", layout),
            feature_group_count=inputs.shape[-1 if last else 1] // kernel.shape[-2],
        )

    return convolution


def define_composed() -> Any:
    """`composed`: a convolution with the gradients of others."""
    import jax

    def composed(forward, of_input, of_kernel):
        """The convolution `forward`; `of_input` and `of_kernel` give its gradients.

        Each is a function of input and kernel, and False: JAX compiles none.
        """
        convolve, input_form, kernel_form = forward[0], of_input[0], of_kernel[0]

        def kept(inputs, kernel):
            return convolve(inputs, kernel), (inputs, kernel)

        def back(operands, dy):
            inputs, kernel = operands
            transposed = jax.linear_transpose
            (dx,) = transposed(lambda x: input_form(x, kernel), inputs)(dy)
            (dw,) = transposed(lambda w: kernel_form(inputs, w), kernel)(dy)
            return dx, dw

        found = jax.custom_vjp(convolve)
        found.defvjp(kept, back)
        return found

    return composed
