"""`resnext_concat`: paths of their own, concatenated before the closing convolution."""

from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.block import (
    HIDDEN,
    BlockVariant,
    block_layer,
    convolution,
    hidden_from_paths,
    hidden_to_paths,
    normalisation,
    single_paths,
)
from grouped_bench.variants.palette import PURPLE
from grouped_bench.variants.reference.block_functions import KINDS
from grouped_bench.variants.reference.convolution import Weights


@variant
class ResNeXtConcat(BlockVariant):
    """Figure 3(b) of Xie et al.: split, transform, concatenate, and a convolution that restores the channels."""

    name = "resnext_concat"
    summary = "ResNeXt's form (b): paths of 1x1 and kxk, concatenated, 1x1"
    gloss = "two convolutions per path, concatenated"
    colour, marker = PURPLE, "<"

    def layer(self, case: Case, backend: Backend) -> Any:
        import keras

        expand = convolution(case, "expand", channels=case.inner_channels, filters=case.out_channels)

        def join(outputs: list[Any]) -> Any:
            return keras.ops.concatenate(outputs, axis=case.channel_axis)

        return block_layer(case, single_paths(case), join, [expand, normalisation(case, "expand")])

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        hidden = [values for path in hidden_to_paths(weights, case) for values in path]
        return [*hidden, *(weights[f"expand {kind}"] for kind in KINDS)]

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        hidden, expand = values[: -len(KINDS)], values[-len(KINDS) :]
        paths = [hidden[start : start + HIDDEN] for start in range(0, len(hidden), HIDDEN)]
        return dict(zip(self.function(case).shapes(), [*hidden_from_paths(paths), *expand], strict=True))
