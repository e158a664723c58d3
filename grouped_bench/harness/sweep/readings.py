"""Readings of memory: the peak of a task in a process of its own, as many at once as disturb no other."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from grouped_bench.errors import HostError
from grouped_bench.harness.processes.slots import Processes, WorkerLike
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.measure.machine.available_memory import memory_left
from grouped_bench.measure.rounds import Clock
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

# Tasks are read at once only where each may take so many times what it must read and write.
_ROOM = 32


@dataclasses.dataclass(frozen=True)
class MemoryOrder:
    """A task whose memory is to be read. All of it can be sent to another machine.

    Attributes:
        cohort: number of its cohort.
        host: of its setting.
        task: what each message to a worker says: case, setting, seed, choices and the one variant.
        expected_s: seconds of a call, where they are known.
        least_bytes: what the task reads and writes at least.
        left_s: seconds until the run's time is over; None without a budget.
    """

    cohort: int
    host: HostKey
    task: Json
    expected_s: Json
    least_bytes: int
    left_s: float | None = None

    @property
    def variant(self) -> str:
        """The variant of the task."""
        return str(self.task["variants"][0])


class Readings:
    """Makes readings on this machine.

    Args:
        processes: what forks workers.
        clock: seconds.
    """

    def __init__(self, processes: Processes, clock: Clock) -> None:
        self._processes, self._clock = processes, clock
        self._dead: set[HostKey] = set()

    def read(self, batch: Sequence[MemoryOrder]) -> list[Json]:
        """The records of tasks that may be read side by side, where there is room for it.

        What failed beside others is read again alone, so that none fails for another.
        """
        return [record for some in _with_room(batch) for record in self._together(some)]

    def _together(self, batch: Sequence[MemoryOrder]) -> list[Json]:
        start = self._clock()
        records = self._read(batch)
        if len(batch) > 1:
            pairs = zip(batch, records, strict=True)
            records = [self._read([reading])[0] if "status" in record else record for reading, record in pairs]
        each = (self._clock() - start) / len(batch)
        return [record | {"time": {"memory_s": each}} for record in records]

    def _read(self, batch: Sequence[MemoryOrder]) -> list[Json]:
        begun = [self._begin(reading) for reading in batch]
        records = [self._finish(reading, worker) for reading, worker in zip(batch, begun, strict=True)]
        for host in self._dead:  # not before: it would end the other workers under their readings
            self._processes.revive(host)
        self._dead.clear()
        return records

    def _begin(self, reading: MemoryOrder) -> WorkerLike | Json:
        """A worker that reads, or how its start failed."""
        try:
            worker = self._processes.fork(reading.host, reading.left_s)
            worker.begin({"op": "memory", **reading.task, "expected_s": reading.expected_s})
        except TaskFailedError as failure:
            return {"status": failure.status, "reason": failure.reason}
        except HostError as error:
            return self._died(reading, error)
        return worker

    def _finish(self, reading: MemoryOrder, worker: WorkerLike | Json) -> Json:
        record: Json = {"kind": "memory", "cohort": reading.cohort, "variant": reading.variant}
        if isinstance(worker, Mapping):
            return record | worker
        try:
            record |= worker.answer()
            worker.close()
        except TaskFailedError as failure:
            record |= {"status": failure.status, "reason": failure.reason}
        except HostError as error:
            record |= self._died(reading, error)
        return record

    def _died(self, reading: MemoryOrder, error: HostError) -> Json:
        self._dead.add(reading.host)
        return {"status": "crashed", "reason": f"the host process ended: {error.received}"}


def _with_room(batch: Sequence[MemoryOrder]) -> Iterator[list[MemoryOrder]]:
    """The batch in parts, each of which finds room in memory."""
    part: list[MemoryOrder] = []
    for reading in batch:
        if part and _ROOM * sum(one.least_bytes for one in (*part, reading)) > memory_left():
            yield part
            part = []
        part.append(reading)
    if part:
        yield part
