"""`group_parallel`: `split_concat` with the groups on several devices, as AlexNet had them on two GPUs."""

from contextlib import AbstractContextManager
from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.variants.base import variant
from grouped_bench.variants.layers.split_concat import SplitConcat, branches_layer


@variant
class GroupParallel(SplitConcat):
    """Weights and convolution of group g are on device g modulo their number; input and output stay on the task's own.

    The devices are all of the task's kind. Its latency includes what moves between them; its memory is that of the
    task's own device alone.
    """

    name = "group_parallel"
    summary = "split_concat with the groups on separate devices (AlexNet)"
    computes = "grouped"

    def layer(self, case: Case, backend: Backend) -> Any:
        def place(group: int) -> AbstractContextManager[Any]:
            devices = backend.devices_of_a_step()
            if len(devices) < 2:
                raise NotImplementedError(
                    f"group_parallel needs two devices or more; there is one: {', '.join(devices)}"
                )
            return backend.on(devices[group % len(devices)])

        return branches_layer(case, place)
