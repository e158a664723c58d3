"""`grouped`: Keras' own `groups=` argument."""

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.palette import VERMILION


@variant
class Grouped(Variant):
    """Keras on TensorFlow compiles it with XLA whatever the execution, on every device."""

    name = "grouped"
    summary = "Keras' convolution with groups="
    gloss = "Keras groups="
    computes = "grouped"
    colour, marker = VERMILION, "s"

    def code(self, case: Case, backend: Backend) -> Code:
        return ()

    def module_code(self, case: Case) -> Code:
        return ()
