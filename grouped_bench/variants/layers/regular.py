"""`regular`: Keras' convolution over all input channels, the baseline."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, keras_convolution, variant


@variant
class Regular(Variant):
    """The dense layer that a user would otherwise write."""

    name = "regular"
    summary = "Keras' dense convolution, the baseline"
    computes = "dense"

    def layer(self, case: Case, backend: Backend) -> Any:
        return keras_convolution(case, filters=case.out_channels, bias=case.bias)
