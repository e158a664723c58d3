"""The parent's end of a worker: ask, hold it to its limits, kill it, and say what a dead one died of."""

import contextlib
import dataclasses
import math
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

from grouped_bench.errors import HostError
from grouped_bench.harness.processes.ipc import Channel, bound, tail
from grouped_bench.measure.machine.available_memory import memory_left, memory_total
from grouped_bench.measure.marks import MARK_BYTES, SAMPLING
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json
from grouped_bench.units import format_bytes

# How often a worker is looked at: seldom while it samples, since each look takes some of the machine's time, and often
# where it may take memory.
_TICK_S, _BUILD_TICK_S = 0.5, 0.1
# Less memory than this left, and a machine begins to swap or to kill: the larger of a share of all and a size.
_LEAST_LEFT_SHARE, _LEAST_LEFT_BYTES = 0.03, 256 * 2**20
# The status of what the end of the run's time cut short: it has not failed.
INTERRUPTED = "interrupted"
# What a worker is doing, by the request, where it has not said more.
_STAGES = {"build": "starting", "visit": SAMPLING, "memory": "its memory was read"}


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a task may take: seconds of silence, and bytes of memory (None: what the machine has).

    At `deadline`, a reading of the clock, the time of the whole run is over.
    """

    seconds: float
    memory_bytes: int | None = None
    deadline: float = math.inf


class TaskFailedError(Exception):
    """A worker that died or was killed: the variant whose turn it was, None for all, the status and the reason."""

    def __init__(self, variant: str | None, status: str, reason: str) -> None:
        super().__init__(f"{variant}: {status}: {reason}")
        self.variant, self.status, self.reason = variant, status, reason


class Parent(Protocol):
    """What a worker needs of its host."""

    def reap(self, worker: "Worker") -> int:
        """Exit code of a worker that has ended, or minus its signal. Raises HostError where the host has died."""


class Worker:
    """A forked process that measures one cohort, or one task's memory."""

    def __init__(self, host: Parent, pid: int, channel: Channel, printed: Any, marks: Any, limits: Limits) -> None:
        self._host, self.pid, self._channel = host, pid, channel
        self._printed, self._marks, self._limits = printed, marks, limits
        self._last_words = ""
        self._asked: Json = {}
        self.ended = False
        self._oom_kills = kernel_oom_kills()

    def ask(self, request: Json) -> Json:
        """The answer to `request`. Raises as `answer` does."""
        self.begin(request)
        return self.answer()

    def begin(self, request: Json) -> None:
        """Have the worker begin with `request`, and do not wait: `answer` does."""
        self._asked = request
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a death is told by its missing answer
            self._channel.send(request)

    def answer(self) -> Json:
        """The answer to what the worker has begun with.

        Raises:
            TaskFailedError: the worker died, was silent for too long or held too much memory; it has been ended.
            HostError: the host died, and the worker with it.
        """
        request = self._asked
        samples = request["op"] == "visit"
        tick = min(_TICK_S if samples else _BUILD_TICK_S, self._limits.seconds)
        try:
            turn, since = self._turn()[:2], read_clock()
            while (answer := self._channel.receive(tick)) is None:
                if (now := self._turn()[:2]) != turn:
                    turn, since = now, read_clock()
                self._hold_to_limits(request, read_clock() - since, with_children=not samples)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            variant, stage = self._variant(request), self._stage(request)
            status, reason = self._death(self._end(), stage)
            raise TaskFailedError(variant, status, reason) from None
        return answer

    def close(self) -> None:
        """End the worker and its children at once, asleep or busy."""
        if self.ended:
            return
        for child in _children(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)  # which may not have made its group yet
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(HostError):  # a host that has died took its workers with it
            self._end()

    def _hold_to_limits(self, request: Json, silent_s: float, *, with_children: bool) -> None:
        """End the worker, and raise TaskFailedError, where it keeps silent or takes memory beyond its limits."""
        bound(self._printed)
        # To find children takes milliseconds, which samples would show.
        status, reason = "oom", self._excess([self.pid, *(_children(self.pid) if with_children else [])])
        if read_clock() > self._limits.deadline:
            status, reason = INTERRUPTED, f"the budget ended{self._stage(request)}"
        elif silent_s > self._limits.seconds:
            status, reason = "timeout", f"not finished within {self._limits.seconds:g} s{self._stage(request)}"
        if reason is not None:
            variant = self._variant(request)
            self.close()
            raise TaskFailedError(variant, status, reason)

    def _excess(self, processes: Sequence[int]) -> str | None:
        """What is wrong with the memory that the worker and its children hold, or None."""
        held, limit = sum(map(_resident, processes)), self._limits.memory_bytes
        if limit is not None and held > limit:
            return f"ended while it held {format_bytes(held)}: --memory-limit is {format_bytes(limit)}"
        left = memory_left()
        if left < max(_LEAST_LEFT_SHARE * memory_total(), _LEAST_LEFT_BYTES):
            return f"ended while it held {format_bytes(held)}: the machine had {format_bytes(left)} of memory left"
        return None

    def _end(self) -> int:
        try:
            code = self._host.reap(self)
            self._last_words = tail(self._printed)
        finally:
            self.release()
        return code

    def release(self) -> None:
        """Close this end's descriptors."""
        self.ended = True
        for thing in (self._channel.connection, self._printed, self._marks):
            thing.close()

    def _turn(self) -> list[str]:
        """Whose turn it is: its number, the variant, and its stage where it has told one."""
        return os.pread(self._marks.fileno(), MARK_BYTES, 0).decode(errors="replace").split()

    def _variant(self, request: Json) -> str:
        words = self._turn()
        return words[1] if len(words) > 1 else str(request["variants"][0])

    def _stage(self, request: Json) -> str:
        """` while compiling`; nothing where nobody knows."""
        stage = next(iter(self._turn()[2:]), _STAGES.get(request["op"]))
        return f" while {stage}" if stage else ""

    def _death(self, code: int, stage: str) -> tuple[str, str]:
        if code == -signal.SIGKILL and kernel_oom_kills() > self._oom_kills:
            return "oom", f"killed by the kernel for lack of memory{stage}"
        how = (signal.Signals(-code).name if code < 0 else f"exit code {code}") + stage
        return "crashed", f"{how}: {self._last_words}" if self._last_words else how


def _children(pid: int) -> list[int]:
    """Processes that the process started, and those that they did, in whatever group or session."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def _resident(pid: int) -> int:
    """Bytes that the process holds in memory; 0 where it has just ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def kernel_oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it started; 0 where it does not report them."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
