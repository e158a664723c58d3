"""Two interpreters measured in turn: as many visits on both sides, side by side, whatever ends them."""

import dataclasses
import functools

import numpy as np
import pytest
from fake_clock import FakeClock
from fake_hosts import FakeHost, FakeWorker
from killed_runs import COSTS, Quick

import grouped_bench as gb
from grouped_bench.analyse.compare.again import Again
from grouped_bench.api.gate import compare
from grouped_bench.errors import CutShortError, HostError, OutputError, RunError, UnavailableError
from grouped_bench.harness import session
from grouped_bench.harness.processes import probing
from grouped_bench.harness.side_by_side import runs as side_by_side
from grouped_bench.report.comparison import table
from grouped_bench.store.journal import Journal, read_journal
from grouped_bench.store.runs import read_run, write_run

SPACE = {"groups": [2, 4], "channels": 8, "size": 5, "variant": list(COSTS)}
VISITS = 12


class Sides:
    """Fake hosts for interpreters called `base` and `head`; keeps whose worker was asked for which visit."""

    def __init__(self, head_costs=COSTS, **head):
        self.costs, self.more = {"base": COSTS, "head": head_costs}, {"base": {}, "head": head}
        self.visits, self.hosts, self.worker, self.clock = [], [], Quick, None

    def host(self, name, files, *, env, padding, threads, tf32, python):
        side = python.rpartition("/")[2]
        host = FakeHost(self.clock or FakeClock(), self.costs[side], spread=0.005, seed=len(side), **self.more[side])
        visits = self.visits
        self.hosts.append(host)

        class Told(self.worker):
            def _visit(self, request):
                visits.append((side, tuple(request["variants"])))
                return super()._visit(request)

        host.worker = Told
        return host


@pytest.fixture
def pythons(tmp_path):
    """Two programs that stand for interpreters."""
    made = []
    for side in side_by_side.ROLES:
        path = tmp_path / side
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        made.append(path)
    return made


@pytest.fixture
def measure(monkeypatch, tmp_path, pythons):
    """Measures with the hosts of `sides`, under `out`."""

    def run(sides=None, **more):
        monkeypatch.setattr(probing, "Host", (sides or Sides()).host)
        given = {"visits": VISITS, "seed": 3, "out": tmp_path / "out", **more}
        return gb.run_both(*pythons, gb.Space(**SPACE), **given)

    return run


def counts(run):
    """Visits of each task."""
    return [len(visits) for visits in run.frame["samples_s"]]


def test_both_sides_have_every_visit_and_name_each_other(measure):
    base, head = measure()
    assert counts(base) == counts(head) == [VISITS] * 6
    for one, other, role in ((base, head, "base"), (head, base, "head")):
        assert one.metadata["side_by_side"] == {"role": role, "partner": other.metadata["run_id"]}
        assert one.metadata["stopped_by"] == "visits"
        assert all(list(made) == list(range(VISITS)) for made in one.frame["visit_process"])
        assert one.frame["peak_memory_bytes"].notna().all()


def test_a_visit_of_one_side_is_followed_by_that_of_the_other(measure):
    sides = Sides()
    measure(sides, memory=False)
    turns = [sides.visits[place : place + 2] for place in range(0, len(sides.visits), 2)]
    assert len(turns) == 2 * VISITS
    assert all({side for side, _ in turn} == {"base", "head"} for turn in turns)
    assert 0.2 < np.mean([turn[0][0] == "base" for turn in turns]) < 0.8  # neither is always first


def test_settled_pairs_are_visited_on(measure):
    base, head = measure(least_visits=1)
    assert counts(base) == counts(head) == [VISITS] * 6


def test_tasks_that_are_worse_are_measured_again_and_judged_by_all_visits(measure):
    slower = Sides({**COSTS, "grouped": 1.2 * COSTS["grouped"]})
    first = measure(slower, visits=4)
    found = compare.compare(*(run.path for run in first))
    again = Again.of(found)
    assert {task.head.columns["variant"] for task in found.comparison.open_tasks} == {"grouped"}
    narrow = dataclasses.replace(again, cohorts=frozenset(list(again.cohorts)[:1]))
    second = measure(slower, visits=4, again=narrow)
    assert [len(run.frame) for run in second] == [3, 3]
    for run, earlier in zip(second, first, strict=True):
        assert run.metadata["side_by_side"]["rerun_of"] == earlier.metadata["run_id"]
    bases, heads = ([one.path, other.path] for one, other in zip(first, second, strict=True))
    both = compare.compare(bases, heads)
    assert (both.comparison.basis, both.verdict) == ("paired and normalised", "regression")
    assert sorted(len(task.head.latencies) for task in both.comparison.tasks) == [4] * 3 + [8] * 3
    assert not both.base.others and not both.head.others
    told = table.render(both, "table")
    assert "the later ones of what was open in the first" in " ".join(told.split())
    assert "--as-one" not in told


def test_where_all_is_well_nothing_is_measured_again(measure):
    assert Again.of(compare.compare(*(run.path for run in measure()))) is None


@pytest.fixture
def clock(monkeypatch):
    """One clock of both hosts and of what measures on them."""
    clock = FakeClock()
    monkeypatch.setattr(side_by_side, "read_clock", clock)
    monkeypatch.setattr(session, "read_clock", clock)
    monkeypatch.setattr(session, "Sweep", functools.partial(session.Sweep, clock=clock))
    monkeypatch.setattr(session, "Visitor", functools.partial(session.Visitor, clock=clock))
    return clock


def test_every_visit_has_a_process_of_its_own_where_starting_is_dear_too(measure, clock):
    sides = Sides()
    sides.clock, sides.worker = clock, FakeWorker
    measure(sides, memory=False)
    assert [host.forked for host in sides.hosts] == [
        2 + 2 * VISITS
    ] * 2  # one was asked for its devices, one for what is in force


def test_the_answer_pairs_the_visits(measure):
    base, head = measure(Sides({**COSTS, "grouped": 1.1 * COSTS["grouped"]}))
    found = compare.compare(base.path, head.path)
    assert found.comparison.basis == "paired and normalised"
    worse = {task.head.columns["variant"] for task in found.comparison.tasks if task.verdict == "regression"}
    assert worse == {"grouped"}
    assert compare.compare(base.path, base.path).comparison.basis == "normalised"


def test_the_same_on_both_sides_is_no_regression(measure):
    base, head = measure()
    assert compare.compare(base.path, head.path).verdict == "unchanged"


def test_what_fails_on_one_side_alone_is_a_regression(measure):
    refused = {"split_sum": {"status": "unsupported", "reason": "not there"}}
    base, head = measure(Sides(faults=refused))
    assert set(head.frame.loc[head.frame["variant"] == "split_sum", "status"]) == {"unsupported"}
    found = compare.compare(base.path, head.path)
    worse = {task.head.columns["variant"] for task in found.comparison.tasks if task.verdict == "regression"}
    assert worse == {"split_sum"}
    assert counts(base)[0] == counts(head)[0] == VISITS


def test_preset_ci_says_how_long_and_what(monkeypatch, tmp_path, pythons):
    usual, asked = gb.Space.preset("ci"), []
    monkeypatch.setattr(
        side_by_side, "carry_out_both", lambda order, pythons, again: asked.append((order, pythons)) or 1 / 0
    )
    for space, options in ((None, {}), (gb.Space(groups=2, control={"budget": "9m"}), {"visits": 5})):
        with pytest.raises(ZeroDivisionError):
            gb.run_both(*pythons, space, out=tmp_path, **options)
    (first, given), (second, _) = asked
    assert given == tuple(map(str, pythons))
    assert first.space["source"] == usual.source
    assert (first.control.visits, first.control.reference) == (usual.control["visits"], "case")
    assert (second.control.visits, second.control.budget, second.control.reference) == (5, 540.0, "case")


@pytest.mark.parametrize("slower", [1, 30])
def test_a_budget_ends_both_with_as_many_visits(measure, clock, slower):
    sides = Sides({name: slower * cost for name, cost in COSTS.items()})
    sides.clock, sides.worker = clock, FakeWorker
    base, head = measure(sides, budget=17.0, memory=False)
    assert base.metadata["stopped_by"] == head.metadata["stopped_by"] == "budget"
    assert counts(base) == counts(head)
    assert 1 <= min(counts(base)) < VISITS
    assert 12 < clock.now <= 17.0


def test_a_stop_keeps_both(measure, monkeypatch, tmp_path):
    stops = iter([False] * 5)
    monkeypatch.setattr(side_by_side, "interrupts", lambda: _Stopping(lambda: next(stops, True)))
    base, head = measure()
    assert base.metadata["stopped_by"] == head.metadata["stopped_by"] == "user"
    assert counts(base) == counts(head)
    assert sum(counts(base)) == 5 * len(COSTS)
    assert not list(tmp_path.rglob("*.journal"))


class _Stopping:
    def __init__(self, stop):
        self.stop = stop

    def __enter__(self):
        return self.stop

    def __exit__(self, *_):
        return False


def test_a_full_disk_keeps_both_journals_which_can_be_compared_and_not_gone_on_with(measure, monkeypatch, tmp_path):
    room = iter(range(13))

    class Full(Journal):
        def append(self, record):
            if next(room, None) is None:
                raise OutputError("The disk must have room", received="none", remedy="Make room")
            super().append(record)

    monkeypatch.setattr("grouped_bench.harness.session.Journal", Full)
    with pytest.raises(CutShortError, match="The disk must have room") as caught:
        measure()
    journals = sorted(tmp_path.rglob("*.journal"))
    assert len(journals) == 2
    assert all(str(journal) in caught.value.remedy for journal in journals)
    assert all(read_journal(journal)[1] for journal in journals)
    assert compare.compare(*journals).comparison.basis == "paired and normalised"
    with pytest.raises(RunError, match="side by side"):
        gb.resume(journals[0], page=False)


def test_a_disk_that_is_full_at_the_very_end_keeps_both_journals(measure, monkeypatch, tmp_path):
    written = []

    def write(frame, metadata, path):
        written.append(path)
        if len(written) == 2:
            raise OutputError("The file of a run must be writable", received="no space", remedy="Make room")
        return write_run(frame, metadata, path)

    monkeypatch.setattr("grouped_bench.harness.session.write_run", write)
    with pytest.raises(CutShortError, match="no space") as caught:
        measure()
    journals = sorted(tmp_path.rglob("*.journal"))
    assert len(journals) == 2
    assert all(str(journal) in caught.value.remedy for journal in journals)


def test_what_cannot_begin_leaves_nothing(measure, monkeypatch, tmp_path):
    sides = Sides()
    plain = sides.host

    def host(*arguments, python, **named):
        if python.endswith("head"):
            raise HostError("The backend must start", received="silence", remedy="Mend it")
        return plain(*arguments, python=python, **named)

    sides.host = host
    with pytest.raises(HostError):
        measure(sides)
    assert not list(tmp_path.rglob("*.journal"))
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.parametrize("name", ["none/bin/python", ".", "README"])
def test_an_interpreter_is_a_program(pythons, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README").write_text("no program")
    with pytest.raises(UnavailableError, match="An interpreter must be an executable program"):
        gb.run_both(pythons[0], name, gb.Space(**SPACE), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_virtual_environment_keeps_its_own_link(monkeypatch, tmp_path, pythons):
    link = tmp_path / "venv"
    link.symlink_to(pythons[0])
    asked = []
    monkeypatch.setattr(side_by_side, "carry_out_both", lambda order, pythons, again: asked.append(pythons) or 1 / 0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError):
        gb.run_both("./venv", pythons[1], gb.Space(**SPACE), out=tmp_path)
    assert asked == [(str(link), str(pythons[1]))]


def test_neither_side_tells_the_commit_of_the_folder_at_hand(measure, monkeypatch):
    monkeypatch.setattr(
        "grouped_bench.harness.facts.header.read_commit", lambda: {"id": "a" * 40, "date": "", "dirty": False}
    )
    base, head = measure()
    assert base.metadata["commit"] is head.metadata["commit"] is None
    assert read_run(base.path)[1]["commit"] is None
