"""`grouped`: Keras' own `groups=` argument."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, keras_convolution, variant


@variant
class Grouped(Variant):
    """Keras on TensorFlow compiles it with XLA whatever the execution, on every device."""

    name = "grouped"
    summary = "Keras' convolution with groups="
    computes = "grouped"

    def layer(self, case: Case, backend: Backend) -> Any:
        return keras_convolution(case, filters=case.out_channels, groups=case.groups, bias=case.bias)
