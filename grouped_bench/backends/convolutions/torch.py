"""PyTorch's own convolutions, and one function with the gradients of others."""

from typing import Any


def define_convolution(pads: Any) -> Any:
    """`convolution`, with arguments as `keras.ops.conv` has them."""
    import torch

    def convolution(inputs, kernel, strides, padding, data_format, dilation_rate):
        """PyTorch's own; the kernel's channels say how many groups."""
        last = data_format == "channels_last"
        x = inputs.movedim(-1, 1) if last else inputs
        steps = kernel.shape[:-2], strides, dilation_rate
        around = pads(x.shape[2:], *steps, padding)
        even = all(before == after for before, after in around)
        if not even:
            flat = [extent for pair in reversed(around) for extent in pair]
            x = torch.nn.functional.pad(x, flat)
        convolve = getattr(torch.nn.functional, f"conv{len(strides)}d")
        outputs = convolve(
            x,
            kernel.movedim((-1, -2), (0, 1)),
            stride=strides,
            padding=tuple(before for before, _ in around) if even else 0,
            dilation=dilation_rate,
            groups=x.shape[1] // kernel.shape[-2],
        )
        return outputs.movedim(1, -1) if last else outputs

    return convolution


def define_composed() -> Any:
    """`composed`: a convolution with the gradients of others."""
    import torch

    def composed(forward, of_input, of_kernel):
        """The convolution `forward`; `of_input` and `of_kernel` give its gradients.

        Each is a function of input and kernel, and False: none is compiled.
        """

        def gradients(part, inputs, kernel, dy, wanted):
            given = [inputs.detach(), kernel.detach()]
            asked = [one for one, want in zip(given, wanted, strict=True) if want]
            if not asked:
                return None, None
            for one in asked:
                one.requires_grad_()
            with torch.enable_grad():
                outputs = part[0](*given)
            found = iter(torch.autograd.grad(outputs, asked, dy))
            return tuple(next(found) if want else None for want in wanted)

        class Composed(torch.autograd.Function):
            @staticmethod
            def forward(context, inputs, kernel):
                context.save_for_backward(inputs, kernel)
                return forward[0](inputs, kernel)

            @staticmethod
            def backward(context, dy):
                x, kernel = (one.detach() for one in context.saved_tensors)
                wanted = context.needs_input_grad
                if of_input is of_kernel:
                    return gradients(of_input, x, kernel, dy, wanted)
                dx, _ = gradients(of_input, x, kernel, dy, (wanted[0], False))
                _, dw = gradients(of_kernel, x, kernel, dy, (False, wanted[1]))
                return dx, dw

        return Composed.apply

    return composed
