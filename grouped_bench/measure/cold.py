"""Cold calls: each reads a copy of its inputs and weights that has left every cache since it was last read."""

import itertools
import math
from collections.abc import Sequence

from grouped_bench.backends.base import Step, Tensor
from grouped_bench.measure.machine.processor import last_level_cache_bytes, last_level_caches

# A cache that always drops what was read longest ago has nothing left after its own size; real ones keep some longer.
_TIMES_CACHES = 2
# Where the caches' size is unknown, and on a GPU: more than 64 MiB of last-level cache is rare there.
UNKNOWN_ROTATION_BYTES = 128 * 2**20
LEAST_COPIES = 2
# Each costs some 0.2 ms to make, in every process and for every variant.
MOST_TENSORS = 20_000


class TooSmallError(NotImplementedError):
    """A call reads so little that only a great many copies of it would fill the caches."""


def rotation_bytes(device: str) -> int:
    """Bytes that calls must have read since they read the same copy: twice what the last-level caches hold."""
    size = last_level_bytes(device)
    return UNKNOWN_ROTATION_BYTES if size is None else _TIMES_CACHES * size


def last_level_bytes(device: str) -> int | None:
    """Bytes that the last-level caches hold together; None where unknown, and on a GPU."""
    size = last_level_cache_bytes() if device.startswith("cpu") else None
    return None if size is None else size * last_level_caches()


def copies_needed(sizes: Sequence[int], device: str) -> int:
    """Copies of what one call reads, tensors of `sizes` bytes, that together make `rotation_bytes`.

    Raises:
        TooSmallError: they would be too many tensors to make.
    """
    read = sum(sizes)
    copies = max(LEAST_COPIES, math.ceil(rotation_bytes(device) / read))
    if copies * len(sizes) > MOST_TENSORS:
        raise TooSmallError(
            f"a cold cache takes at most {MOST_TENSORS:,} tensors, and calls that read {read:,} bytes in {len(sizes)} "
            f"tensors need {copies:,} copies of each; give the case a larger batch, size or number of channels"
        )
    return copies


class Rotation:
    """A step whose every call is the next of `steps`, again and again."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps, self._turns, self._count = steps, itertools.cycle(range(len(steps))), len(steps)
        self._last = -1

    def __call__(self) -> Sequence[Tensor]:
        self._last = next(self._turns)
        return self._steps[self._last]()

    def place(self, calls: int) -> int:
        """The place of the step that the last of the next `calls` is."""
        return (self._last + calls) % self._count
