"""Functions of the module that `advise --code` prints: they put its layers in the place of Keras' own.

`grouped_bench.backends.code` says what a definition is. `FORMS` holds for each case the traits and the size of its
layer, the class that takes its place, and the arguments that this class has besides those of Keras' layer.
"""

from typing import Any

from grouped_bench.backends.code import Code


def define_traits() -> Any:
    """`traits`."""
    import keras

    def traits(layer):
        """What FORMS knows a layer by; None for a layer that must stay."""
        kinds = keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D
        alone = keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D
        if type(layer) not in (*kinds, *alone) or not layer.built:
            return None
        names = "kernel_constraint", "depthwise_constraint", "bias_constraint"
        rules = (getattr(layer, n, None) for n in ("activity_regularizer", *names))
        if any(rule is not None for rule in rules):
            return None  # some classes would apply them to parts
        *_, width, filters = layer.kernel.shape
        if is_alone := type(layer) in alone:
            width, groups, filters = 1, width, width * filters
        else:
            groups = layer.groups
        return {
            **({"depthwise": True} if is_alone else {}),
            "channels": (groups * width, filters),
            "groups": groups,
            "kernel_size": layer.kernel_size,
            "strides": layer.strides,
            "dilation_rate": layer.dilation_rate,
            "padding": layer.padding,
            "use_bias": layer.use_bias,
            "data_format": layer.data_format,
            "dtype": layer.dtype_policy.name,
        }

    return traits


def define_fits() -> Any:
    """`fits`."""

    def fits(layer, size):
        """Whether the layer's input has these extents or leaves them open."""
        try:
            shape = layer.input.shape
        except (AttributeError, ValueError):  # never called by itself
            return True
        first = layer.data_format == "channels_first"
        extents = shape[2:] if first else shape[1:-1]
        pairs = zip(extents, size, strict=True)
        return all(extent in (None, known) for extent, known in pairs)

    return fits


def define_form_of(FORMS: Any, traits: Any, fits: Any) -> Any:
    """`form_of`."""

    def form_of(layer):
        """The class for the layer's place and its own arguments, or None."""
        found = traits(layer)
        for wanted, size, replacement, arguments in FORMS:
            if found == wanted and fits(layer, size):
                return replacement, arguments
        return None

    return form_of


def define_clone_function(form_of: Any) -> Any:
    """`clone_function`."""

    def clone_function(layer):
        """A new layer for the layer's place, for keras.models.clone_model."""
        replacement, arguments = form_of(layer) or (type(layer), {})
        return replacement.from_config({**layer.get_config(), **arguments})

    return clone_function


def define_convert_weights() -> Any:
    """`convert_weights`."""

    def convert_weights(old, new):
        """The weights of a layer as set_weights of the new one takes them."""
        weights = old.get_weights()
        own = getattr(new, "convert_weights", None)
        return own(weights) if own else weights

    return convert_weights


def define_replace_layers(traits: Any, clone_function: Any, convert_weights: Any) -> Any:
    """`replace_layers`."""
    import keras

    def replace_layers(model):
        """A copy of a Functional or Sequential model, its weights included.

        The layers that FORMS knows are replaced, those of models in it too.
        Compile the copy anew. ValueError where the model has no such layer.
        """
        pairs, compiled = [], model.compiled

        def clone(layer):
            copy = clone_function(layer)
            if isinstance(layer, keras.layers.Layer):  # and no bare operation
                pairs.append((layer, copy))
            return copy

        options = {"clone_function": clone, "recursive": True}
        model.compiled = False  # a loss of one's own cannot be compiled anew
        try:
            new = keras.models.clone_model(model, **options)
        finally:
            model.compiled = compiled
        if all(type(old) is type(copy) for old, copy in pairs):
            others = [traits(old) for old, _ in pairs if traits(old)]
            raise ValueError(f"No layer is in FORMS. Those of the model: {others}")
        for old, copy in pairs:
            copy.set_weights(convert_weights(old, copy))
            if isinstance(copy, keras.layers.Normalization):
                copy.finalize_state()
        return new

    return replace_layers


REPLACING: Code = (
    *(define_traits, define_fits, define_form_of, define_clone_function),
    *(define_convert_weights, define_replace_layers),
)
