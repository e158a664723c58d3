"""The layer of `grouped_bench.layers`: Keras' own, but for who computes the convolution."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from grouped_bench import backends, variants
from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import define
from grouped_bench.errors import UnavailableError
from grouped_bench.layers.choice import AUTO, Chosen, always, chosen
from grouped_bench.space.case import Case
from grouped_bench.variants.base import REGISTRY
from grouped_bench.variants.models.stand_ins import define_refusal

_OWN = "grouped"


class _Count(int):
    """A number of parameters that says beside itself who computes with them."""

    said: str

    def __format__(self, how: str) -> str:
        return f"{int(self):{how}} {self.said}"


def define_grouped_conv(Conv: Any, KernelConv: Any) -> Any:  # noqa: N803  # classes
    """The class for a rank: `Conv` is Keras' layer, `KernelConv` the same with a method `convolve`."""

    class GroupedConv(KernelConv):  # type: ignore[misc]
        """Keras' convolution by the implementation that is fastest here.

        Args:
            *arguments, **options: as Keras' layer takes them.
            implementation: `auto`, or the name of a variant that keeps the weights of Keras' layer; with the number
                that it leaves open as `implementation_` says it, `merged_groups (m=4)`, or without.

        `implementation_` says who computes, once the layer is built; so does `summary()`. Where this machine refuses
        what is named, or its gradients, that is Keras' own convolution, with a warning.
        """

        def __init__(self, *arguments: Any, implementation: str = AUTO, **options: Any) -> None:
            Conv.__init__(self, *arguments, **options)  # which refuses what it always does
            if implementation != AUTO:
                _check(implementation)
            self.implementation = implementation
            self.implementation_: str | None = None

        def build(self, input_shape: Any) -> None:
            super().build(input_shape)
            found, convolve = form_of(self, input_shape, Conv, self.implementation)
            self._convolve: Any = convolve
            self.implementation_ = str(found)

        def convolve(self, inputs: Any, kernel: Any) -> Any:
            return self._convolve(inputs, kernel)

        def call(self, inputs: Any) -> Any:
            return Conv.call(self, inputs) if self._convolve is None else super().call(inputs)

        def count_params(self) -> int:
            count = _Count(super().count_params())
            count.said = self.implementation_ or ""
            return count

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "implementation": self.implementation}

    # Checkpoints call a layer's group after its class.
    GroupedConv.__name__ = Conv.__name__
    return GroupedConv


def _check(text: str) -> None:
    name = Chosen.of(text).variant
    found = variants.get(name)
    if found.computes != _OWN or not found.keeps_weights:
        known = [one.name for one in REGISTRY.values() if one.keeps_weights and one.computes == _OWN]
        raise UnavailableError(
            "An implementation must keep the weights of Keras' layer",
            received=name,
            remedy=f"Use {AUTO} or one of {', '.join(known)}",
        )


def form_of(
    layer: Any, input_shape: Any, conv: Any, implementation: str = AUTO
) -> tuple[Chosen, Callable[[Any, Any], Any] | None]:
    """Who computes a layer, and the convolution of its input and kernel by that form; None where that is Keras' own.

    A method of another layer, never built, which Keras takes for no layer within this one.

    Args:
        layer: built, one of `conv`, Keras' class for its rank.
        input_shape: of its input, None where an extent is open.
        conv: that class.
        implementation: `auto`, or the name of a variant.
    """
    import keras

    case, backend = _case(layer, input_shape), backends.get(keras.backend.backend())
    found = chosen(case, implementation)
    convolve = _convolution(found, case, backend, conv)
    problem = _refusal(layer, convolve) if convolve and backend.refuses_by_processor else None
    if problem is None:
        return found, convolve
    if implementation == AUTO:
        return always(case), _convolution(always(case), case, backend, conv)
    warnings.warn(f"{layer.name}: Keras' own convolution, since {problem}", stacklevel=2)
    return Chosen(_OWN), None


def _convolution(found: Chosen, case: Case, backend: Backend, conv: Any) -> Callable[[Any, Any], Any] | None:
    if found.variant == _OWN:
        return None
    variant = variants.get(found.variant).with_choice(found.choice)
    made = define(variant.code(case, backend), Conv=conv)(**variant.arguments(case)).convolve
    return cast(Callable[[Any, Any], Any], made)


def _refusal(layer: Any, convolve: Callable[[Any, Any], Any]) -> Exception | None:
    """What this machine raises when it is to compute by `convolve`, gradients included; None where it does not."""
    with ThreadPoolExecutor(1) as fresh:  # which traces nothing, whatever is traced here
        found: Exception | None = fresh.submit(define((define_refusal,)), layer, convolve, True).result()
    return found


def _case(layer: Any, input_shape: Any) -> Case:
    """What the layer computes, as far as it is known before it is called."""
    first = layer.data_format == "channels_first"
    size = input_shape[2:] if first else input_shape[1:-1]
    least = [d * (k - 1) + 1 for k, d in zip(layer.kernel_size, layer.dilation_rate, strict=True)]
    return Case(
        rank=layer.rank,
        batch_size=input_shape[0] or 1,
        in_channels=input_shape[1 if first else -1],
        out_channels=layer.filters,
        groups=layer.groups,
        size=tuple(extent or one for extent, one in zip(size, least, strict=True)),
        kernel_size=layer.kernel_size,
        stride=layer.strides,
        dilation=layer.dilation_rate,
        padding=layer.padding,
        bias=layer.use_bias,
        dtype=layer.dtype_policy.name,
        data_format=layer.data_format,
        pass_="training",
    )
