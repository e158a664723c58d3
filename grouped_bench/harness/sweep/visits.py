"""Visits: what one is asked to do, and how it is carried out in a process of this machine."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from grouped_bench.errors import GroupedBenchError, HostError
from grouped_bench.harness.processes.slots import VISITS_A_PROCESS, HostLike, Processes, Slot
from grouped_bench.harness.processes.workers import INTERRUPTED, Limits, TaskFailedError
from grouped_bench.harness.sweep.readings import MemoryOrder, Readings
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

# What a record's time is spent on: starts of processes, first calls, checks, warm-up, samples, memory readings.
SPENT = ("start_s", "search_s", "first_calls_s", "verify_s", "warm_up_s", "samples_s", "memory_s")
# A worker that waits for its turn to run misses some time; one whose clock was tampered with a good deal more.
_MOST_MISSING, _MOST_MISSING_S = 0.1, 0.5
# A visit in which the host dies is made again; another death is the cohort's doing.
_MOST_DEATHS = 2

# Of the answer to a visit: what is reckoned with here, and what a worker may leave unsaid.
_NOT_RECORDED = ("seconds", "warm_up_s", "verify_s", "failed")
_UNKNOWN: Json = dict.fromkeys(("reference", "beside", "stolen", "throttled"))


@dataclasses.dataclass(frozen=True)
class Order:
    """What a visit is asked to do. All of it can be sent to another machine.

    Attributes:
        cohort: number of the cohort.
        host: of its setting.
        task: what each message to a worker says: case, setting, seed, choices and the variants to visit.
        made: visits of the cohort so far, by which its processes take turns.
        processes: processes of the cohort so far; the next one has this number.
        left_s: seconds until the run's time is over; None without a budget.
        build: what a new process is asked to build by, beside `task`: see `Workbench.build`.
        sample: what it is asked to sample by: see `Workbench.visit`.
        failed: outcomes that are known beforehand.
        turn: number that the visits of a family in a row share; None where there is no family.
    """

    cohort: int
    host: HostKey
    task: Json
    made: int
    processes: int
    left_s: float | None
    build: Json
    sample: Json
    failed: Json = dataclasses.field(default_factory=dict)
    turn: int | None = None

    @property
    def variants(self) -> list[str]:
        """The variants to visit."""
        return list(self.task["variants"])


class LostError(GroupedBenchError):
    """A place that visits is gone, and what it had begun with it."""


class VisitorLike(Protocol):
    """A place that visits cohorts: this machine, or another one's device. Each may raise LostError."""

    name: str | None

    @property
    def drift(self) -> float:
        """By how much its speed has moved since it began, as a share."""

    def visit(self, order: Order) -> Json:
        """The record of a visit."""

    def read(self, batch: Sequence[MemoryOrder]) -> list[Json]:
        """The records of readings of memory."""

    def rest(self, cohort: int, *, is_needed: bool) -> None:
        """Leave the processes of a cohort asleep, or end them where no other visit needs them."""


class Visitor:
    """Carries out visits, and readings of memory, on this machine.

    Args:
        hosts: a host for each backend and environment.
        control: what a task may take.
        visits_a_process: how many visits of a cohort a process serves where starting one is dear.
        clock: seconds.
    """

    name: str | None = None
    # What the machine at hand does, every verdict reckons with.
    drift = 0.0

    def __init__(
        self,
        hosts: Mapping[HostKey, HostLike],
        control: Control,
        visits_a_process: int = VISITS_A_PROCESS,
        clock: Clock = read_clock,
    ) -> None:
        self._clock = clock
        self._processes = Processes(hosts, Limits(control.task_timeout, control.memory_limit), visits_a_process, clock)
        self._readings = Readings(self._processes, clock)

    def read(self, batch: Sequence[MemoryOrder]) -> list[Json]:
        """The records of readings of memory."""
        return self._readings.read(batch)

    def rest(self, cohort: int, *, is_needed: bool) -> None:
        """Leave the processes of a cohort asleep, or end them where no other visit needs them."""
        self._processes.rest(cohort, is_needed=is_needed)

    def visit(self, order: Order) -> Json:
        """The record of a visit; where its host dies, of one more."""
        for _ in range(_MOST_DEATHS):
            start = self._clock()
            slot = self._processes.slot(order.cohort, order.host, order.made, order.processes)
            record: Json = {"kind": "visit", "cohort": order.cohort, "process": slot.process}
            record |= {"start_seconds": 0.0, "visit_seconds": 0.0, "built": {}, "samples": {}}
            record |= {"failed": dict(order.failed), "time": dict.fromkeys(SPENT, 0.0)}
            record |= {} if order.turn is None else {"turn": order.turn}
            try:
                self._fill(record, order, slot)
            except HostError as error:
                death = error
                self._processes.revive(order.host)
            else:
                record["seconds"] = self._clock() - start
                return record
        reason = f"the host process ended {_MOST_DEATHS} times: {death.received}"
        record |= {"built": {}, "samples": {}, "seconds": self._clock() - start}
        record["failed"] |= {name: {"status": "crashed", "reason": reason} for name in order.variants}
        return record

    def _fill(self, record: Json, order: Order, slot: Slot) -> None:
        """Make the visit of `record`: in a process that slept, or in a new one that builds first."""
        try:
            if slot.worker is None and order.variants:
                self._build(record, order, slot)
            names = [name for name in order.variants if name not in record["failed"]]
            if slot.worker is not None and names:
                built = [name for name in names if name in (record["built"] or names)]
                self._sample(record, order, slot, built)
                if len(built) < len(names):
                    slot.end()
        except TaskFailedError as failure:
            slot.worker = None
            record["samples"] = {}
            if failure.status == INTERRUPTED:
                record["cut_short"] = {"variant": failure.variant, "reason": failure.reason}
                return
            outcome = {"status": failure.status, "reason": failure.reason}
            names = order.variants if failure.variant is None else [failure.variant]
            record["failed"] |= dict.fromkeys(names, outcome)

    def _build(self, record: Json, order: Order, slot: Slot) -> None:
        slot.worker = self._processes.fork(order.host, order.left_s)
        answer = slot.worker.ask({"op": "build", **order.task, **order.build})
        record["failed"] |= answer["failed"]
        spent, built = record["time"], answer["built"].values()
        spent["start_s"] = answer["start_s"] + answer["inputs_s"]
        for name in ("search_s", "first_call_s", "verify_s", "warm_up_s"):
            spent[name.replace("call_s", "calls_s")] = math.fsum(one.get(name, 0.0) for one in built)
        record["start_seconds"] = answer["start_s"] + answer["seconds"] - spent["verify_s"] - spent["search_s"]
        if answer.get("spoilt"):
            slot.end()  # what has failed may have left a broken device or a full memory to those after it
        else:
            record["built"] = answer["built"]

    def _sample(self, record: Json, order: Order, slot: Slot, names: list[str]) -> None:
        assert slot.worker is not None
        start = self._clock()
        answer = slot.worker.ask({"op": "visit", "variants": names, **order.sample})
        answer |= _misjudged_time(names, answer["seconds"], self._clock() - start)
        verify_s = answer.get("verify_s", 0.0)
        record["visit_seconds"] = answer["seconds"] - verify_s
        record["time"]["verify_s"] += verify_s
        record |= _UNKNOWN | {name: value for name, value in answer.items() if name not in _NOT_RECORDED}
        iterations = {**order.build["iterations"], **{n: built["iterations"] for n, built in record["built"].items()}}
        record["time"]["warm_up_s"] += answer.get("warm_up_s", 0.0)
        record["time"]["samples_s"] = math.fsum(
            iterations[name] * sample for name, made in answer["samples"].items() for sample in made if sample
        )
        if answer.get("failed"):
            record["failed"] |= answer["failed"]
            slot.end()


def _misjudged_time(names: Sequence[str], told_s: float, elapsed_s: float) -> Json:
    """The failure of a visit whose worker tells of less time than it took; nothing where both clocks agree."""
    missing = elapsed_s - told_s
    if missing <= max(_MOST_MISSING_S, _MOST_MISSING * elapsed_s):
        return {}
    reason = f"its clock shows {told_s:.3g} s, but {elapsed_s:.3g} s passed"
    return {"samples": {}, "failed": {name: {"status": "error", "reason": reason} for name in names}}
