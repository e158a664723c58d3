"""`resnext_native`: all paths as one, with the framework's own grouped convolution in the middle."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.block import BlockVariant, built, joint_layer
from grouped_bench.variants.layers.grouped_native import GroupedNative
from grouped_bench.variants.palette import GREEN
from grouped_bench.variants.reference.block_functions import stage_case


@variant
class ResNeXtNative(BlockVariant):
    """Figure 3(c) of Xie et al., without Keras' detour through XLA."""

    name = "resnext_native"
    summary = "ResNeXt's form (c) with the framework's own grouped convolution"
    gloss = "the backend's own grouped operation"
    colour, marker = GREEN, "d"

    def layer(self, case: Case, backend: Backend) -> Any:
        middle = stage_case(case, "middle", case.cardinality or 1)
        layer = GroupedNative().layer(middle, backend)
        return joint_layer(case, built(layer, case, case.inner_channels))
