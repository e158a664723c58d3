"""Networks of Keras: the convolutions that one pass makes, traced without values and without weights."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.models.reading.found import (
    GROUPED,
    NO_CONVOLUTION,
    FoundConvolution,
    macs_of,
    no_shape,
    one_line,
)
from grouped_bench.measure.models.reading.keras_files import model_of
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.case import DTYPE_BYTES, MIXED_PREFIX
from grouped_bench.space.choices import DEPTHWISE
from grouped_bench.space.facts import Json

# Ends the name of the depthwise convolution in a separable layer.
DEPTHWISE_PART = ", depthwise"
_KINDS = {f"{kind}{rank}D": (kind, rank) for kind in ("Conv", "DepthwiseConv", "SeparableConv") for rank in (1, 2, 3)}
_REASONS = {
    "Transpose": "a transposed convolution, which has no groups in Keras",
    "LSTM": "a recurrent convolution",
}
_DENSE = ("Dense", "EinsumDense")
# Of an example, where an architecture leaves its extents open: what Keras documents for MobileNetV3.
_USUAL_SHAPE = (224, 224, 3)
Shape = tuple[int | None, ...]


def of_file(path: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of a .keras or HDF5 file; none of its code runs. Raises RefusedError."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        return traced(model_of(path), shape)


def of_name(name: str, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of an architecture of keras.applications, without weights. Raises RefusedError."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        model = _application(name, shape)
        is_open = None in model.input_shape[1:]
        return traced(model, shape or (_USUAL_SHAPE if is_open else None))


def inputs_of(model: Any, shape: tuple[int, ...] | None) -> list[Any]:
    """What the model takes for one example, symbolic; it is built if it was not.

    Args:
        model: of Keras.
        shape: extents of an example, which the model leaves open; None for its own.

    Raises:
        RefusedError: an extent is open, or is another one of the model's own.
    """
    if not getattr(model, "inputs", None):
        _build(model, shape)
    return [_input(tensor, shape, len(model.inputs)) for tensor in model.inputs]


def _application(name: str, shape: tuple[int, ...] | None) -> Any:
    """The architecture of keras.applications, without weights: nothing is downloaded."""
    import keras

    known = sorted(n for n, value in vars(keras.applications).items() if n[0].isupper() and callable(value))
    if name not in known:
        raise RefusedError("A network must be one of keras.applications", name, f"Use one of {', '.join(known)}")
    try:
        return getattr(keras.applications, name)(weights=None, **({"input_shape": shape} if shape else {}))
    except ValueError as problem:
        raise no_shape(one_line(problem)) from None


def _build(model: Any, shape: tuple[int, ...] | None) -> None:
    """Give a model that was saved without an input its shape."""
    if shape is None:
        raise no_shape("a model without an input shape")
    try:
        model.build((None, *shape))
    except Exception as problem:  # its layers', whatever they are
        raise no_shape(reason_of(problem)) from None
    if not getattr(model, "inputs", None):
        raise no_shape("a model without an input")


def _input(tensor: Any, shape: tuple[int, ...] | None, inputs: int) -> Any:
    """The model's input for one example, with the extents that it leaves open taken from `shape`."""
    import keras

    own = tuple(tensor.shape[1:])
    if shape is not None and inputs > 1:
        raise no_shape(f"a model with {inputs} inputs")
    wanted = own if shape is None else shape
    fits = len(own) == len(wanted) and all(a in (None, b) for a, b in zip(own, wanted, strict=True))
    if not fits or None in wanted:
        asked = "no --input-shape" if shape is None else f"--input-shape {','.join(map(str, shape))}"
        raise no_shape(f"{asked} for a model that takes {own}")
    return keras.KerasTensor((1, *wanted), dtype=tensor.dtype)


def traced(model: Any, shape: tuple[int, ...] | None) -> Json:
    """The convolutions of one pass of a Keras model, in the order of their calls.

    Args:
        model: of Keras.
        shape: extents of an example; None for the model's own.

    Raises:
        RefusedError: the model does not take such inputs.
    """
    found = [(layer, tuple(first.shape)) for layer, first in calls_in(model, inputs_of(model, shape), _has_kernel)]
    called = {id(layer) for layer, _ in found}
    known = list(model._flatten_layers(include_self=False))
    uncalled = [(layer, None) for layer in known if _has_kernel(layer) and id(layer) not in called]
    repeated = {id(layer) for wrapper in known for layer in _repeated(wrapper)}
    convolutions: list[FoundConvolution] = []
    left_out = []
    for layer, given in [*found, *uncalled]:
        is_repeated = id(layer) in repeated
        why = "called once for every step of a sequence" if is_repeated else _problem(layer, given)
        if why:
            macs = None if is_repeated else _macs(layer, given)
            left_out.append({"name": layer.name, "kind": type(layer).__name__, "reason": why, "macs": macs})
        elif given is not None:
            convolutions += _convolutions(layer, given)
    return {"convolutions": convolutions, "left_out": left_out, "macs": macs_of(convolutions)}


def calls_in(model: Any, inputs: list[Any], is_wanted: Callable[[Any], bool]) -> list[tuple[Any, Any]]:
    """The layers that one pass calls, in that order, each with the first thing that it is given: nothing is computed.

    Args:
        model: of Keras, built.
        inputs: symbolic, as `inputs_of` gives them.
        is_wanted: of which layers calls are noted.

    Raises:
        RefusedError: the model does not take such inputs.
    """
    import keras

    found: list[tuple[Any, Any]] = []
    once: Callable[..., Any] = keras.layers.Layer.__call__
    every_step = keras.layers.TimeDistributed.call

    def call(layer: Any, *positional: Any, **named: Any) -> Any:
        if is_wanted(layer):
            found.append((layer, positional[0] if positional else next(iter(named.values()), None)))
        return once(layer, *positional, **named)

    def one_step(wrapper: Any, tensors: Any, training: bool | None = None, mask: Any = None) -> Any:
        """What a layer does at every step of a sequence, done once: the trace of each step is the same."""
        step = wrapper.layer(tensors[:, 0])
        return keras.ops.repeat(keras.ops.expand_dims(step, 1), tensors.shape[1], axis=1)

    class Pass(keras.layers.Layer):  # type: ignore[misc]
        """Has Keras trace the whole model, where what it knows of it beforehand would do for its own layer."""

        def call(self, *tensors: Any) -> Any:
            found.clear()  # a backend may trace twice
            return model(list(tensors) if len(tensors) > 1 else tensors[0])

    keras.layers.Layer.__call__ = call
    keras.layers.TimeDistributed.call = one_step
    try:
        Pass()(*inputs)
    except Exception as problem:  # a layer's, whatever it is
        raise no_shape(reason_of(problem)) from None
    finally:
        keras.layers.Layer.__call__ = once
        keras.layers.TimeDistributed.call = every_step
    return found


def _repeated(wrapper: Any) -> list[Any]:
    """Layers inside `wrapper`, where it calls them once for every step of a sequence."""
    import keras

    return wrapper._flatten_layers(include_self=False) if isinstance(wrapper, keras.layers.TimeDistributed) else []


def _has_kernel(layer: Any) -> bool:
    """Whether the layer convolves or multiplies, by its name: also one that is not known here, so that it is told."""
    import keras

    name = type(layer).__name__
    is_convolution = "Conv" in name and not name.endswith("Cell") and not isinstance(layer, keras.Model)
    return is_convolution or name in _DENSE


def _macs(layer: Any, shape: Shape | None) -> int | None:
    """Multiply-accumulates of a call that is left out, 0 of a layer without one; None where they are not known."""
    if shape is None:
        return 0
    extents = [extent for extent in shape[1:] if extent is not None]
    if len(extents) < len(shape) - 1:
        return None
    name = type(layer).__name__
    if name == "Dense":
        return math.prod(extents) * int(layer.units)
    if name.startswith("Conv") and name.endswith("Transpose"):
        return math.prod(extents) * int(layer.filters) * math.prod(map(int, layer.kernel_size))
    return None


def _problem(layer: Any, shape: Shape | None) -> str | None:
    """Why a call of the layer is no convolution that can be measured, or None; without a shape it was not called."""
    name = type(layer).__name__
    if name in _DENSE:
        return NO_CONVOLUTION
    if name not in _KINDS or not type(layer).__module__.startswith("keras."):
        return next((why for part, why in _REASONS.items() if part in name), "a convolution of an unsupported kind")
    if layer.dtype_policy.name.removeprefix(MIXED_PREFIX) not in DTYPE_BYTES:
        return f"dtype {layer.dtype_policy.name}, which is not supported"
    if shape is None:
        return "not called in a pass of the model"
    if None in shape or shape[0] != 1:
        return f"its input {shape} is not one example of known extents"
    return None


def _convolutions(layer: Any, shape: Shape) -> Iterator[FoundConvolution]:
    """The convolutions of one call: one, or the two of which a separable one is made."""
    kind, rank = _KINDS[type(layer).__name__]
    first = layer.data_format == "channels_first"
    channels, size = (shape[1], shape[2:]) if first else (shape[-1], shape[1:-1])
    common = {
        **{"name": layer.name, "rank": rank, "data_format": layer.data_format, "dtype": layer.dtype_policy.name},
        **{"padding": layer.padding, "stride": list(layer.strides), "dilation": list(layer.dilation_rate)},
        **{"kernel_size": list(layer.kernel_size), "size": list(size), "bias": bool(layer.use_bias)},
    }
    if kind == "Conv":
        in_use = {"in_use": GROUPED} if layer.groups == channels != 1 else {}
        yield {**common, "groups": layer.groups, "channels": [channels, layer.filters], **in_use}
        return
    between = channels * layer.depth_multiplier
    in_use = {"in_use": DEPTHWISE} if channels != 1 else {}
    depthwise = {**common, "groups": channels, "channels": [channels, between], **in_use}
    if kind == "DepthwiseConv":
        yield depthwise
        return
    ones = [1] * rank
    yield {**depthwise, "name": f"{layer.name}{DEPTHWISE_PART}", "bias": False}
    yield {
        **common, "name": f"{layer.name}, pointwise", "groups": 1, "channels": [between, layer.filters],
        "kernel_size": ones, "stride": ones, "dilation": ones, "padding": "valid", "size": _output(common),
    }  # fmt: skip


def _output(convolution: FoundConvolution) -> list[int]:
    """Spatial extents behind a convolution."""
    axes = zip(*(convolution[name] for name in ("size", "kernel_size", "stride", "dilation")), strict=True)
    valid = convolution["padding"] == "valid"
    return [max(1, -(-(n - d * (k - 1) if valid else n) // s)) for n, k, s, d in axes]
