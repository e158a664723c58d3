"""What disturbed a visit: processor time that others took, limits that held it back, a GPU below its clock."""

import dataclasses
import os
import resource
import threading
from pathlib import Path

from grouped_bench.measure.machine import gpu
from grouped_bench.measure.machine.cgroups import cpu_groups
from grouped_bench.measure.machine.processor import read, usable
from grouped_bench.measure.rounds import read_clock

_STAT = Path("/proc/stat")
_TASKS = Path("/proc/self/task")
# Fields of a processor's line of /proc/stat (proc(5)): user, nice, system, irq and softirq are work, then what a
# hypervisor took.
_WORK_FIELDS, _STEAL_FIELD = (1, 2, 3, 6, 7), 8
_LEAST_CLOCK = 0.75  # of a GPU's highest; below it nvbench discards a sample


@dataclasses.dataclass(frozen=True)
class _Reading:
    wall: float
    own: float
    threads: dict[int, float]
    busy: float | None
    held_back: float | None


class Watch:
    """Watches a stretch of work of this process from its making until `stop`.

    Args:
        device: where the work runs; the clock of a GPU is read through NVML where that is installed.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._start = _read()

    def stop(self) -> dict[str, float | None]:
        """`stolen`: share of the usable processors' time that other programs and a hypervisor took, and threads of
        Python's in this process, which are nobody's whose turn it is.
        `throttled`: share of the stretch in which a quota held this process back, or 1 where a GPU ended below
        three quarters of its highest clock. None where the system does not report it.
        """
        start, end = self._start, _read()
        wall = end.wall - start.wall
        stolen = throttled = None
        if wall > 0 and start.busy is not None and end.busy is not None:
            others = (end.busy - start.busy) - (end.own - start.own) + _worked(start.threads, end.threads)
            stolen = min(1.0, max(0.0, others / wall / len(processors())))
        if wall > 0 and start.held_back is not None and end.held_back is not None:
            throttled = min(1.0, (end.held_back - start.held_back) / wall)
        if self._device.startswith("gpu"):
            share = gpu.clock_share(self._device)
            throttled = None if share is None else float(share < _LEAST_CLOCK)
        return {"stolen": stolen, "throttled": throttled}


def processors() -> set[int]:
    """Numbers of the processors that this process may use; all, where the system does not report them."""
    return usable() or set(range(os.cpu_count() or 1))


def _read() -> _Reading:
    used = resource.getrusage(resource.RUSAGE_SELF)
    own = used.ru_utime + used.ru_stime
    return _Reading(read_clock(), own, _python_threads(), _busy_seconds(), _held_back_seconds())


def _python_threads() -> dict[int, float]:
    """Processor seconds of each thread that Python started and that runs: frameworks' own are none of them."""
    found = {}
    for thread in threading.enumerate():
        told = read(_TASKS / str(thread.native_id) / "stat") if thread is not threading.main_thread() else None
        if told:
            fields = told.rpartition(")")[2].split()  # the name before it may hold anything
            found[int(thread.native_id or 0)] = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return found


def _worked(before: dict[int, float], after: dict[int, float]) -> float:
    """Processor seconds that threads which are there still have worked."""
    return sum(seconds - before.get(thread, 0.0) for thread, seconds in after.items())


def _busy_seconds() -> float | None:
    """Seconds for which the usable processors together have worked, or were taken by a hypervisor."""
    ours = {f"cpu{number}" for number in processors()}
    try:
        lines = [line.split() for line in _STAT.read_text().splitlines()]
        fields = [words for words in lines if words and words[0] in ours]
        ticks = sum(int(words[place]) for words in fields for place in (*_WORK_FIELDS, _STEAL_FIELD))
    except (OSError, IndexError, ValueError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK") if len(fields) == len(ours) else None


def _held_back_seconds() -> float | None:
    """Seconds for which quotas have held this process' control group back; None where none reports it."""
    found = [_throttled_seconds(group / "cpu.stat") for group in cpu_groups()]
    known = [seconds for seconds in found if seconds is not None]
    return max(known) if known else None


def _throttled_seconds(path: Path) -> float | None:
    facts = dict(line.split() for line in (read(path) or "").splitlines() if line.count(" ") == 1)
    if "throttled_usec" in facts:
        return int(facts["throttled_usec"]) / 1e6
    return int(facts["throttled_time"]) / 1e9 if "throttled_time" in facts else None
