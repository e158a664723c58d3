"""`resnext_sum`: paths of their own, each back to all channels, summed."""

import functools
import operator
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
from grouped_bench.variants.palette import BLUE
from grouped_bench.variants.reference.convolution import Weights


@variant
class ResNeXtSum(BlockVariant):
    """Figure 3(a) of Xie et al.: split, transform, sum. The last normalisation comes after the sum."""

    name = "resnext_sum"
    summary = "ResNeXt's form (a): paths of 1x1, kxk and 1x1, summed"
    gloss = "three convolutions per path, summed"
    colour, marker = BLUE, "d"

    def layer(self, case: Case, backend: Backend) -> Any:
        paths = [
            [*hidden, convolution(case, "expand", channels=case.width or 1, filters=case.out_channels)]
            for hidden in single_paths(case)
        ]

        def join(outputs: list[Any]) -> Any:
            return functools.reduce(operator.add, outputs)

        return block_layer(case, paths, join, [normalisation(case, "expand")])

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        expands = np.split(weights["expand kernel"], case.cardinality or 1, axis=-2)
        paths = zip(hidden_to_paths(weights, case), expands, strict=True)
        of_paths = [values for hidden, expand in paths for values in (*hidden, expand)]
        return [*of_paths, weights["expand scale"], weights["expand offset"]]

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        of_paths, normalised = values[:-2], values[-2:]
        length = HIDDEN + 1
        hidden = [of_paths[start : start + HIDDEN] for start in range(0, len(of_paths), length)]
        expand = np.concatenate(of_paths[HIDDEN::length], axis=-2)
        every = [*hidden_from_paths(hidden), expand, *normalised]
        return dict(zip(self.function(case).shapes(), every, strict=True))
