"""Peak memory of a warmed-up call: from the framework's allocator, else from the resident set, else unknown."""

import ctypes
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grouped_bench.backends.base import Backend, Step

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_LARGE_BLOCK = 64 * 1024
_LARGEST_INT = 2**31 - 1
_CLEAR_PEAK = "5"
_SHARE_OF_CALLS = 0.9
_MOST_RESIDENT_CALLS = 32


def give_back_pages() -> None:
    """Have glibc map every block above 64 KiB by itself and unmap it when freed.

    Without it the pool that earlier calls left behind serves the next one, and the resident set does not move.
    """
    libc = _libc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE_BLOCK)


def keep_pages() -> None:
    """Have glibc keep every page that was freed, so that no later block waits for the system to map one."""
    libc = _libc()
    if libc is not None:
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)


def peak_bytes(
    backend: Backend, step: Step, device: str, held: list[int], made: list[int], calls: int
) -> tuple[int, str] | tuple[None, None]:
    """Peak bytes of one call with inputs and weights, and the source: `allocator`, `compiler` or `resident`.

    Calls differ where a framework runs parts of a step side by side: which branches meet is chance. What the allocator
    tells of them is exact, and their mean repeats from process to process, where the largest, or any rank, jumps by the
    size of a branch. The resident set may miss what a call takes, so of it counts what nine in ten calls stay within.
    Blocks too small for the allocator's statistics are added where they are known to live: inputs, weights, outputs.
    What is less than these together is no reading.

    Args:
        backend: whose allocator is asked first.
        step: a warmed-up step.
        device: where it runs.
        held: bytes of each input and weight, all of them held during the call.
        made: bytes of each output and gradient, all of them held at its end.
        calls: how many calls are read.
    """
    on_cpu = device.startswith("cpu")
    peak = _mean(lambda: backend.peak_memory(step, device), calls)
    if peak is not None:
        uncounted = sum(b for b in held + made if b < backend.smallest_counted_block)
        found, source = peak + (uncounted if on_cpu else 0), backend.memory_source
    else:
        growth = _high(lambda: resident_growth(step), min(calls, _MOST_RESIDENT_CALLS)) if on_cpu else None
        found, source = (growth or 0) + sum(held), "resident"
    return (found, source) if found >= sum(held + made) else (None, None)


def _mean(read: Callable[[], int | None], calls: int) -> int | None:
    """Mean of `calls` readings; None where there is none."""
    readings = [reading for reading in (read() for _ in range(calls)) if reading is not None]
    return round(statistics.fmean(readings)) if readings else None


def _high(read: Callable[[], int | None], calls: int) -> int | None:
    """What nine in ten of `calls` readings stay within, the largest of fewer than eleven; None where there is none."""
    readings = [read() for _ in range(calls)]
    found = sorted(reading or 0 for reading in readings)
    return None if readings.count(None) == calls else found[math.ceil(_SHARE_OF_CALLS * (calls - 1))]


def resident_growth(step: Step) -> int | None:
    """Bytes by which the resident set's peak rose above its start during one call; None where Linux cannot tell."""
    try:
        _trim()
        Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)
        before = _status("VmRSS")
        outputs: Any = step()
        peak = _status("VmHWM")
        del outputs
    except OSError:
        return None
    return max(0, peak - before)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")


def _trim() -> None:
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def _libc() -> Any:
    """glibc, or None where the C library has no mallopt."""
    try:
        libc = ctypes.CDLL(None)
        return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
    except OSError:
        return None
