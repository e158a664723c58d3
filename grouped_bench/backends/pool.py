"""TensorFlow's pooling allocator, made to count on every processor, and to count only what was requested."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

# Read at the first tensor, not at the import. The allocator that TensorFlow takes for a processor by itself keeps no
# statistics without oneDNN, and with it leaves every block below 256 KiB out of them. No limit: 16 TiB for 64 GiB.
COUNTING = {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_CPU_BFC_MEM_LIMIT_IN_MB": str(2**24)}
# What the allocator rounds sizes up to.
_UNIT = 256
# Of the machine's memory, in address space; the pool grows by up to twice as much.
_LARGEST_SHARE = 0.25


@contextlib.contextmanager
def exact(size: int, device: str) -> Iterator[None]:
    """A context in which a call's blocks are cut to size, those up to half of `size` bytes.

    The allocator hands out its smallest free block that is large enough, and whole where that is less than twice what
    was asked: what is left over counts as taken. So one large block is made free, and each smaller free one is taken
    away until the context ends. Where there is no room for that, or no statistics, the pool stays as it is.
    """
    import tensorflow as tf

    size = min(size, int(_LARGEST_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    gaps: list[Any] = []
    with contextlib.suppress(tf.errors.ResourceExhaustedError, ValueError):
        _block(size // _UNIT)
        gaps.extend(_gaps(size // _UNIT, device))
    yield
    gaps.clear()


def taken(device: str, when: str = "current") -> int:
    """Bytes that `device` has handed out, now or at the `peak`."""
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info(device)[when])


def _gaps(units: int, device: str) -> Iterator[Any]:
    """Blocks that were handed out whole, from large ones to small ones, until none is left below `units`."""
    power = units.bit_length() - 2
    while power >= 0:
        size = 2**power + 1  # odd, for a free block of just this size would pass for one that was cut
        before = taken(device)
        block = _block(size)
        if taken(device) - before > size * _UNIT:
            yield block
        else:
            power -= 1
        del block


def _block(units: int) -> Any:
    """A tensor whose pages nobody touches, so that it costs address space only."""
    import tensorflow as tf

    return tf.raw_ops.Empty(shape=[units, _UNIT], dtype=tf.uint8, init=False)
