"""Copies of a network with other layers: made, given the state of the original, and saved."""

import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from grouped_bench.backends.code import define
from grouped_bench.measure.attempt import reason_of
from grouped_bench.space.facts import Json
from grouped_bench.variants.models import built_in, folding
from grouped_bench.variants.models.replacing import define_traits

LAYERS = "grouped_layers"


def fold(file: str, path: str) -> Json:
    """Save a model with its folds as grouped layers, if it has any: of each `name`, `traits` and the input's `size`."""
    import keras

    model = keras.models.load_model(file, compile=False)
    names = {one.name for one in folding.folds(model)}
    if not names:
        return {"folds": []}
    whole = folding.folded(model)
    whole.save(path)
    traits = define((define_traits,))
    made = [layer for layer in whole._flatten_layers() if layer.name in names]
    return {"folds": [{"name": one.name, "traits": traits(one), "size": _extents(one)} for one in made]}


def _extents(layer: Any) -> list[int | None]:
    shape = layer.input.shape
    return list(shape[2:] if layer.data_format == "channels_first" else shape[1:-1])


def convert(file: str, making: str, folds: Sequence[str], path: str) -> Json:
    """Save the copy, compiled and with the state of the optimizer as far as the original's file has them.

    Returns `uncompiled`: why the copy is not compiled although the original was, None where it is like it; and
    `has_state`: whether it has the state of the original's optimizer, if there is one.
    """
    return _saved_like(file, lambda model: replaced(model, making, folds), path)


def restore(file: str, path: str) -> Json:
    """Save a model of `built_in` layers with Keras' grouped convolutions again: the same as `convert`, and `count`."""
    counts: list[int] = []

    def made(model: Any) -> Any:
        copy, count = built_in.restored(model)
        counts.append(count)
        return copy

    return {**_saved_like(file, made, path), "count": counts[-1]}


def _saved_like(file: str, make: Callable[[Any], Any], path: str) -> Json:
    import keras

    why, has_state = None, True
    try:
        original = keras.models.load_model(file)
        made = make(original)
        has_state = compile_like(original, made)
    except Exception as problem:  # a loss or metric of one's own is not in the file
        why = reason_of(problem)
        made = make(keras.models.load_model(file, compile=False))
    made.save(path)
    return {"uncompiled": why, "has_state": has_state}


def replaced(model: Any, making: str, folds: Sequence[str] = ()) -> Any:
    """A copy of a Functional or Sequential model by the module `making`, `folds` folded before; its weights too."""
    module = types.ModuleType(LAYERS)
    sys.modules[LAYERS] = module
    exec(compile(making, f"{LAYERS}.py", "exec"), vars(module))
    return module.replace_layers(folding.folded(model, folds) if folds else model)


def unchanged(model: Any) -> Any:
    """A copy of a Functional or Sequential model, with its weights, that is not compiled."""
    copy = built_in.uncompiled_clone(model)
    same_state(model, copy)
    return copy


def compile_like(original: Any, copy: Any) -> bool:
    """Compile `copy` as `original` was, and give it the state of its optimizer; whether that is possible.

    To other weights belongs another state.
    """
    config = original.get_compile_config() if getattr(original, "compiled", False) else None
    if not config:
        return True
    copy.compile_from_config(config)
    ours, theirs = original.optimizer, copy.optimizer
    if ours is None or not ours.built:
        return True
    theirs.build(copy.trainable_variables)
    fits = [one.shape for one in ours.variables] == [one.shape for one in theirs.variables]
    if fits:
        _assign(theirs.variables, ours.variables)
    return fits


def same_state(original: Any, *others: Any) -> None:
    """Give every variable of the others the value that it has in the original: weights, averages, seeds.

    A layer in the form of Keras' own ones has other weights, which are those that it was made with.
    """
    import keras

    for other in others:
        for own, layer in built_in.pairs(original, other):
            if built_in.form_in(layer.name) is None:
                _assign(layer.variables, own.variables)
        for layer in other._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()


def _assign(variables: Sequence[Any], sources: Sequence[Any]) -> None:
    """Give each variable the value of its source, as an array of its own: a step of JAX's takes those that it has."""
    import keras

    for variable, source in zip(variables, sources, strict=True):
        variable.assign(keras.ops.convert_to_numpy(source))


def in_float64(model: Any) -> Any:
    """A copy that computes in float64."""
    import keras

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):  # and no bare operation
            config["dtype"] = "float64"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone, recursive=True)
