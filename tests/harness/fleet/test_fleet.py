"""Runs on several nodes: whole cohorts are dealt out, and what a lost node had begun is begun anew."""

import json
import random
import threading
import time
from collections import defaultdict

import pytest
from fleets import FakeEngine, FakeNode, Meter
from killed_runs import SPACE, fake_host

import grouped_bench as gb
from grouped_bench.errors import CutShortError, RunError, SpaceError, UnavailableError
from grouped_bench.harness.fleet import fleet
from grouped_bench.harness.fleet.agent import Agent
from grouped_bench.harness.processes import probing
from grouped_bench.harness.record import MOVED, measured
from grouped_bench.harness.request import RunRequest
from grouped_bench.store.journal import Journal, read_journal

TASKS = 24


@pytest.fixture
def fake(monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "Host", fake_host)
    return tmp_path


@pytest.fixture
def records(monkeypatch):
    """Every record that reaches a journal."""
    kept = []

    class Watched(Journal):
        def append(self, record):
            super().append(record)
            if "cohort" in record:
                kept.append(json.loads(json.dumps(record)))

    monkeypatch.setattr(fleet, "Journal", Watched)
    monkeypatch.setattr("grouped_bench.harness.session.Journal", Watched)
    return kept


def request(out, **more):
    return RunRequest.of(gb.Space(**SPACE), {"out": out, "seed": 3, "visits": 4, "page": False, "peaks": False, **more})


def nodes(*lives):
    return [FakeNode(f"node {number}", alive) for number, alive in enumerate(lives, 1)]


def homes(records):
    """The nodes that visited each cohort."""
    found = defaultdict(set)
    for record in records:
        if record["kind"] != MOVED:
            found[record["cohort"]].add(record["node"])
    return found


def resumed(out, engine, **more):
    (path,) = out.rglob("*.journal")
    header, made, torn = read_journal(path)
    again = RunRequest.again(header, None, {"out": out, **more})
    return fleet.go_on(path, header, made, torn, again, engine)


def test_each_cohort_is_measured_on_one_node_and_every_node_has_some(fake, records):
    (written,) = fleet.carry_out(request(fake), FakeEngine(*nodes(None, None, None)))
    found = homes(measured(records))
    assert len(found) == 6
    assert all(len(where) == 1 for where in found.values())
    assert len(set.union(*found.values())) == 3
    assert (written.frame["status"].isin(["ok", "unsupported"])).all()
    assert len(written.frame) == TASKS
    assert written.metadata["stopped_by"] in ("settled", "visits")
    told = written.metadata["fleet"]
    assert {node["name"] for node in told["nodes"]} == set.union(*found.values())
    assert (told["left_out"], list(fake.rglob("*.journal"))) == ([], [])


def test_it_finds_what_a_run_here_finds(fake):
    here = gb.run(gb.Space(**SPACE), out=fake / "here", seed=3, visits=4, page=False)
    (there,) = fleet.carry_out(request(fake / "there"), FakeEngine(*nodes(None, None)))
    for name in ("variant", "status", "verdict", "peak_memory_bytes"):
        assert here.frame[name].astype(str).tolist() == there.frame[name].astype(str).tolist(), name
    assert there.metadata["environment"]["command"] == here.metadata["environment"]["command"]
    assert there.metadata["commit"] == here.metadata["commit"]


def test_visits_on_one_machine_never_overlap(fake, monkeypatch):
    """Three nodes may be one machine, as where a cluster is tried out."""
    meter, visit = Meter(), Agent._visit

    def measured(self, message):
        with meter:
            time.sleep(0.001)  # or two would never meet
            return visit(self, message)

    monkeypatch.setattr(Agent, "_visit", measured)
    answers = Agent.__init__

    def made(self):
        answers(self)
        self._answers["visit"] = self._visit

    monkeypatch.setattr(Agent, "__init__", made)
    fleet.carry_out(request(fake), FakeEngine(*nodes(None, None, None)))
    assert meter.most == 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_lost_nodes_cost_the_visits_in_flight_and_what_they_had_begun_is_begun_anew(seed, fake, records):
    """Twenty runs of each seed, in which up to two of three nodes are lost at random: over a hundred losses."""
    drawn = random.Random(seed)
    lost = 0
    for number in range(12):
        records.clear()
        lives = [drawn.randrange(5), drawn.randrange(5), None]
        engine = FakeEngine(*nodes(*lives))
        (written,) = fleet.carry_out(request(fake / str(number)), engine)
        lost += sum(node.lives is not None and node.lives < 0 for node in engine.made)
        assert (written.frame["status"].isin(["ok", "unsupported"])).all()
        counted = measured(records)
        assert all(len(where) == 1 for where in homes(counted).values())
        visits = [(r["cohort"], r["process"]) for r in counted if r["kind"] == "visit"]
        assert len(visits) == len(set(visits)) == written.metadata["visits"]
        moved = {record["cohort"] for record in records if record["kind"] == MOVED}
        assert written.metadata.get("moved", 0) == sum(record["kind"] == MOVED for record in records)
        # What was not begun anew counts to the last record.
        assert [r for r in counted if r["cohort"] not in moved] == [r for r in records if r["cohort"] not in moved]
    assert lost > 20


def test_a_node_that_is_lost_before_the_next_has_begun_keeps_nobody_from_it(fake, monkeypatch):
    """A thread may run before the one after it is started, as on a busy machine."""
    begun = threading.Thread.start

    def start(thread):
        begun(thread)
        thread.join(0.3)

    monkeypatch.setattr("grouped_bench.harness.sweep.sweep.threading.Thread.start", start)
    (written,) = fleet.carry_out(request(fake), FakeEngine(*nodes(0, None)))
    assert (written.frame["status"].isin(["ok", "unsupported"])).all()


def test_a_run_whose_nodes_are_all_lost_is_kept_and_taken_up_by_others(fake, records):
    with pytest.raises(CutShortError, match="grouped-bench run --resume"):
        fleet.carry_out(request(fake), FakeEngine(*nodes(4, 3)))
    before = len(records)
    written = resumed(fake, FakeEngine(*nodes(None, None)))
    assert (written.frame["status"].isin(["ok", "unsupported"])).all()
    assert written.metadata["resumed"]
    counted = measured(records)
    assert all(len(where) == 1 for where in homes(counted).values())
    assert len(records) > before


def test_a_cohort_stays_where_it_was_when_its_node_is_back(fake, records):
    """Nodes of one name are one device: only what another had begun is begun anew."""
    with pytest.raises(CutShortError):
        fleet.carry_out(request(fake), FakeEngine(*nodes(3)))
    resumed(fake, FakeEngine(*nodes(None)))
    assert not [record for record in records if record["kind"] == MOVED]
    assert len(set.union(*homes(records).values())) == 1


def test_a_node_that_drifts_is_left_out_and_named(fake, records):
    """But not the last one, whose verdicts reckon with a machine that moves."""
    engine = FakeEngine(Slowing("node 1"), FakeNode("node 2"))
    (written,) = fleet.carry_out(request(fake, visits=24, precision="0.1%", least_visits=24), engine)
    (left,) = written.metadata["left"]
    assert left["reason"] == "a reference workload that moved by 20%"
    assert len(written.metadata["fleet"]["nodes"]) == 2
    assert all(len(where) == 1 for where in homes(measured(records)).values())
    (alone,) = fleet.carry_out(request(fake, visits=24, least_visits=24), FakeEngine(Slowing("node 1")))
    assert "left" not in alone.metadata


class Slowing(FakeNode):
    """A node that slows down by a fifth."""

    def call(self, message):
        answer = super().call(message)
        if message["op"] == "visit":
            answer["reference"] = [0.001 if self.calls.count("visit") <= 8 else 0.0012] * len(answer["reference"])
        return answer


def test_a_node_that_comes_later_takes_what_waits(fake, records):
    """As a job that was queued again, while the only other one is slow."""
    engine = FakeEngine(Slow("node 1"))
    engine.coming = [FakeNode("node 2")]
    (written,) = fleet.carry_out(request(fake), engine)
    assert (written.frame["status"].isin(["ok", "unsupported"])).all()
    found = homes(measured(records))
    assert all(len(where) == 1 for where in found.values())
    assert len(set.union(*found.values())) == 2


class Slow(FakeNode):
    def call(self, message):
        if message["op"] == "visit":
            time.sleep(0.8)
        return super().call(message)


def test_each_class_of_machine_gets_a_run_of_its_own(fake):
    other = {"machine": "amd-epyc-zen3-avx2-2-abcdef"}
    engine = FakeEngine(FakeNode("node 1"), FakeNode("node 2", changed=other), FakeNode("node 3", changed=other))
    here, there = fleet.carry_out(request(fake), engine)
    assert (len(here.metadata["fleet"]["nodes"]), len(there.metadata["fleet"]["nodes"])) == (1, 2)
    assert here.path.parent.name != there.path.parent.name == other["machine"]
    assert len(here.frame) == len(there.frame) == TASKS


def test_a_run_is_not_taken_up_by_nodes_of_another_class(fake):
    with pytest.raises(CutShortError):
        fleet.carry_out(request(fake), FakeEngine(*nodes(3)))
    (path,) = fake.rglob("*.journal")
    before = path.read_bytes()
    for changed in ({"machine": "another", "identity": None}, {"machine": "another"}):
        with pytest.raises(RunError, match="must be resumed"):
            resumed(fake, FakeEngine(FakeNode("node 1", changed=changed)))
        assert path.read_bytes() == before


def test_a_node_that_cannot_measure_is_left_out_and_named(fake):
    class Old(Agent):
        def _open(self, message):
            return super()._open(message | {"version": "0.0.1"})

    engine = FakeEngine(FakeNode("node 1", agent=Old()), FakeNode("node 2"))
    engine.made[0].agent._answers["open"] = engine.made[0].agent._open
    (written,) = fleet.carry_out(request(fake), engine)
    (left_out,) = written.metadata["fleet"]["left_out"]
    assert left_out.startswith("node 1: Every node must have the same version of grouped-bench. Received: 0.1.0")
    assert len(written.metadata["fleet"]["nodes"]) == 1


def test_where_no_node_can_measure_nothing_is_written(fake):
    with pytest.raises(UnavailableError, match="A fleet must have a node that can measure"):
        fleet.carry_out(request(fake), FakeEngine(*[_lost(node) for node in nodes(None, None)]))
    assert not list(fake.rglob("*.journal"))


def _lost(node):
    node.is_lost = True
    return node


def test_several_devices_are_refused(fake):
    with pytest.raises(UnavailableError, match="one kind of device"):
        fleet.carry_out(request(fake, device="cpu,gpu"), FakeEngine(*nodes(None)))


def test_a_full_disk_of_the_driver_ends_the_run_and_keeps_what_there_is(fake, monkeypatch):
    class Full(Journal):
        left = 8

        def append(self, record):
            Full.left -= 1
            if Full.left < 0:
                raise gb.errors.OutputError("The disk must have room", received="none", remedy="Make room")
            super().append(record)

    monkeypatch.setattr("grouped_bench.harness.session.Journal", Full)
    with pytest.raises(CutShortError, match="The disk must have room"):
        fleet.carry_out(request(fake), FakeEngine(*nodes(None, None)))
    (path,) = fake.rglob("*.journal")
    assert len(read_journal(path)[1]) == 7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"executor": "kubernetes"}, "An executor must be one of local, ray"),
        ({"address": "auto"}, "An address must go with an engine"),
    ],
)
def test_what_names_no_engine_is_refused(options, words, fake):
    with pytest.raises(SpaceError, match=words):
        gb.run(gb.Space(**SPACE), out=fake, **options)


def test_a_run_remembers_its_engine_and_may_be_given_another(fake):
    with pytest.raises(CutShortError):
        fleet.carry_out(request(fake, executor="ray"), FakeEngine(*nodes(3)))
    (path,) = fake.rglob("*.journal")
    header, _, _ = read_journal(path)
    assert RunRequest.again(header, None, {}).executor == "ray"
    assert RunRequest.again(header, None, {"executor": "local"}).executor == "local"
