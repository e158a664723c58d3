"""Processor time and memory that control groups, version 2 or 1, allow this process; None where neither reports it.

A limit of a group holds for all groups in it, so the strictest from the process' own group upwards is the one in force.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from grouped_bench.measure.machine.processor import read

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
NO_LIMIT = "max"
# Version 1 writes "no limit" as the highest number of whole pages, which depends on their size.
_UNLIMITED_BYTES = 2**62


def cpu_limit() -> str | None:
    """Microseconds of processor time a period, and the period: `50000 100000`; `max 100000` without a limit."""
    found = [*map(_cpu_max, groups("")), *map(_cfs_quota, groups("cpu"))]
    return min(filter(None, found), key=_processors, default=None)


def memory_limit() -> str | None:
    """Bytes that may be held, or `max`."""
    found = [read(group / "memory.max") for group in groups("")]
    found += [unlimited_as_max(read(group / "memory.limit_in_bytes")) for group in groups("memory")]
    numbers = [int(text) for text in found if text and text.isdecimal()]
    return str(min(numbers)) if numbers else NO_LIMIT if NO_LIMIT in found else None


def cpu_groups() -> list[Path]:
    """Folders of the control groups that share out processor time to this process, of either version."""
    return [*groups(""), *groups("cpu")]


def groups(controller: str) -> Iterator[Path]:
    """Folders of the process' group and of those above it, of a controller of version 1, or of version 2 with "".

    Inside a container the folder of its own group is the mount itself, whatever the kernel calls the group.
    """
    for line in (read(_OWN) or "").splitlines():
        words = line.split(":", 2)
        if len(words) == 3 and controller in words[1].split(","):
            own = PurePosixPath(words[2].lstrip("/"))
            parts = () if ".." in own.parts else own.parts
            yield from (_MOUNT.joinpath(controller, *parts[:depth]) for depth in range(len(parts), -1, -1))


def _cpu_max(group: Path) -> str | None:
    text = read(group / "cpu.max")
    return text if text and _is_share(text.split()) else None


def _cfs_quota(group: Path) -> str | None:
    quota, period = read(group / "cpu.cfs_quota_us"), read(group / "cpu.cfs_period_us")
    words = [NO_LIMIT if quota == "-1" else quota or "", period or ""]
    return " ".join(words) if _is_share(words) else None


def _is_share(words: list[str]) -> bool:
    return (
        len(words) == 2 and (words[0] == NO_LIMIT or words[0].isdecimal()) and words[1].isdecimal() and words[1] != "0"
    )


def _processors(limit: str) -> float:
    quota, period = limit.split()
    return float("inf") if quota == NO_LIMIT else int(quota) / int(period)


def unlimited_as_max(text: str | None) -> str | None:
    """`text` of version 1, its number for no limit as version 2 writes it."""
    return NO_LIMIT if text and text.isdecimal() and int(text) >= _UNLIMITED_BYTES else text
