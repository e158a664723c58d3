"""`resnext_grouped`: all paths as one, with Keras' own `groups=` in the middle."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.block import BlockVariant, convolution, joint_layer
from grouped_bench.variants.palette import VERMILION


@variant
class ResNeXtGrouped(BlockVariant):
    """Figure 3(c) of Xie et al., as a user writes it."""

    name = "resnext_grouped"
    summary = "ResNeXt's form (c): 1x1, kxk with groups=C, 1x1"
    gloss = "Keras groups="
    colour, marker = VERMILION, "H"

    def layer(self, case: Case, backend: Backend) -> Any:
        width, groups = case.inner_channels, case.cardinality or 1
        return joint_layer(case, convolution(case, "middle", channels=width, filters=width, groups=groups))
