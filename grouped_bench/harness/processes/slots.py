"""The processes that visit a run's cohorts: whose turn it is, which sleep, and which hosts must start again."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from grouped_bench.errors import HostError
from grouped_bench.harness.plan import PROCESSES
from grouped_bench.harness.processes.workers import Limits, TaskFailedError
from grouped_bench.measure.machine.available_memory import memory_left, memory_total
from grouped_bench.measure.rounds import Clock
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

MOST_ASLEEP = 48
# Where starting is dear a process serves so many visits: what it settled on is in each, so more of them add little.
VISITS_A_PROCESS = 2
_LEAST_FREE_SHARE = 0.25


class WorkerLike(Protocol):
    """What a sweep needs of a worker."""

    def ask(self, request: Json) -> Json:
        """The worker's answer. Raises TaskFailedError, and HostError where its host has died."""

    def begin(self, request: Json) -> None:
        """Begin with a request, whose answer `answer` waits for."""

    def answer(self) -> Json:
        """The answer to what was begun. Raises as `ask`."""

    def close(self) -> None:
        """End the worker."""


class HostLike(Protocol):
    """What a sweep needs of a host."""

    def fork(self, limits: Limits) -> WorkerLike:
        """A new worker. Raises HostError where the host has died, TaskFailedError where it could never start."""

    def restart(self) -> None:
        """Start again. Raises HostError where that fails."""


def in_worker(host: HostLike, limits: Limits, action: Callable[[WorkerLike], Json]) -> Json:
    """What `action` makes of a new worker, which then ends; or `status` and `reason` of its end, or of its host's.

    A host that has died is started again.
    """
    try:
        worker = host.fork(limits)
        try:
            return action(worker)
        finally:
            worker.close()
    except TaskFailedError as failure:
        return {"status": failure.status, "reason": failure.reason}
    except HostError as error:
        host.restart()
        return {"status": "crashed", "reason": f"the host process ended: {error.received}"}


@dataclasses.dataclass
class Slot:
    """A place for one process of a cohort: its number, and the worker while it lives."""

    process: int
    worker: WorkerLike | None = None
    visits: int = 0

    def end(self) -> None:
        """End the worker, if there is one."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None


class Processes:
    """Every process of a run on this machine, by the number of its cohort.

    Args:
        hosts: a host for each backend and environment.
        limits: what a task may take.
        visits_a_process: how many visits of a cohort a process serves at most.
        clock: seconds.
    """

    def __init__(self, hosts: Mapping[HostKey, HostLike], limits: Limits, visits_a_process: int, clock: Clock) -> None:
        self._hosts, self._limits, self._visits_a_process, self._clock = hosts, limits, visits_a_process, clock
        self._slots: dict[int, list[Slot]] = defaultdict(list)
        self._host_of: dict[int, HostKey] = {}

    def slot(self, cohort: int, host: HostKey, made: int, number: int) -> Slot:
        """The place of a cohort's next visit: visits take turns over the places, in a process that slept or a new one.

        A new one has no worker yet.

        Args:
            cohort: its number.
            host: of its setting.
            made: visits so far.
            number: of a new process.
        """
        slots, self._host_of[cohort] = self._slots[cohort], host
        place = made % PROCESSES
        if place < len(slots):
            if slots[place].worker is not None and slots[place].visits < self._visits_a_process:
                slots[place].visits += 1
                return slots[place]
            slots[place].end()
        slot = Slot(number, visits=1)
        slots[place : place + 1] = [slot]
        return slot

    def fork(self, host: HostKey, left_s: float | None) -> WorkerLike:
        """A new worker, which ends with the `left_s` seconds of its run. Raises HostError where its host has died."""
        deadline = math.inf if left_s is None else self._clock() + left_s
        return self._hosts[host].fork(dataclasses.replace(self._limits, deadline=deadline))

    def rest(self, cohort: int, *, is_needed: bool) -> None:
        """Leave a worker asleep where another visit needs it, unless sleepers would fill the memory."""
        asleep = sum(slot.worker is not None for slots in self._slots.values() for slot in slots)
        full = asleep > MOST_ASLEEP or memory_left() < _LEAST_FREE_SHARE * memory_total()
        if full or not is_needed:
            for slots in self._slots.values() if full else [self._slots[cohort]]:
                for slot in slots:
                    slot.end()

    def revive(self, host: HostKey) -> None:
        """Start a host again, which has died and its workers with it."""
        for cohort, slots in self._slots.items():
            if self._host_of.get(cohort) == host:
                for slot in slots:
                    slot.end()
        self._hosts[host].restart()
