"""The zeros around an input, as TensorFlow and Keras place them."""

from typing import Any


def define_pads() -> Any:
    """`pads`: zeros before and after each spatial axis."""

    def pads(size, kernel_size, strides, dilation_rate, padding):
        """Zeros before and after each axis; of `same` the odd one after."""
        found = []
        steps = kernel_size, strides, dilation_rate
        for n, k, s, d in zip(size, *steps, strict=True):
            missing = 0
            if padding == "same":
                missing = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
            before = d * (k - 1) if padding == "causal" else missing // 2
            found.append((before, missing - missing // 2))
        return found

    return pads
