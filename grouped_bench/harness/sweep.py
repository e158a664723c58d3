"""The sweep: visits over all cohorts in random order, again and again, until every pair is settled or time is up."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import psutil

from grouped_bench.harness.hosts import TaskFailedError
from grouped_bench.harness.progress import Moment, Progress
from grouped_bench.harness.standing import Record, Standing
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.plan import LEAST_VISITS, PROCESSES, Plan
from grouped_bench.space.axes import Control

MOST_ASLEEP = 48
# Where starting is dear a process serves so many visits: what it settled on is in each, so more of them tell little.
VISITS_A_PROCESS = 2
_LEAST_FREE_SHARE = 0.25
_CLOSING_S = 3.0
_MEMORY_GUESS_S = 0.3


class WorkerLike(Protocol):
    """What a sweep needs of a worker."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer. Raises TaskFailedError."""

    def close(self) -> None:
        """End the worker."""


class HostLike(Protocol):
    """What a sweep needs of a host."""

    def fork(self, task_timeout: float) -> WorkerLike:
        """A new worker."""


@dataclasses.dataclass
class _Slot:
    """A place for one process of a cohort: its number, and the worker while it lives."""

    process: int
    worker: WorkerLike | None = None
    visits: int = 0


class Sweep:
    """One run's visits.

    Args:
        plan, control: what to measure and how closely.
        hosts: a started host for each backend of the plan.
        keep: called with each record; returns when it is on disk.
        progress: where the run tells what it does.
        seed: of inputs, orders and rounds.
        memory: whether to make the memory pass.
        started: reading of `clock` when the run began, from which its budget counts.
    """

    def __init__(
        self,
        plan: Plan,
        control: Control,
        *,
        hosts: Mapping[str, HostLike],
        keep: Callable[[Record], None],
        progress: Progress,
        seed: int,
        memory: bool,
        started: float,
        clock: Clock = read_clock,
    ) -> None:
        self._plan, self._control, self._hosts, self._keep = plan, control, hosts, keep
        self._progress, self._seed, self._memory, self._clock = progress, seed, memory, clock
        self._deadline = None if control.budget is None else started + control.budget - _CLOSING_S
        self._rng = np.random.default_rng(seed)
        self.standings = [Standing(number, cohort, plan.pairs, control) for number, cohort in enumerate(plan.cohorts)]
        self._slots: dict[int, list[_Slot]] = {s.number: [] for s in self.standings}
        self._processes: Counter[int] = Counter()
        self._memory_left = plan.tasks if memory else 0
        self.time: dict[str, float] = defaultdict(float)
        self.records: list[Record] = []

    def run(self) -> str:
        """Measure, and leave the workers to the end of their hosts.

        Returns why it ended: `settled`, `visits`, `budget` or `user` (Ctrl-C).
        """
        try:
            for number, standing in self._visits():
                self._progress.show(self._moment(number, standing.cohort.title()))
                self._record(self._visit(standing))
        except KeyboardInterrupt:
            return "user"
        if any(standing.active for standing in self.standings):
            return "budget"
        return "visits" if any(standing.capped for standing in self.standings) else "settled"

    def _visits(self) -> Iterator[tuple[int, Standing]]:
        """Passes over the cohorts that need one more visit; the memory pass follows the first.

        The order is random; in a pass that the budget will cut short the most undecided come first.
        """
        number = 0
        while todo := [s for s in self.standings if s.active and self._affords(s.seconds)]:
            number += 1
            order = [todo[index] for index in self._rng.permutation(len(todo))]
            if number > 1 and not self._affords(sum(standing.seconds for standing in todo)):
                order.sort(key=lambda standing: -standing.width)
            for standing in order:
                if self._affords(standing.seconds):
                    yield number, standing
            if number == 1 and self._memory:
                self._memory_pass()

    def _affords(self, seconds: float) -> bool:
        """Whether the budget has room for `seconds` more, and for the memory pass."""
        if self._deadline is None:
            return True
        return self._clock() + self._memory_left * _MEMORY_GUESS_S + seconds <= self._deadline

    def _record(self, record: Record) -> None:
        self.records.append(record)
        self._keep(record)
        if record["kind"] == "visit":
            standing = self.standings[record["cohort"]]
            standing.absorb(record)
            self._rest(standing)

    def _visit(self, standing: Standing) -> Record:
        """One visit: in a process that slept, or in a new one that builds first."""
        start = self._clock()
        slot = self._slot(standing)
        record: Record = {"kind": "visit", "cohort": standing.number, "process": slot.process}
        record |= {"start_seconds": 0.0, "visit_seconds": 0.0, "built": {}, "failed": {}, "samples": {}}
        try:
            if slot.worker is None:
                slot.worker = self._build(standing, record)
            names = [name for name in standing.active if name not in record["failed"]]
            if names:
                self._sample(slot.worker, names, record)
        except TaskFailedError as failure:
            slot.worker = None
            record["failed"][failure.variant] = {"status": failure.status, "reason": failure.reason}
            record["samples"] = {}
        record["seconds"] = self._clock() - start
        return record

    def _build(self, standing: Standing, record: Record) -> WorkerLike:
        worker = self._fork(standing)
        answer = worker.ask(
            {
                "op": "build",
                **standing.cohort.request(standing.active, self._seed),
                "iterations": standing.iterations,
                "check": standing.unchecked,
            }
        )
        record["built"], record["failed"] = answer["built"], answer["failed"]
        self.time["start_s"] += answer["start_s"] + answer["inputs_s"]
        checked = sum(built["verify_s"] for built in answer["built"].values())
        record["start_seconds"] = answer["start_s"] + answer["seconds"] - checked
        for built in answer["built"].values():
            self.time["first_calls_s"] += built["first_call_s"]
            self.time["verify_s"] += built["verify_s"]
            self.time["warm_up_s"] += built["warm_up_s"]
        return worker

    def _sample(self, worker: WorkerLike, names: list[str], record: Record) -> None:
        seed, rounds = int(self._rng.integers(2**32)), self.standings[record["cohort"]].rounds
        answer = worker.ask({"op": "visit", "variants": names, "seed": seed, "rounds": rounds})
        record["samples"], record["visit_seconds"] = answer["samples"], answer["seconds"]
        record |= {name: answer.get(name) for name in ("reference", "stolen", "throttled")}
        record["failed"] |= answer.get("failed", {})
        iterations = {**self.standings[record["cohort"]].iterations}
        iterations.update({name: built["iterations"] for name, built in record["built"].items()})
        self.time["warm_up_s"] += answer.get("warm_up_s", 0.0)
        for name, samples in answer["samples"].items():
            self.time["samples_s"] += iterations[name] * sum(s for s in samples if s is not None)

    def _memory_pass(self) -> None:
        start = self._clock()
        for standing in self.standings:
            for name in standing.cohort.variants:
                self._memory_left -= 1
                late = self._deadline is not None and self._clock() > self._deadline
                if name not in standing.failed and not late:
                    self._progress.show(self._moment(1, f"memory of {name}, {standing.cohort.title()}"))
                    self._record(self._read_memory(standing, name))
        self.time["memory_s"] += self._clock() - start

    def _read_memory(self, standing: Standing, name: str) -> Record:
        record: Record = {"kind": "memory", "cohort": standing.number, "variant": name}
        try:
            worker = self._fork(standing)
            record |= worker.ask({"op": "memory", **standing.cohort.request([name], self._seed)})
            worker.close()
        except TaskFailedError as failure:
            record |= {"status": failure.status, "reason": failure.reason}
        return record

    def _fork(self, standing: Standing) -> WorkerLike:
        return self._hosts[standing.cohort.setting.backend].fork(self._control.task_timeout)

    def _slot(self, standing: Standing) -> _Slot:
        """The place of this visit: visits take turns over the places, in a process that slept or a new one."""
        slots = self._slots[standing.number]
        place = standing.visits % PROCESSES
        if place < len(slots):
            if slots[place].worker is not None and slots[place].visits < VISITS_A_PROCESS:
                slots[place].visits += 1
                return slots[place]
            self._end(slots[place])
        slot = _Slot(self._processes[standing.number], visits=1)
        self._processes[standing.number] += 1
        slots[place : place + 1] = [slot]
        return slot

    def _rest(self, standing: Standing) -> None:
        """Leave a worker asleep where starting another is dear, unless sleepers would fill the memory."""
        asleep = sum(s.worker is not None for slots in self._slots.values() for s in slots)
        free = psutil.virtual_memory()
        full = asleep > MOST_ASLEEP or free.available < _LEAST_FREE_SHARE * free.total
        if full or not standing.start_is_dear or not standing.active:
            for slot in self._slots[standing.number]:
                self._end(slot)

    @staticmethod
    def _end(slot: _Slot) -> None:
        if slot.worker is not None:
            slot.worker.close()
            slot.worker = None

    def _moment(self, number: int, now: str) -> Moment:
        done = sum(not standing.active for standing in self.standings)
        settled = sum(len(s.settled) + len(s.failed) for s in self.standings)
        return Moment(number, done, len(self.standings), settled, self._plan.tasks, self._seconds_left(), now)

    def _seconds_left(self) -> float | None:
        """A guess: the visits that each open cohort needs at least, at what its last one took."""
        visited = [s.seconds for s in self.standings if s.visits]
        if not visited:
            return None
        typical = sum(visited) / len(visited)
        needed = [
            max(1, LEAST_VISITS - s.visits) * (s.seconds if s.visits else typical) for s in self.standings if s.active
        ]
        left = sum(needed) + self._memory_left * _MEMORY_GUESS_S
        return left if self._deadline is None else min(left, max(0.0, self._deadline - self._clock()))
