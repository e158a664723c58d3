"""A pass as TensorFlow runs it: traced or not, and again on copies of its operands."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from grouped_bench.backends.base import Operands, Step, Tensor, TensorFunction


def weights_of(layer: Any) -> tuple[Tensor, ...]:
    """What the layer's trainable variables hold, in their order."""
    return tuple(variable.value for variable in layer.trainable_variables)


def beside(weights: Sequence[Tensor], copy: Operands) -> Operands:
    """`copy` with each weight on the device of the layer's own, where a layer spreads them."""
    import tensorflow as tf

    def moved(weight: Tensor, own: Tensor) -> Tensor:
        if weight.device == own.device:
            return weight
        with tf.device(own.device):
            return tf.Variable(weight)

    return dataclasses.replace(copy, weights=tuple(map(moved, copy.weights, weights)))


def pass_of(layer: Any, operands: Operands) -> TensorFunction:
    """A function of the input and, for training, the upstream gradient, with gradients by `operands.weights`."""
    import tensorflow as tf

    weights = operands.weights

    def inference(x: Tensor) -> tuple[Tensor, ...]:
        return (layer(x),)

    def training(x: Tensor, dy: Tensor) -> tuple[Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return (y, *tape.gradient(y, [x, *weights], output_gradients=dy))

    return inference if operands.upstream is None else training


def compiled(function: TensorFunction, execution: str) -> TensorFunction:
    """The function as the execution has it: traced, compiled by XLA, or as it is."""
    import tensorflow as tf

    if execution == "eager":
        return function
    compiled: TensorFunction = tf.function(function, autograph=False, jit_compile=execution == "xla")
    return compiled


def recaptured(function: Any, own: Operands, copies: Sequence[Operands]) -> list[Step]:
    """Steps of a traced function, with the variables that it captured exchanged for those of each copy.

    Weights as arguments would cost some 10 µs each in every call, which captured ones do not: a split into 32 would
    look slower than it is.

    Args:
        function: a `tf.function`.
        own: what it was made for: the layer's weights, an input and, for training, an upstream gradient.
        copies: what each step reads.
    """
    concrete = function.get_concrete_function(*own.arguments())
    captured = concrete.captured_inputs
    places = {id(weight.handle): place for place, weight in enumerate(own.weights)}

    def step(captures: list[Tensor], arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        concrete.set_external_captures(captures)
        outputs: tuple[Tensor, ...] = function(*arguments)
        return outputs

    def captures(copy: Operands) -> list[Tensor]:
        return [copy.weights[places[id(c)]].handle if id(c) in places else c for c in captured]

    return [functools.partial(step, captures(copy), copy.arguments()) for copy in copies]


def stateless(layer: Any, copy: Operands) -> Step:
    """An eager step in which Keras takes the copy's weights for the layer's.

    Not `stateless_call`, which calls the layer without Keras' casts of inputs and weights.
    """
    import keras

    function, arguments = pass_of(layer, copy), copy.arguments()

    def step() -> tuple[Tensor, ...]:
        with keras.StatelessScope(zip(layer.trainable_variables, copy.weights, strict=True)):
            return function(*arguments)

    return step
