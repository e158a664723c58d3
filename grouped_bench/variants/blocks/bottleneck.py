"""`bottleneck`: the dense residual block of ResNet, the baseline."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.block import BlockVariant, convolution, joint_layer
from grouped_bench.variants.palette import BLACK


@variant
class Bottleneck(BlockVariant):
    """As wide inside as the paths of ResNeXt together, so that it differs from them by its dense middle alone."""

    name = "bottleneck"
    summary = "ResNet's block: 1x1, dense kxk, 1x1, as wide as all paths; the baseline"
    computes = "bottleneck"
    colour, marker = BLACK, "8"

    def layer(self, case: Case, backend: Backend) -> Any:
        width = case.inner_channels
        return joint_layer(case, convolution(case, "middle", channels=width, filters=width))
