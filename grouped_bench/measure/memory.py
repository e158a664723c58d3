"""Peak memory of a warmed-up call: as the framework counted it, else from the resident set, else unknown."""

import ctypes
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend, Step
from grouped_bench.space.case import DTYPE_BYTES

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
_LARGE_BLOCK = 64 * 1024
_LARGEST_INT = 2**31 - 1
_CLEAR_PEAK = "5"
_SHARE_OF_CALLS = 0.9
_MOST_RESIDENT_CALLS = 32
# Readings of an allocator suffice at this number, once the standard error of their mean is this share of it.
_LEAST_READINGS, _SURE = 32, 0.004
_FIRST_READINGS = 4


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


def tensor_bytes(tensor: Any) -> int:
    """Bytes of a tensor or variable of any backend."""
    name = getattr(tensor.dtype, "name", str(tensor.dtype)).removeprefix("torch.")
    return math.prod(map(int, tensor.shape)) * (DTYPE_BYTES.get(name) or np.dtype(name).itemsize)


def peak_bytes(
    backend: Backend, step: Step, device: str, held: int, made: int, calls: int, settle: Callable[[], None]
) -> tuple[int, str] | tuple[None, None]:
    """Peak bytes of one call with inputs and weights, and their source: see `Backend.memory_source`, or `resident`.

    Calls differ where a framework runs parts of a step side by side: which branches meet is chance. What the allocator
    counts is exact, and its mean repeats from process to process, where the largest, or any rank, jumps by the
    size of a branch; calls are read until it is sure enough. The resident set may miss what a call takes, so of it
    counts what nine in ten calls stay within. What is less than inputs, weights and outputs together is no reading.
    Where the first readings are one and the same, nothing overlaps, and they suffice.

    What a kernel's library takes past the framework's allocator, such as operands that Eigen, MKL or XLA's runtime
    packs, is in no reading but the resident set's; nor is what a layer holds besides its weights.

    Args:
        backend: whose allocator is asked first.
        step: a warmed-up step.
        device: where it runs.
        held: bytes of all inputs and weights, held during the call.
        made: bytes of all outputs and gradients, held at its end.
        calls: how many calls are read at most.
        settle: makes the calls after which the framework runs its parts as it will.
    """

    def read() -> int | None:
        return backend.peak_memory(step, device, held)

    first = [read() for _ in range(min(calls, _FIRST_READINGS))]
    found = _mean(iter(first).__next__, len(first))
    if calls > len(first) and (found is None or len(set(first)) > 1):
        settle()
        found = None if found is None else _mean(read, calls)
    if found is not None:
        source = backend.memory_source(device)
    else:
        on_cpu = device.startswith("cpu")
        growth = _high(lambda: resident_growth(step), min(calls, _MOST_RESIDENT_CALLS)) if on_cpu else None
        found, source = (growth or 0) + held, "resident"
    return (found, source) if found >= held + made else (None, None)


def _mean(read: Callable[[], int | None], calls: int) -> int | None:
    """Mean of up to `calls` readings, of fewer where these are enough; None where there is none."""
    readings: list[int] = []
    for _ in range(calls):
        reading = read()
        if reading is not None:
            readings.append(reading)
            if _is_sure(readings):
                break
    return round(statistics.fmean(readings)) if readings else None


def _is_sure(readings: list[int]) -> bool:
    """Whether the mean of the readings would be about the same in another process."""
    error = float(np.std(readings)) / math.sqrt(len(readings))
    return len(readings) >= _LEAST_READINGS and error <= _SURE * statistics.fmean(readings)


def _high(read: Callable[[], int | None], calls: int) -> int | None:
    """What nine in ten of `calls` readings stay within, the largest of fewer than eleven; None where there is none."""
    readings = [read() for _ in range(calls)]
    found = sorted(reading or 0 for reading in readings)
    return None if readings.count(None) == calls else found[math.ceil(_SHARE_OF_CALLS * (calls - 1))]


def resident_growth(step: Step) -> int | None:
    """Bytes by which the resident set's peak rose during one call; None where Linux does not report it."""
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
