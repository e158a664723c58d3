"""`regular`: Keras' convolution over all input channels, the baseline."""

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Arguments, Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import Variant, variant
from grouped_bench.variants.palette import BLACK


@variant
class Regular(Variant):
    """The dense layer that a user would otherwise write."""

    name = "regular"
    summary = "Keras' dense convolution, the baseline"
    computes = "dense"
    colour, marker = BLACK, "o"

    def code(self, case: Case, backend: Backend) -> Code:
        return ()

    def module_code(self, case: Case) -> Code:
        return ()

    def arguments(self, case: Case) -> Arguments:
        return {**super().arguments(case), "groups": 1}
