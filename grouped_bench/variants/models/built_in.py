"""Keras' own layers in the place of its grouped convolutions, and back: a model of them loads wherever Keras is.

A grouped convolution becomes a depthwise one, where each group has one input channel; or a model of its own: parts of
the channels, each convolved and joined again, or a depthwise convolution whose outputs are summed. What they are called
tells what they stand for, also after the model was trained and saved by others.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from grouped_bench.backends.code import define
from grouped_bench.space.case import Case
from grouped_bench.space.choices import DEPTHWISE, MOST_BLOCKS, is_narrow
from grouped_bench.variants.models.replacing import define_fits, define_form_of, define_traits

SPLIT = "split_concat"
FORMS = (SPLIT, DEPTHWISE)
# Of the layers in a model for one layer.
_PART = "part"
_OF_KERNEL = ("kernel_initializer", "kernel_regularizer")


def has(name: str, case: Case) -> bool:
    """Whether Keras' own layers can compute a grouped convolution by the variant `name`."""
    if name == SPLIT:
        return case.groups <= MOST_BLOCKS
    # A bias would be added once for each channel of a group.
    is_summed = case.in_channels > case.groups
    fits = case.rank < 3 and case.padding != "causal" and len(set(case.stride)) == 1
    return name == DEPTHWISE and fits and is_narrow(case) and not (is_summed and case.bias)


def replacer(forms: Sequence[tuple[Any, ...]]) -> Callable[[Any], Any]:
    """A function that copies a Functional or Sequential model, its weights included, with convolutions in other forms.

    Args:
        forms: of each layer its traits, the size of its input, and the variant that computes it.
    """
    known = [(*traits, name, {}) for *traits, name in forms]
    form_of = define((define_traits, define_fits, define_form_of), FORMS=known)

    def clone(layer: Any) -> Any:
        found = form_of(layer)
        form = found[0] if found else None
        return _made(layer, form) if form in FORMS and _is_open_to(layer, form) else _same(layer)

    return lambda model: _copied(model, clone, to_keras=False)


def restored(model: Any) -> tuple[Any, int]:
    """A copy with Keras' grouped convolutions again, the weights that it has included; and how many changed.

    Raises ValueError where what is called so is another layer.
    """
    count = 0

    def clone(layer: Any) -> Any:
        nonlocal count
        if form_in(layer.name) is None:
            return _same(layer)
        count += 1
        return _original(layer)

    return _copied(model, clone, to_keras=True), count


def form_in(name: str) -> str | None:
    """The variant that the name of a layer says it is; None where it says none."""
    return next((form for form in FORMS if name.endswith(_suffix(form))), None)


def as_keras(layer: Any, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Values of the weights of a layer that `replacer` made, or their gradients, as those of Keras' layer.

    Args:
        layer: whose weights they are.
        values: in the order of `layer.weights`.
    """
    form, parts = form_in(layer.name), _parts(layer)
    known = {id(variable): value for variable, value in zip(layer.weights, values, strict=True)}
    kernels = [known[id(part.kernel)] for part in parts]
    biases = [known[id(part.bias)] for part in parts if part.use_bias]
    joined = np.concatenate(kernels, axis=-1) if form == SPLIT else _from_depthwise(kernels[0], _groups(layer))
    return [joined, np.concatenate(biases)] if biases else [joined]


def pairs(original: Any, copy: Any) -> list[tuple[Any, Any]]:
    """The layers of a model beside those of its copy; a model in it by its layers, unless it stands for one layer."""
    found = []
    for own, other in zip(original.layers, copy.layers, strict=True):
        both_are_models = hasattr(own, "layers") and hasattr(other, "layers")
        found += pairs(own, other) if both_are_models else [(own, other)]
    return found


def _copied(model: Any, clone: Callable[[Any], Any], *, to_keras: bool) -> Any:
    """A copy by `clone`, which makes a new layer for each layer that is no model of others; its weights too."""
    import keras

    def cloned(layer: Any) -> Any:
        return copied(layer) if is_of_layers(layer) and form_in(layer.name) is None else clone(layer)

    def called(layer: Any, *inputs: Any, **options: Any) -> Any:
        # Keras gives a model within another one a mask, which the layer in its place does not take.
        return layer(*inputs, **{name: value for name, value in options.items() if name != "mask" or value is not None})

    def copied(model: Any) -> Any:
        return uncompiled_clone(model, cloned, None if isinstance(model, keras.Sequential) else called)

    new = copied(model)
    own, other = (model, new) if not to_keras else (new, model)
    for one, form in pairs(own, other):
        source, target = (form, one) if to_keras else (one, form)
        weights = source.get_weights()
        if form_in(form.name) is not None:
            weights = as_keras(form, weights) if to_keras else _as_form(one, form, weights)
        target.set_weights(weights)
        if isinstance(target, keras.layers.Normalization):
            target.finalize_state()
    return new


def uncompiled_clone(
    model: Any, clone: Callable[[Any], Any] | None = None, call: Callable[..., Any] | None = None
) -> Any:
    """What `keras.models.clone_model` makes of a model, not compiled: a loss of one's own cannot be compiled anew."""
    import keras

    compiled, model.compiled = model.compiled, False
    try:
        return keras.models.clone_model(model, clone_function=clone, call_function=call)
    finally:
        model.compiled = compiled


def _is_open_to(layer: Any, form: str) -> bool:
    """Whether a form can be made of the layer: to sum over groups, the extents must be known."""
    if form == SPLIT or layer.kernel.shape[-2] == 1:
        return True
    try:
        return None not in layer.input.shape[1:]
    except (AttributeError, ValueError):  # never called by itself, or several times
        return False


def is_of_layers(layer: Any) -> bool:
    """Whether it is a Functional or Sequential model."""
    import keras

    return isinstance(layer, keras.Sequential) or type(layer).__name__ == "Functional"


def _same(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


def _suffix(form: str) -> str:
    return f"_by_{form}"


def _made(layer: Any, form: str) -> Any:
    """Keras' layers for a grouped convolution, which is not changed."""
    import keras

    name = f"{layer.name}{_suffix(form)}"
    if form == DEPTHWISE and layer.kernel.shape[-2] == 1:
        return _depthwise(layer, name, layer.activation, use_bias=layer.use_bias)
    axis, groups = (1 if layer.data_format == "channels_first" else layer.rank + 1), layer.groups
    shape = _input_shape(layer, axis, is_open=form == SPLIT)
    inputs = keras.Input(shape, dtype=layer.compute_dtype, name=f"{name}_input")
    if form == SPLIT:
        parts = keras.ops.split(inputs, groups, axis=axis)
        made = [_convolution(layer, f"{name}_{_PART}_{number}") for number in range(groups)]
        outputs = keras.ops.concatenate([one(part) for one, part in zip(made, parts, strict=True)], axis=axis)
    else:
        outputs = _summed(_depthwise(layer, f"{name}_{_PART}_0", None, use_bias=False)(inputs), layer, axis)
    if layer.activation is not keras.activations.linear:
        outputs = keras.layers.Activation(layer.activation, name=f"{name}_activation", dtype=layer.dtype_policy)(
            outputs
        )
    return keras.Model(inputs, outputs, name=name, trainable=layer.trainable)


def _input_shape(layer: Any, axis: int, *, is_open: bool) -> tuple[int | None, ...]:
    """Extents of a layer's input; all but its channels None where they are to be left open."""
    if not is_open:
        return tuple(layer.input.shape[1:])
    shape: list[int | None] = [None] * (layer.rank + 1)
    shape[axis - 1] = layer.groups * layer.kernel.shape[-2]
    return tuple(shape)


def _convolution(layer: Any, name: str) -> Any:
    config = {**layer.get_config(), "name": name, "filters": layer.filters // layer.groups, "groups": 1}
    return type(layer).from_config({**config, "activation": "linear"})


def _depthwise(layer: Any, name: str, activation: Any, *, use_bias: bool) -> Any:
    import keras

    kind = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)[layer.rank - 1]
    config = layer.get_config()
    return kind(
        layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        depth_multiplier=layer.filters // layer.groups,
        data_format=layer.data_format,
        dilation_rate=layer.dilation_rate,
        activation=activation,
        use_bias=use_bias,
        depthwise_initializer=config["kernel_initializer"],
        depthwise_regularizer=config["kernel_regularizer"],
        bias_initializer=config["bias_initializer"],
        bias_regularizer=config["bias_regularizer"],
        trainable=layer.trainable,
        dtype=layer.dtype_policy,
        name=name,
    )


def _summed(outputs: Any, layer: Any, axis: int) -> Any:
    """The outputs of a depthwise convolution, added up over the channels of each group."""
    import keras

    width, each = layer.kernel.shape[-2], layer.filters // layer.groups
    shape = keras.ops.shape(outputs)
    before, after = shape[1:axis], shape[axis + 1 :]
    parts = keras.ops.reshape(outputs, (-1, *before, layer.groups, width, each, *after))
    return keras.ops.reshape(keras.ops.sum(parts, axis=axis + 1), (-1, *before, layer.filters, *after))


def _original(layer: Any) -> Any:
    """Keras' grouped convolution for what stands for it, not built."""
    import keras

    form, parts = form_in(layer.name), _parts(layer)
    assert form is not None, "only what has another form is asked"
    first, groups = parts[0], _groups(layer)
    config = first.get_config()
    if form == DEPTHWISE:
        config |= {name: config[name.replace("kernel", "depthwise")] for name in _OF_KERNEL}
    filters = first.filters * groups if form == SPLIT else first.depth_multiplier * groups
    activation = next((one.activation for one in getattr(layer, "layers", ()) if _is_activation(one)), first.activation)
    kind = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)[first.rank - 1]
    names = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "use_bias", "bias_initializer")
    taken = {name: config[name] for name in (*names, "bias_regularizer", *_OF_KERNEL, "dtype")}
    return kind.from_config(
        {
            **taken,
            "filters": filters,
            "groups": groups,
            "activation": keras.activations.serialize(activation),
            "trainable": first.trainable,
            "name": layer.name.removesuffix(_suffix(form)),
        }
    )


def _is_activation(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.Activation)


def _parts(layer: Any) -> list[Any]:
    """The layers that have the weights, in the order of the groups."""
    if not hasattr(layer, "layers"):
        return [layer]
    found = [one for one in layer.layers if one.name.startswith(f"{layer.name}_{_PART}_")]
    if not found:
        raise ValueError(f"{layer.name} is called as grouped-bench calls its layers, and is none")
    return sorted(found, key=lambda one: int(one.name.rpartition("_")[2]))


def _groups(layer: Any) -> int:
    """Groups of the convolution that a layer stands for."""
    parts = _parts(layer)
    if form_in(layer.name) == SPLIT:
        return len(parts)
    if not hasattr(layer, "layers"):
        return int(parts[0].kernel.shape[-2])
    axis = 1 if parts[0].data_format == "channels_first" else -1
    return int(layer.output_shape[axis] // parts[0].depth_multiplier)


def _as_form(layer: Any, form: Any, weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Weights of Keras' layer as those of what stands for it."""
    kernel, *bias = weights
    parts, known = _parts(form), {}
    if form_in(form.name) == SPLIT:
        kernels = np.split(kernel, len(parts), axis=-1)
        biases = [np.split(one, len(parts)) for one in bias]
    else:
        kernels, biases = [_to_depthwise(kernel, layer.groups)], [[one] for one in bias]
    for number, part in enumerate(parts):
        known[id(part.kernel)] = kernels[number]
        known |= {id(part.bias): one[number] for one in biases}
    return [known[id(variable)] for variable in form.weights]


def _to_depthwise(kernel: np.ndarray, groups: int) -> np.ndarray:
    """A kernel (*k, Cin/G, Cout) as (*k, Cin, Cout/G)."""
    *size, width, filters = kernel.shape
    parts = kernel.reshape(*size, width, groups, filters // groups)
    return np.swapaxes(parts, -3, -2).reshape(*size, groups * width, filters // groups)


def _from_depthwise(kernel: np.ndarray, groups: int) -> np.ndarray:
    *size, channels, each = kernel.shape
    parts = kernel.reshape(*size, groups, channels // groups, each)
    return np.swapaxes(parts, -3, -2).reshape(*size, channels // groups, groups * each)
