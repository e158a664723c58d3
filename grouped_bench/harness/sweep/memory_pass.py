"""The memory pass: the peak of every task, each in a process of its own, as many at once as disturb no reading."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from grouped_bench.errors import HostError
from grouped_bench.harness.processes.slots import Processes, WorkerLike
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.measure.machine.available_memory import memory_left
from grouped_bench.measure.rounds import Clock
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

_GUESS_S = 0.3
# Tasks are read at once only where each may take so many times what it must read and write.
_ROOM = 32


@dataclasses.dataclass(frozen=True)
class Unread:
    """A task whose memory is to be read."""

    standing: Standing
    variant: str

    @property
    def least_bytes(self) -> int:
        """What the task reads and writes at least."""
        cohort = self.standing.cohort
        return cohort.counts(self.variant, self.standing.choices.get(self.variant)).min_bytes


class MemoryPass:
    """What is left of the memory pass of a run; nothing is timed in it, so tasks are read side by side.

    Args:
        standings: the run's cohorts.
        processes: what forks workers.
        seed: of inputs and weights.
        clock: seconds.
        at_once: tasks read side by side at most; those of a GPU one by one.
    """

    def __init__(
        self, standings: Sequence[Standing], processes: Processes, seed: int, clock: Clock, at_once: int
    ) -> None:
        self._processes, self._seed, self._clock, self._at_once = processes, seed, clock, at_once
        self._dead: set[HostKey] = set()
        self.unread = {(s.number, name): Unread(s, name) for s in standings for name in s.cohort.variants}

    @property
    def guess_s(self) -> float:
        """What the rest of it may take."""
        return len(self.unread) * _GUESS_S

    def batches(self) -> Iterator[list[Unread]]:
        """What is to be read at once, until all is read; tasks that have failed are left out."""
        while self.unread:
            self._leave_out_failed()
            batch: list[Unread] = []
            for reading in self.unread.values():
                if batch and not self._fits(reading, batch):
                    break
                batch.append(reading)
            if batch:
                yield batch
            for reading in batch:  # what was not read is not tried for ever
                self.unread.pop((reading.standing.number, reading.variant), None)

    def _leave_out_failed(self) -> None:
        for key, reading in list(self.unread.items()):
            if reading.variant in reading.standing.failed:
                del self.unread[key]

    def _fits(self, reading: Unread, batch: Sequence[Unread]) -> bool:
        """Whether a task may be read beside others: on a processor, and with room for all of them."""
        devices = {one.standing.cohort.setting.device for one in (*batch, reading)}
        if len(batch) >= self._at_once or any(not device.startswith("cpu") for device in devices):
            return False
        return _ROOM * sum(one.least_bytes for one in (*batch, reading)) <= memory_left()

    def read(self, batch: Sequence[Unread]) -> list[Json]:
        """The records of a batch; what failed beside others is read again alone, so that none fails for another."""
        start = self._clock()
        records = self._read(batch)
        if len(batch) > 1:
            pairs = zip(batch, records, strict=True)
            records = [self._read([reading])[0] if "status" in record else record for reading, record in pairs]
        each = (self._clock() - start) / len(batch)
        return [record | {"time": {"memory_s": each}} for record in records]

    def _read(self, batch: Sequence[Unread]) -> list[Json]:
        begun = [self._begin(reading) for reading in batch]
        records = [self._finish(reading, worker) for reading, worker in zip(batch, begun, strict=True)]
        for host in self._dead:  # not before: it would end the other workers under their readings
            self._processes.revive(host)
        self._dead.clear()
        return records

    def _begin(self, reading: Unread) -> WorkerLike | Json:
        """A worker that reads, or how its start failed."""
        standing = reading.standing
        try:
            worker = self._processes.fork(standing.cohort.setting.host)
            request = standing.cohort.request([reading.variant], self._seed, standing.choices)
            worker.begin({"op": "memory", **request, "expected_s": standing.seconds_a_call})
        except TaskFailedError as failure:
            return {"status": failure.status, "reason": failure.reason}
        except HostError as error:
            return self._died(standing, error)
        return worker

    def _finish(self, reading: Unread, worker: WorkerLike | Json) -> Json:
        record: Json = {"kind": "memory", "cohort": reading.standing.number, "variant": reading.variant}
        if isinstance(worker, Mapping):
            return record | worker
        try:
            record |= worker.answer()
            worker.close()
        except TaskFailedError as failure:
            record |= {"status": failure.status, "reason": failure.reason}
        except HostError as error:
            record |= self._died(reading.standing, error)
        return record

    def _died(self, standing: Standing, error: HostError) -> Json:
        self._dead.add(standing.cohort.setting.host)
        return {"status": "crashed", "reason": f"the host process ended: {error.received}"}
