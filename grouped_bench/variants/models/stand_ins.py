"""Decorators of the layers that stand in for Keras' own in a saved model, and what they do where a machine refuses.

`grouped_bench.backends.code` says what a definition is.
"""

from typing import Any

from grouped_bench.backends.code import Code


def define_keras_kind() -> Any:
    """`keras_kind`."""

    def keras_kind(layer):
        """The class of Keras' that a class derives from."""
        return next(c for c in layer.__mro__ if c.__module__[:6] == "keras.")

    return keras_kind


def define_stand_in(keras_kind: Any) -> Any:
    """`stand_in`."""
    import keras

    def stand_in(layer):
        """Register a class; weights files call its layers as Keras calls its own."""
        own = keras_kind(layer).__name__
        name = f"{layer.__name__}{own.removeprefix('Conv')}"
        layer.__name__ = own
        return keras.saving.register_keras_serializable("grouped_layers", name)(layer)

    return stand_in


def define_refusal() -> Any:
    """`refusal`, on TensorFlow."""
    import tensorflow as tf

    def refusal(layer, convolve, training):
        """What refuses to convolve the least input, with gradients for training."""
        is_depthwise = hasattr(layer, "depth_multiplier")
        width = 1 if is_depthwise else layer.kernel.shape[-2]
        pairs = zip(layer.kernel_size, layer.dilation_rate, strict=True)
        extents = [d * (k - 1) + 1 for k, d in pairs]
        place = 0 if layer.data_format == "channels_first" else layer.rank
        extents.insert(place, layer.groups * width)
        x = tf.zeros([1, *extents], layer.compute_dtype)
        shape = (*layer.kernel_size, width, layer.filters)
        kernel = tf.zeros(shape, layer.compute_dtype)
        try:
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                outputs = convolve(x, kernel)
            if training:
                tape.gradient(outputs, [x, kernel])
        except (tf.errors.OpError, NotImplementedError) as problem:
            return problem

    return refusal


def define_guarded(keras_kind: Any, refusal: Any) -> Any:
    """`guarded`, on TensorFlow, which refuses on some processors what it computes on others."""
    import warnings
    from concurrent.futures import ThreadPoolExecutor

    def guarded(layer):
        """Have Keras' own convolution compute what this machine refuses."""
        fast, own = layer.call, keras_kind(layer).call

        def call(self, inputs, training=None):
            tried = vars(self).setdefault("_tried", {})
            if training not in tried:
                # A thread of its own traces nothing, whatever is traced here.
                with ThreadPoolExecutor(1) as fresh:
                    asked = self, self.convolve, training
                    problem = fresh.submit(refusal, *asked).result()
                if problem:
                    why = f"{self.name}: Keras' own convolution, since {problem}"
                    warnings.warn(why, stacklevel=2)
                tried[training] = own if problem else fast
            return tried[training](self, inputs)

        layer.call = call
        return layer

    return guarded


STAND_IN: Code = (define_keras_kind, define_stand_in)
# Where a backend refuses on one machine what it computes on another.
GUARDED: Code = (define_keras_kind, define_refusal, define_guarded)
