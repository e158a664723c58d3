"""Peak memory of one warmed-up call: from the framework's allocator, else from the resident set, else unknown."""

import ctypes
from pathlib import Path
from typing import Any

from grouped_bench.backends.base import Backend, Step

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_BLOCK = 64 * 1024
_CLEAR_PEAK = "5"


def give_back_pages() -> None:
    """Have glibc map every block above 64 KiB by itself and unmap it when freed.

    Without it the pool that earlier calls left behind serves the next one, and the resident set does not move.
    """
    libc = _libc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE_BLOCK)


def peak_bytes(
    backend: Backend, step: Step, device: str, held: list[int], made: list[int]
) -> tuple[int, str] | tuple[None, None]:
    """Peak bytes of one call with inputs and weights, and the source: `allocator` or `resident`.

    Blocks too small for the allocator's statistics are added where they are known to live: inputs, weights, outputs.

    Args:
        backend: whose allocator is asked first.
        step: a warmed-up step.
        device: where it runs.
        held: bytes of each input and weight, all of them held during the call.
        made: bytes of each output and gradient, all of them held at its end.
    """
    on_cpu = device.startswith("cpu")
    peak = backend.peak_memory(step, device)
    if peak is not None:
        uncounted = sum(b for b in held + made if b < backend.smallest_counted_block)
        return peak + (uncounted if on_cpu else 0), "allocator"
    growth = resident_growth(step) if on_cpu else None
    return (growth + sum(held), "resident") if growth else (None, None)


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
