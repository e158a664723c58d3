"""`channel_shuffle`: the framework's grouped convolution, its channels then dealt out over the groups."""

from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.variants.base import Variant, grouped_layer, variant
from grouped_bench.variants.palette import GREY
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.functions import Convolution, Held
from grouped_bench.variants.reference.projections import Deviations


class ShuffledConvolution(Convolution):
    """The grouped convolution with its output channels in another order: channel i of group g comes at i·G + g."""

    @property
    def key(self) -> str:
        return f"shuffled {super().key}"

    def held(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights, rng: np.random.Generator) -> Held:
        """As the grouped convolution by `x`, `weights` and `rng`, once the channels of `upstream` are unshuffled."""
        together = None if upstream is None else self.unshuffled(upstream)
        return _HeldShuffled(self, super().held(x, together, weights, rng))

    def unshuffled(self, images: np.ndarray) -> np.ndarray:
        """`images`, channels last, with the channels of each group together again."""
        dealt = images.reshape(*images.shape[:-1], -1, self.groups)
        return np.swapaxes(dealt, -1, -2).reshape(images.shape)


class _HeldShuffled(Held):
    """The grouped convolution is held, once the channels of the output are unshuffled."""

    def __init__(self, function: ShuffledConvolution, grouped: Held) -> None:
        self._function, self._grouped = function, grouped

    def errors(self, outputs: dict[str, np.ndarray]) -> dict[str, float]:
        return self._grouped.errors(self._together(outputs))

    def deviations(self, outputs: dict[str, np.ndarray]) -> dict[str, Deviations]:
        return self._grouped.deviations(self._together(outputs))

    def _together(self, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {**outputs, "output": self._function.unshuffled(outputs["output"])}


@variant
class ChannelShuffle(Variant):
    """ShuffleNet's unit of work (Zhang et al. 2018, arXiv 1707.01083): the next layer's groups see every group."""

    name = "channel_shuffle"
    summary = "the framework's grouped convolution, then ShuffleNet's channel shuffle"
    computes = "channel_shuffle"
    colour, marker = GREY, "p"

    def function(self, case: Case) -> ShuffledConvolution:
        return ShuffledConvolution(case, case.groups)

    def counts(self, case: Case) -> Counts:
        return convolution_counts(case, case.groups)

    def layer(self, case: Case, backend: Backend) -> Any:
        import keras

        class ChannelShuffleLayer(keras.layers.Layer):
            def build(self, input_shape: Any) -> None:
                self.convolution = grouped_layer(case, lambda x, kernel: backend.convolution(x, kernel, case))
                self.convolution.build(input_shape)

            def call(self, inputs: Any) -> Any:
                return shuffled(self.convolution(inputs), case)

        return ChannelShuffleLayer(dtype=case.dtype)


def shuffled(images: Any, case: Case) -> Any:
    """`images`, in the case's data format, with channel i of group g at i·G + g."""
    import keras

    axis, width = case.channel_axis, case.out_channels // case.groups
    before, after = case.output_size[: axis - 1], case.output_size[axis - 1 :]
    parts = keras.ops.reshape(images, (-1, *before, case.groups, width, *after))
    return keras.ops.reshape(keras.ops.swapaxes(parts, axis, axis + 1), (-1, *case.output_shape[1:]))
