"""What the variants of a residual block share: their function, their pieces, and the layer that joins the pieces.

A block is y = relu(x + F(x)). Batch normalisation and ReLU follow every convolution of a path but its last, whose
normalisation comes after all paths are joined: so the three forms of Xie et al. (arXiv 1611.05431, figure 3) are one
function. Normalisation is of each channel alone, so that of a path is a part of that of all paths together.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, block_counts
from grouped_bench.variants.base import Variant, keras_convolution
from grouped_bench.variants.reference.block_functions import Block, moving_statistics, stage_case
from grouped_bench.variants.reference.convolution import Weights

# Trainable variables of a path up to its second ReLU: of two stages a kernel, a scale and an offset.
HIDDEN = 6


class BlockVariant(Variant):
    """One way to compute a block: `resnext` is that with C paths, `bottleneck` its dense twin of the same widths."""

    scope = "block"
    computes = "resnext"

    def groups(self, case: Case) -> int:
        """Groups of the middle convolution, were it one."""
        return 1 if self.computes == "bottleneck" else case.cardinality or 1

    def function(self, case: Case) -> Block:
        return Block(case, self.groups(case))

    def counts(self, case: Case) -> Counts:
        return block_counts(case, self.groups(case))


def convolution(case: Case, stage: str, *, channels: int, filters: int, groups: int = 1) -> Any:
    """Keras' convolution with the geometry of a stage, built.

    Args:
        case: of the block.
        stage: `reduce`, `middle` or `expand`.
        channels: input channels.
        filters: output channels.
        groups: of the convolution.
    """
    made = stage_case(case, stage, groups)
    return built(keras_convolution(made, filters=filters, groups=groups, bias=False), case, channels)


def normalisation(case: Case, stage: str, part: slice = slice(None)) -> Any:
    """Keras' batch normalisation of the channels `part` of `stage`, with their moving statistics, built."""
    import keras

    channels = case.out_channels if stage == "expand" else case.inner_channels
    mean, variance = (values[part] for values in moving_statistics(stage, channels))
    layer = keras.layers.BatchNormalization(
        axis=case.channel_axis,
        moving_mean_initializer=_initializer(mean),
        moving_variance_initializer=_initializer(variance),
        dtype=case.dtype,
    )
    return built(layer, case, len(mean))


def built(layer: Any, case: Case, channels: int) -> Any:
    """`layer` with its weights, for an input of `channels` channels."""
    layer.build(dataclasses.replace(case, in_channels=channels).input_shape)
    return layer


def _hidden_pieces(case: Case, reduce: Any, middle: Any, part: slice = slice(None)) -> list[Any]:
    """A path up to its second ReLU: both convolutions, each normalised over its channels `part` and rectified."""
    import keras

    return [
        *(reduce, normalisation(case, "reduce", part), keras.layers.ReLU(dtype=case.dtype)),
        *(middle, normalisation(case, "middle", part), keras.layers.ReLU(dtype=case.dtype)),
    ]


def joint_layer(case: Case, middle: Any) -> Any:
    """The block of one path as wide as all, around the given middle convolution."""
    outer, inner = case.in_channels, case.inner_channels
    reduce = convolution(case, "reduce", channels=outer, filters=inner)
    expand = convolution(case, "expand", channels=inner, filters=outer)
    closing = [expand, normalisation(case, "expand")]
    return block_layer(case, [_hidden_pieces(case, reduce, middle)], lambda outputs: outputs[0], closing)


def single_paths(case: Case) -> list[list[Any]]:
    """Each of the C paths of d channels up to its second ReLU."""
    width = case.width or 1
    return [
        _hidden_pieces(
            case,
            convolution(case, "reduce", channels=case.in_channels, filters=width),
            convolution(case, "middle", channels=width, filters=width),
            slice(start, start + width),
        )
        for start in range(0, case.inner_channels, width)
    ]


def block_layer(
    case: Case, paths: Sequence[Sequence[Any]], join: Callable[[list[Any]], Any], closing: Sequence[Any]
) -> Any:
    """A Keras layer of relu(x + closing(join(paths(x)))); its variables are those of each path, then of `closing`."""
    import keras

    class BlockLayer(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(dtype=case.dtype)
            self.pieces = [piece for path in (*paths, closing) for piece in path]  # whose variables are the block's

        def call(self, inputs: Any, training: bool | None = None) -> Any:
            joined = join([_run(path, inputs, training) for path in paths])
            return keras.ops.relu(inputs + _run(closing, joined, training))

    return BlockLayer()


def chain_layer(stages: Sequence[Case], convolve: Callable[[Case, Any, Any], Any]) -> Any:
    """A Keras layer of one convolution after the other, each of a kernel of its own, and of nothing else.

    Args:
        stages: the case of each, of one dtype.
        convolve: the output of a stage, from its case, its input and its kernel in the dtype of the arithmetic.
    """
    import keras

    class ChainLayer(keras.layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kernels = [
                self.add_weight(shape=stage.kernel_shape(stage.groups), name=f"kernel_{number}")
                for number, stage in enumerate(stages)
            ]

        def call(self, inputs: Any) -> Any:
            for stage, kernel in zip(stages, self.kernels, strict=True):
                inputs = convolve(stage, inputs, keras.ops.cast(kernel, self.compute_dtype))
            return inputs

    return ChainLayer(dtype=stages[0].dtype)


def hidden_to_paths(weights: Weights, case: Case) -> list[list[np.ndarray]]:
    """The weights of the stages before the last as those of each of the C paths, in the order of its variables."""
    hidden = [values for name, values in weights.items() if not name.startswith("expand")]
    parts = [np.split(values, case.cardinality or 1, axis=-1) for values in hidden]
    return [list(path) for path in zip(*parts, strict=True)]


def hidden_from_paths(paths: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """What `hidden_to_paths` made, undone."""
    return [np.concatenate(parts, axis=-1) for parts in zip(*paths, strict=True)]


def _run(pieces: Sequence[Any], values: Any, training: bool | None) -> Any:
    for piece in pieces:
        # Said to each: Keras' stateless_call does not hand it on.
        values = piece(values, training=training)
    return values


def _initializer(values: np.ndarray) -> Callable[..., Any]:
    def made(shape: Any, dtype: Any = None) -> Any:
        import keras

        return keras.ops.convert_to_tensor(values, dtype)

    return made
