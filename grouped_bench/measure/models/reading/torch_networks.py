"""Networks of PyTorch: what they convolve is seen by one pass on tensors that have shapes and no values."""

import contextlib
import difflib
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.models.reading.found import Called, answer_of, no_shape, one_line
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.facts import Json

_EXAMPLE = "3,224,224"
# Frames of a clip, where a network for videos names no least number.
_FRAMES = 16
_BEST = 8


def of_timm(name: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of `timm:NAME`, built without weights. Raises RefusedError."""
    timm = _imported("timm")
    if not timm.is_model(name):
        raise RefusedError("A network must be one of timm", name, f"Use one like {_like(name, timm.list_models())}")
    model = _built(name, lambda: timm.create_model(name, pretrained=False))
    return read_module(model, shape or tuple(model.pretrained_cfg["input_size"]))


def of_torchvision(name: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of `torchvision:NAME`, built without weights. Raises RefusedError."""
    _imported("torchvision")
    from torchvision import models

    known = models.list_models()
    if name not in known:
        raise RefusedError("A network must be one of torchvision", name, f"Use one like {_like(name, known)}")
    takes = inspect.signature(models.get_model_builder(name)).parameters
    backbone = {"weights_backbone": None} if "weights_backbone" in takes else {}
    model = _built(name, lambda: models.get_model(name, weights=None, **backbone))
    return read_module(model, shape or _usual_shape(models.get_model_weights(name)))


def _usual_shape(weights: Any) -> tuple[int, ...] | None:
    """Extents of an example of which the published weights tell; None where they tell none."""
    prepares = [one.transforms() for one in weights]
    crop = getattr(prepares[0], "crop_size", None) if prepares else None
    if not crop:
        return None
    height, width = (crop[0], crop[-1]) if isinstance(crop, list | tuple) else (crop, crop)
    is_video = "Video" in type(prepares[0]).__name__
    return (3, *((_FRAMES,) if is_video else ()), int(height), int(width))


def _imported(library: str) -> Any:
    try:
        return importlib.import_module(library)
    except Exception as problem:  # its compiled part may not fit PyTorch
        raise RefusedError(
            f"{library} must be importable to read its networks",
            reason_of(problem),
            f"Install {library}, in the release that goes with your PyTorch",
        ) from None


def _like(name: str, known: list[str]) -> str:
    return ", ".join(difflib.get_close_matches(name, known, _BEST, 0.0))


def _built(name: str, make: Any) -> Any:
    with unfilled():
        try:
            return make()
        except Exception as problem:
            raise RefusedError(
                "A network must be built without weights",
                f"{name} ({one_line(problem)})",
                "Name a function of yours that builds it, as MODULE:FUNCTION",
            ) from None


@contextlib.contextmanager
def unfilled() -> Iterator[None]:
    """A context in which new parameters are given no values: their memory is never touched."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name, named = getattr(function, "__name__", ""), kwargs or {}
            fills = name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
            filled = next(iter([*args, *named.values()]), None)
            return filled if fills and isinstance(filled, torch.nn.Parameter) else function(*args, **named)

    with Unfilled():
        yield


def read_module(model: Any, shape: tuple[int, ...] | None) -> Json:
    """The convolutions that one pass of a module makes: nothing is computed, and no weight is read.

    Args:
        model: a `torch.nn.Module` with one input.
        shape: extents of an example, channels first; batch 1 is added.

    Raises:
        RefusedError: there is no shape, or the module does not take it.
    """
    if shape is None:
        raise no_shape("no --input-shape for a network of PyTorch", _EXAMPLE)
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    modes = [(module, module.training) for module in model.modules()]
    watch = _watched(model)
    model.eval()  # normalisation takes a single example
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), watch as calls:
            model(torch.empty((1, *shape), dtype=_dtype(model)))
    except Exception as problem:  # of the network, whatever it is
        told = f"{','.join(map(str, shape))}, at which {type(model).__name__} ended with {reason_of(problem)}"
        raise no_shape(told, _EXAMPLE) from None
    finally:
        for module, training in modes:
            module.training = training
    return {**answer_of(calls), "backend": "torch"}


def _dtype(model: Any) -> Any:
    """Of the floating-point parameters; the default one where there is none."""
    return next((one.dtype for one in model.parameters() if one.dtype.is_floating_point), None)


@contextlib.contextmanager
def _watched(model: Any) -> Iterator[list[Called]]:
    """A context that notes every convolution, in a module of PyTorch or not, under the name of the module it is in."""
    import torch
    from torch.nn.modules import module as hooks
    from torch.utils._python_dispatch import TorchDispatchMode

    names = {id(one): name for name, one in model.named_modules()}
    inside: list[tuple[str, str]] = []
    found: list[Called] = []

    def enter(module: Any, inputs: Any) -> None:
        inside.append((names.get(id(module), ""), type(module).__name__))

    def leave(module: Any, inputs: Any, output: Any) -> None:
        inside.pop()

    class Watch(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function is torch.ops.aten.convolution.default:
                name, kind = next((one for one in reversed(inside) if one[0]), ("", "convolution"))
                found.append(_called(name or kind, kind, *args, **(kwargs or {})))
            return function(*args, **(kwargs or {}))

    handles = [
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave, always_call=True),
    ]
    try:
        with Watch():
            yield found
    finally:
        for handle in handles:
            handle.remove()


def _called(
    name: str, kind: str, x: Any, kernel: Any, bias: Any, stride: Any, pads: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Called:  # fmt: skip
    axes = x.dim() - 2
    stride, pads, dilation = (tuple(one) * (axes if len(one) == 1 else 1) for one in (stride, pads, dilation))
    return Called(
        name=name,
        kind=kind,
        input_shape=tuple(x.shape),
        kernel_shape=tuple(kernel.shape),
        stride=stride,
        dilation=dilation,
        pads=tuple((one, one) for one in pads),
        groups=groups,
        bias=bias is not None,
        dtype=str(x.dtype).removeprefix("torch."),
        transposed=transposed,
    )
