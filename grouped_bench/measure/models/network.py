"""The child process that reads a network: the convolutions that one pass through a Keras model makes.

Run as `python -m grouped_bench.measure.models.network`, with KERAS_BACKEND set. Takes a request as JSON on its input,
`{"file": PATH}` or `{"name": NAME}` of keras.applications and `"input_shape": [...]` or null, and answers on its
output with `{"convolutions": [...], "left_out": [...]}` or `{"refused": {"rule", "received", "remedy"}}`. Nothing is
computed and no weight is made: the model is built and traced without values.
"""

import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grouped_bench.measure.attempt import reason_of
from grouped_bench.space.case import DTYPE_BYTES, MIXED_PREFIX
from grouped_bench.space.choices import DEPTHWISE
from grouped_bench.space.facts import Json

# Ends the name of the depthwise convolution in a separable layer.
DEPTHWISE_PART = ", depthwise"
LARGEST_CONFIG = 64 * 2**20
CONFIG = "config.json"
_KINDS = {f"{kind}{rank}D": (kind, rank) for kind in ("Conv", "DepthwiseConv", "SeparableConv") for rank in (1, 2, 3)}
_REASONS = {
    "Transpose": "a transposed convolution, which has no groups in Keras",
    "LSTM": "a recurrent convolution",
}
# Keras has two layers whose channels are convolved alone, so the one in use is named: this variant, or DEPTHWISE.
_GROUPED = "grouped"
FoundConvolution = dict[str, Any]
Shape = tuple[int | None, ...]


class RefusedError(Exception):
    """Why no convolutions were found, as rule, value received and remedy."""

    def __init__(self, rule: str, received: object, remedy: str) -> None:
        super().__init__(rule)
        self.told = {"rule": rule, "received": str(received), "remedy": remedy}


def main() -> None:
    """Answer the one request."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what frameworks print is no answer
    request = json.load(sys.stdin)
    try:
        told = _read(request)
    except RefusedError as refused:
        told = {"refused": refused.told}
    json.dump(told, answer)
    answer.close()
    os._exit(0)  # frameworks' own threads may hang an ordinary exit


def _read(request: Json) -> Json:
    import keras

    with keras.StatelessScope(initialize_variables=False):
        shape = request["input_shape"] and tuple(request["input_shape"])
        model = _of_file(request["file"]) if "file" in request else _of_name(request["name"], shape)
        return _traced(model, inputs_of(model, shape))


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


def _of_file(path: str) -> Any:
    """The model in a .keras file, without its weights and without anything that could run code of its own."""
    import keras

    config = _config(path)
    config.pop("compile_config", None)
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as problem:  # whatever a stranger's layers raise, the file is what is wrong
        raise RefusedError(
            "A model must consist of Keras' own layers, without Lambda layers and custom objects",
            f"{Path(path).name} ({_one_line(problem)})",
            "Save it without them, or write its convolutions as a TOML space",
        ) from None
    if not isinstance(model, keras.Model):
        raise RefusedError("A .keras file must contain a model", type(model).__name__, "Name the file of a model")
    return model


def _config(path: str) -> Json:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(CONFIG) as file:
            text = file.read(LARGEST_CONFIG + 1)  # not more: a few bytes may unpack to any number
        config = json.loads(text) if len(text) <= LARGEST_CONFIG else None
    # Encrypted members, unknown compressions, damaged streams and deep nesting each raise another kind.
    except Exception as problem:
        raise _no_model(path, _one_line(problem)) from None
    if not isinstance(config, dict):
        raise _no_model(path, f"{CONFIG} of more than {LARGEST_CONFIG // 2**20} MiB, or no table")
    return config


def _no_model(path: str, problem: str) -> RefusedError:
    return RefusedError(
        "A model must be a file that model.save() wrote as .keras",
        f"{Path(path).name} ({problem})",
        "Save the model as .keras with Keras 3",
    )


def _of_name(name: str, shape: tuple[int, ...] | None) -> Any:
    """The architecture of keras.applications, without weights: nothing is downloaded."""
    import keras

    known = sorted(n for n, value in vars(keras.applications).items() if n[0].isupper() and callable(value))
    if name not in known:
        raise RefusedError("A network must be one of keras.applications", name, f"Use one of {', '.join(known)}")
    try:
        return getattr(keras.applications, name)(weights=None, **({"input_shape": shape} if shape else {}))
    except ValueError as problem:
        raise _no_shape(_one_line(problem)) from None


def _build(model: Any, shape: tuple[int, ...] | None) -> None:
    """Give a model that was saved without an input its shape."""
    if shape is None:
        raise _no_shape("a model without an input shape")
    try:
        model.build((None, *shape))
    except Exception as problem:  # its layers', whatever they are
        raise _no_shape(reason_of(problem)) from None
    if not getattr(model, "inputs", None):
        raise _no_shape("a model without an input")


def _input(tensor: Any, shape: tuple[int, ...] | None, inputs: int) -> Any:
    """The model's input for one example, with the extents that it leaves open taken from `shape`."""
    import keras

    own = tuple(tensor.shape[1:])
    if shape is not None and inputs > 1:
        raise _no_shape(f"a model with {inputs} inputs")
    wanted = own if shape is None else shape
    fits = len(own) == len(wanted) and all(a in (None, b) for a, b in zip(own, wanted, strict=True))
    if not fits or None in wanted:
        asked = "no --input-shape" if shape is None else f"--input-shape {','.join(map(str, shape))}"
        raise _no_shape(f"{asked} for a model that takes {own}")
    return keras.KerasTensor((1, *wanted), dtype=tensor.dtype)


def _no_shape(received: str) -> RefusedError:
    return RefusedError(
        "An input shape must give every extent of the model's one input, without the batch", received,
        "Give it like --input-shape 224,224,3",
    )  # fmt: skip


def _traced(model: Any, inputs: list[Any]) -> Json:
    """The convolutions of one pass, in the order of their calls."""
    found = [(layer, tuple(first.shape)) for layer, first in calls_in(model, inputs, _is_convolution)]
    called = {id(layer) for layer, _ in found}
    known = list(model._flatten_layers(include_self=False))
    uncalled = [(layer, None) for layer in known if _is_convolution(layer) and id(layer) not in called]
    repeated = {id(layer) for wrapper in known for layer in _repeated(wrapper)}
    convolutions: list[FoundConvolution] = []
    left_out = []
    for layer, shape in [*found, *uncalled]:
        why = "called once for every step of a sequence" if id(layer) in repeated else _problem(layer, shape)
        if why:
            left_out.append({"name": layer.name, "kind": type(layer).__name__, "reason": why})
        elif shape is not None:
            convolutions += _convolutions(layer, shape)
    return {"convolutions": convolutions, "left_out": left_out}


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

    def call(layer: Any, *positional: Any, **named: Any) -> Any:
        if is_wanted(layer):
            found.append((layer, positional[0] if positional else next(iter(named.values()), None)))
        return once(layer, *positional, **named)

    class Pass(keras.layers.Layer):  # type: ignore[misc]
        """Has Keras trace the whole model, where what it knows of it beforehand would do for its own layer."""

        def call(self, *tensors: Any) -> Any:
            found.clear()  # a backend may trace twice
            return model(list(tensors) if len(tensors) > 1 else tensors[0])

    keras.layers.Layer.__call__ = call
    try:
        Pass()(*inputs)
    except Exception as problem:  # a layer's, whatever it is
        raise _no_shape(reason_of(problem)) from None
    finally:
        keras.layers.Layer.__call__ = once
    return found


def _repeated(wrapper: Any) -> list[Any]:
    """Layers inside `wrapper`, where it calls them once for every step of a sequence."""
    import keras

    return wrapper._flatten_layers(include_self=False) if isinstance(wrapper, keras.layers.TimeDistributed) else []


def _is_convolution(layer: Any) -> bool:
    """Whether the layer is one, by its name: also one that is not known here, so that it is reported."""
    import keras

    name = type(layer).__name__
    return "Conv" in name and not name.endswith("Cell") and not isinstance(layer, keras.Model)


def _problem(layer: Any, shape: Shape | None) -> str | None:
    """Why a call of the layer is no convolution that can be measured, or None; without a shape it was not called."""
    name = type(layer).__name__
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
        in_use = {"in_use": _GROUPED} if layer.groups == channels != 1 else {}
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


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:300] or type(problem).__name__


if __name__ == "__main__":
    main()
