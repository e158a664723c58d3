"""`group_parallel`: `split_concat` with the groups on several devices, as AlexNet had them on two GPUs."""

from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Code
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.layers.split_concat import SplitConcat
from grouped_bench.variants.palette import AZURE


@variant
class GroupParallel(SplitConcat):
    """Kernel and convolution of group g are on device g modulo their number; the rest stays on the task's own.

    The devices are all of the task's kind. Its latency includes what moves between them; its memory is that of the
    task's own device alone.
    """

    name = "group_parallel"
    summary = "split_concat with the groups on separate devices (AlexNet)"
    computes = "grouped"
    colour, marker = AZURE, "<"

    def code(self, case: Case, backend: Backend) -> Code:
        if not backend.placement_code:
            raise NotImplementedError(f"A step on {backend.name} uses one device")
        return *backend.placement_code, *super().code(case, backend), define_group_parallel_conv


def define_group_parallel_conv(SplitConcatConv: Any, placed: Any) -> Any:
    """`GroupParallelConv`."""

    class GroupParallelConv(SplitConcatConv):
        """A convolution for each group, on one of all devices in turn."""

        def build_branches(self, shape):
            for group, branch in enumerate(self.branches):
                with placed(group):
                    branch.build(shape)

        def convolve(self, parts):
            outputs = []
            for group, branch in enumerate(self.branches):
                with placed(group):
                    outputs.append(branch(parts[group]))
            return outputs

    return GroupParallelConv
