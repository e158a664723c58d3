"""`block_diagonal`: the groups' kernels as blocks of one dense kernel, zero elsewhere, convolved densely."""

from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.layers.merged_groups import MergedGroups
from grouped_bench.variants.palette import INDIGO


@variant
class BlockDiagonal(MergedGroups):
    """Diagonalwise refactorization (Qin et al. 2018, arXiv 1803.09926): all groups in one block.

    It has the parameters of the grouped convolution, and does the arithmetic of the dense one: that is what its MACs
    count. The dense kernel is made anew in every call, as training needs.
    """

    name = "block_diagonal"
    summary = "the groups' kernels as blocks of one dense kernel, convolved densely"
    computes = "grouped"
    colour, marker = INDIGO, "X"

    def choices(self, case: Case) -> tuple[str, ...]:
        return ()

    def merged(self, case: Case) -> int:
        return case.groups
