"""`channel_shuffle`: the framework's grouped convolution, its channels then dealt out over the groups."""

from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.variants.base import Variant, grouped_layer, variant
from grouped_bench.variants.palette import GREY
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.functions import Convolution


class ShuffledConvolution(Convolution):
    """The grouped convolution with its output channels in another order: channel i of group g comes at i·G + g."""

    @property
    def key(self) -> str:
        return f"shuffled {super().key}"

    def errors(
        self,
        x: np.ndarray,
        upstream: np.ndarray | None,
        weights: Weights,
        outputs: dict[str, np.ndarray],
        rng: np.random.Generator,
    ) -> dict[str, float]:
        """The errors of the grouped convolution, after the channels of `outputs` and `upstream` are unshuffled.

        `x`, `weights` and `rng` are passed on.
        """
        own = {**outputs, "output": self._unshuffled(outputs["output"])}
        return super().errors(x, None if upstream is None else self._unshuffled(upstream), weights, own, rng)

    def _unshuffled(self, images: np.ndarray) -> np.ndarray:
        """`images`, channels last, with the channels of each group together again."""
        dealt = images.reshape(*images.shape[:-1], -1, self.groups)
        return np.swapaxes(dealt, -1, -2).reshape(images.shape)


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
