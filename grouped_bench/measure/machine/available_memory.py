"""Memory that this process and its children may hold, and how much of it is left; asked by the parent of a run."""

from collections.abc import Iterator
from pathlib import Path

import psutil

from grouped_bench.measure.machine.cgroups import NO_LIMIT, groups, memory_limit, unlimited_as_max
from grouped_bench.measure.machine.processor import read


def memory_total() -> int:
    """Bytes that all of them may hold together."""
    limit, total = memory_limit() or NO_LIMIT, psutil.virtual_memory().total
    return total if limit == NO_LIMIT else min(total, int(limit))


def memory_left() -> int:
    """Bytes that can still be had without swapping: what the system has available, or what a control group leaves."""
    return min([psutil.virtual_memory().available, *_left_to_groups()])


def _left_to_groups() -> Iterator[int]:
    """What each group with a limit leaves; its page cache of files can be had too."""
    for group in groups(""):
        yield from _left(read(group / "memory.max"), read(group / "memory.current"), _cached(group))
    for group in groups("memory"):
        limit, used = read(group / "memory.limit_in_bytes"), read(group / "memory.usage_in_bytes")
        yield from _left(unlimited_as_max(limit), used, _cached(group))


def _left(limit: str | None, used: str | None, cached: int) -> Iterator[int]:
    if limit and used and limit.isdecimal() and used.isdecimal():
        yield max(0, int(limit) - int(used) + cached)


def _cached(group: Path) -> int:
    facts = dict(line.split() for line in (read(group / "memory.stat") or "").splitlines() if line.count(" ") == 1)
    return sum(int(facts.get(f"total_{name}", facts.get(name, 0))) for name in ("inactive_file", "active_file"))
