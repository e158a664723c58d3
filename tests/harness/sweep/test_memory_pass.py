"""The memory pass: side by side where nothing is timed, and no reading fails for another's sake."""

import dataclasses

from fake_hosts import FakeHost, FakeWorker, crash
from sweeping import Sweeping

from grouped_bench.errors import HostError
from grouped_bench.harness.sweep import readings
from grouped_bench.harness.sweep.memory_pass import MemoryPass

COSTS = {"regular": 0.01, "grouped": 0.001, "split_sum": 0.05}


class Together(FakeHost):
    """Says how many workers read at once, and fails those that `fails` picks by the number at work."""

    def __init__(self, costs, fails=lambda variant, at_work: False):
        super().__init__(None, costs)
        self.fails, self.at_work, self.seen, self.restarts = fails, 0, [], 0
        self.worker = Reader

    def restart(self):
        assert self.at_work == 0, "others were still reading"
        self.restarts += 1


class Reader(FakeWorker):
    def begin(self, request):
        super().begin(request)
        self.host.at_work += 1
        self.at_work = self.host.at_work

    def answer(self):
        self.host.seen.append(self.host.at_work)
        failed = self.host.fails(self.begun["variants"][0], max(self.at_work, self.host.at_work))
        self.host.at_work -= 1
        if failed:
            self.host.alive -= 1
            raise crash(self.begun["variants"][0]) if failed is True else failed
        return super().answer()


def read(run):
    return {(r["cohort"], r["variant"]): r.get("status") for r in run.kept if r["kind"] == "memory"}


def test_tasks_are_read_side_by_side_and_each_once():
    host = Together(COSTS)
    run = Sweeping(COSTS, cohorts=2, host=host, memory=True, memory_at_once=2)
    assert max(host.seen) == 2
    assert read(run) == {(cohort, name): None for cohort in range(2) for name in COSTS}
    assert sum(r["kind"] == "memory" for r in run.kept) == 6
    assert host.alive == 0


def test_what_fails_beside_another_is_read_again_alone():
    host = Together(COSTS, fails=lambda variant, at_work: variant == "grouped" and at_work > 1)
    run = Sweeping(COSTS, host=host, memory=True, memory_at_once=3)
    assert set(read(run).values()) == {None}
    broken = Together(COSTS, fails=lambda variant, at_work: variant == "grouped")
    assert read(Sweeping(COSTS, host=broken, memory=True, memory_at_once=3))[0, "grouped"] == "crashed"


def test_a_host_that_dies_under_several_readings_costs_none_of_them():
    death = HostError("A host must answer", received="silence", remedy="Try again")
    host = Together(COSTS, fails=lambda variant, at_work: death if at_work > 2 else False)
    run = Sweeping(COSTS, host=host, memory=True, memory_at_once=3)
    assert set(read(run).values()) == {None}
    assert host.restarts == 1


def test_large_tasks_and_those_of_a_gpu_are_read_one_by_one(monkeypatch):
    monkeypatch.setattr(readings, "memory_left", lambda: 10_000)
    host = Together(COSTS)
    Sweeping(COSTS, host=host, memory=True, memory_at_once=3)
    assert set(host.seen) == {1}
    monkeypatch.undo()
    run = Sweeping(COSTS, memory=True)
    (standing,) = run.standings
    found = MemoryPass(run.standings, 0, 3)
    on_gpu = dataclasses.replace(standing.cohort, setting=dataclasses.replace(standing.cohort.setting, device="gpu:0"))
    standing.cohort = on_gpu
    assert [len(batch) for batch in found.batches({0})] == [1, 1, 1]
