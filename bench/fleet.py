"""Does a fleet answer what one machine answers, lose nothing, and keep its devices busy? About 15 minutes.

The workloads are fake: samples of tests/support/procedure.py for verdicts, naps for throughput. The nodes that are
killed are Ray's, on this machine.

python bench/fleet.py --save   # the overhead of Ray means something on a quiet machine only
"""

import contextlib
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import evidence
import psutil

import grouped_bench as gb
from grouped_bench.errors import CutShortError
from grouped_bench.harness.fleet import fleet
from grouped_bench.harness.fleet.engine_process import ENGINES, EngineProcess
from grouped_bench.harness.plan import Cohort, Plan
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE, HostKey
from grouped_bench.store.journal import read_journal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import procedure
from cases import GRAPH, make_case
from fake_clock import FakeClock
from fleets import FakeEngine, FakeNode, Meter
from killed_runs import SPACE

SUPPORT = Path(procedure.__file__).parent
PLACES = (2, 4, 8)
WORLD, WORLD_RUNS = "log-normal", 40
NAP_S, NAPS_A_PLACE = 0.1, 60
OVERLAP_VISITS, KILLS = 10_000, 100
LEAST_AGREED, LEAST_THROUGHPUT, MOST_ENGINE, MOST_SPREAD = 0.99, 0.9, 0.01, 1.2
_KILLED_VISITS = 6


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="for the kills")
    given = evidence.parse(parser)
    found: evidence.Findings = {}
    with evidence.as_far_as_it_goes(found):
        found["verdicts"] = agreement(2 if given.smoke else WORLD_RUNS)
        found["throughput"] = [throughput(places, 4 if given.smoke else NAPS_A_PLACE) for places in PLACES]
        found["overlaps"] = overlaps(60 if given.smoke else OVERLAP_VISITS)
        found["kills"] = kills(1 if given.smoke else KILLS, given.minutes)
    found["targets"] = targets(found)
    for one in found["targets"]:
        print(f"{one['asked']}: {evidence.shown(one['found'], one['unit'])}, {evidence.met_or_missed(one)}")
    evidence.conclude("fleet", found, given)


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """What was asked of each part, as far as it was measured."""
    verdicts, killed = found.get("verdicts") or {}, found.get("kills") or {}
    slowest = min((one["share"] for one in found.get("throughput") or ()), default=None)
    return [
        evidence.target("verdicts that are decided on one node and on three, and agree", verdicts.get("agreed"),
                        LEAST_AGREED, "%", at_least=True),
        evidence.target("spread of twins on three nodes over that on one", verdicts.get("spread"), MOST_SPREAD, "×"),
        evidence.target("throughput of 2, 4 and 8 nodes over as many times that of one, the least", slowest,
                        LEAST_THROUGHPUT, "%", at_least=True),
        evidence.target("visits of one device at once, at most", (found.get("overlaps") or {}).get("most"), 1, ""),
        evidence.target("records lost, besides visits in flight, or counted twice", killed.get("wrong"), 0, ""),
        evidence.target("share of a processor that Ray takes in visits, the median", killed.get("engine"),
                        MOST_ENGINE, "%"),
    ]  # fmt: skip


def agreement(runs: int) -> evidence.Findings:
    """Verdicts of one space on one place and on three, on simulated machines; and of two runs on one place."""
    found: dict[str, list[str]] = {"one": [], "again": [], "three": []}
    twins: dict[str, list[float]] = {name: [] for name in found}
    for seed in range(runs):
        evidence.say(f"verdicts: run {seed + 1}/{runs}")
        for number, (name, places) in enumerate({"one": 1, "again": 1, "three": 3}.items()):
            made = _simulated(places, 10 * seed + number)
            found[name] += [pair.verdict for _, pair in made]
            twins[name] += [pair.interval.estimate for ratio, pair in made if ratio == 1.0 and pair.interval]
    return {
        "pairs": len(found["one"]),
        "agreed": _agreed(found["one"], found["three"]),
        "agreed_on_one": _agreed(found["one"], found["again"]),
        "spread": statistics.stdev(twins["three"]) / statistics.stdev(twins["one"]),
    }


def _agreed(verdicts: Sequence[str], others: Sequence[str]) -> float | None:
    """The share of equal ones among those that are decided both times."""
    decided = [pair for pair in zip(verdicts, others, strict=True) if "undecided" not in pair]
    return sum(one == other for one, other in decided) / len(decided) if decided else None


def _simulated(places: int, seed: int) -> list[tuple[float, Any]]:
    """(true ratio, verdict and interval) of each pair of a run in so many places."""
    ratios = {BASELINE: 1.0, **procedure.ratios_of(WORLD)}
    cohorts = tuple(Cohort(make_case(size=4 + number), GRAPH, tuple(ratios)) for number in range(procedure.COHORTS))
    clock = FakeClock()
    hosts = [procedure.SimulatedHost(WORLD, ratios, FakeClock(), [seed, place]) for place in range(places)]
    visitors = [Visitor({HostKey("tensorflow"): host}, Control(), clock=host.clock) for host in hosts]
    for place, visitor in enumerate(visitors):
        visitor.name = f"node {place}"
    sweep = _sweep(Plan(cohorts, ()), Control(visits=40), visitors, seed, clock)
    with mock.patch.multiple(
        "grouped_bench.harness.processes.slots",
        memory_left=lambda: procedure.MEMORY,
        memory_total=lambda: procedure.MEMORY,
    ):
        sweep.run()
    return [(ratios[name], pair) for standing in sweep.standings for name, pair in standing.pairs.items()]


def _sweep(plan: Plan, control: Control, visitors: Sequence[Any], seed: int, clock: Any = read_clock) -> Sweep:
    return Sweep(
        plan, control, visitors=visitors, keep=lambda record: None, progress=Progress(quiet=True), seed=seed,
        memory=False, force=True, started=0.0, clock=clock,
    )  # fmt: skip


class Napping:
    """A place whose visits take the time of a nap."""

    drift = 0.0

    def __init__(self, name: str) -> None:
        self.name: str | None = name
        self.host = procedure.SimulatedHost(WORLD, {BASELINE: 1.0, "twin": 1.0}, FakeClock(), 0)
        self._visitor = Visitor({HostKey("tensorflow"): self.host}, Control(), clock=self.host.clock)

    def visit(self, order: Any) -> dict[str, Any]:
        time.sleep(NAP_S)
        return self._visitor.visit(order)

    def rest(self, cohort: int, *, is_needed: bool) -> None:
        self._visitor.rest(cohort, is_needed=is_needed)


def throughput(places: int, naps: int) -> evidence.Findings:
    """Visits a second in so many places, over as many times those in one."""
    evidence.say(f"throughput of {places} places")
    seconds = {}
    for count in (1, places):
        visits = 3
        cohorts = tuple(
            Cohort(make_case(size=4 + number), GRAPH, (BASELINE, "twin")) for number in range(naps * count // visits)
        )
        control = Control(visits=visits, least_visits=visits)
        sweep = _sweep(Plan(cohorts, ()), control, [Napping(f"node {place}") for place in range(count)], 0)
        start = read_clock()
        sweep.run()
        seconds[count] = (read_clock() - start) / (visits * len(cohorts))
    return {"places": places, "share": seconds[1] / seconds[places] / places, "visit_s": seconds[1]}


def overlaps(visits: int) -> evidence.Findings:
    """Visits on one machine at once, where three nodes are the same machine."""
    evidence.say(f"overlaps in {visits} visits")
    meter, made = Meter(), 0
    with tempfile.TemporaryDirectory() as folder, _fake_hosts(meter):
        for number in range(10**6):
            engine = FakeEngine(*[FakeNode(f"node {place}") for place in range(3)])
            (written,) = fleet.carry_out(_request(Path(folder, str(number)), seed=number), engine)
            made += written.metadata["visits"]
            if made >= visits:
                break
    return {"visits": made, "most": meter.most}


@contextlib.contextmanager
def _fake_hosts(meter: Meter) -> Iterator[None]:
    """Hosts of fake workloads, whose samples are taken within the meter."""
    from killed_runs import Quick, fake_host

    class Metered(Quick):
        def ask(self, request: dict[str, Any]) -> dict[str, Any]:
            with meter:
                return super().ask(request)

    def host(*words: Any, **options: Any) -> Any:
        made = fake_host(*words, **options)
        made.worker = Metered
        return made

    with mock.patch("grouped_bench.harness.processes.probing.Host", host):
        yield


def _request(out: Path, **more: Any) -> RunRequest:
    options = {"out": out, "seed": 0, "visits": _KILLED_VISITS, "page": False, "peaks": False}
    return RunRequest.of(gb.Space(**SPACE), {**options, **more})


def kills(count: int, minutes: float) -> evidence.Findings:
    """Runs by Ray on three nodes, in which workers' and nodes' processes are killed at random, until so many were."""
    start, drawn = read_clock(), random.Random(0)
    found: evidence.Findings = {"killed": {"actor": 0, "raylet": 0, "head": 0}, "runs": 0, "resumed": 0, "wrong": 0}
    shares: list[float] = []
    ENGINES["fake"] = "fleets:FakeRay"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(SUPPORT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as folder:
        while sum(found["killed"].values()) < count and read_clock() - start < 60 * minutes:
            evidence.say(f"killed so far: {found['killed']}")
            out = Path(folder, str(found["runs"]))
            found["runs"] += 1
            records = _killed_run(out, drawn, found)
            shares += [record["engine"] for record in records if "engine" in record]
    return {**found, "engine": statistics.median(shares) if shares else None}


def _killed_run(out: Path, drawn: random.Random, found: evidence.Findings) -> list[dict[str, Any]]:
    """The records of a run in which something is killed, and which is resumed until it ends."""
    seen: list[dict[str, Any]] = []
    while not list(out.rglob("*.parquet")):
        wait_s = 3 + drawn.random() * 20
        killer = threading.Thread(target=_kill_one, args=[drawn, found["killed"], seen, wait_s], daemon=True)
        try:
            with contextlib.closing(EngineProcess("fake", "local:3")) as engine, _also(seen):
                killer.start()
                if paths := list(out.rglob("*.journal")):
                    header, records, torn = read_journal(paths[0])
                    found["resumed"] += 1
                    fleet.go_on(paths[0], header, records, torn, RunRequest.again(header, None, {"out": out}), engine)
                else:
                    fleet.carry_out(_request(out, visits=60, least_visits=60), engine)
        except CutShortError:
            evidence.say("the run was cut short, and is resumed")
    (path,) = out.rglob("*.parquet")
    found["wrong"] += _wrong(seen, gb.load(str(path)).metadata["visits"])
    return seen


def _wrong(seen: Sequence[dict[str, Any]], visits: int) -> int:
    """Visits that were kept and are missing from the run, or are in it twice."""
    counted: dict[int, list[int]] = {}
    for record in seen:
        if record.get("kind") == "moved":
            counted[record["cohort"]] = []
        elif record.get("kind") == "visit":
            counted.setdefault(record["cohort"], []).append(record["at"])
    twice = sum(len(made) - len(set(made)) for made in counted.values())
    return twice + abs(sum(map(len, counted.values())) - visits)


@contextlib.contextmanager
def _also(seen: list[dict[str, Any]]) -> Iterator[None]:
    """Every record that reached a journal is also in `seen`."""
    from grouped_bench.store.journal import Journal

    append = Journal.append

    def both(journal: Any, record: dict[str, Any]) -> None:
        append(journal, record)
        if "kind" in record and "tasks" not in record:
            seen.append(dict(record))

    with mock.patch.object(Journal, "append", both):
        yield


def _kill_one(drawn: random.Random, killed: dict[str, int], seen: Sequence[Any], seconds: float) -> None:
    """Kill an actor, a node or the head, once there are visits and some seconds are over."""
    before = len(seen)
    while len(seen) <= before:
        time.sleep(0.05)
    time.sleep(seconds)
    processes = psutil.Process().children(recursive=True)
    kind = drawn.choices(("actor", "raylet", "head"), (6, 3, 1))[0]
    victims = {
        "actor": [one for one in processes if "FakeRayAgent" in _title(one)],
        "raylet": [one for one in processes if _title(one).endswith("raylet") and "--head" not in _words(one)],
        "head": [one for one in processes if "gcs_server" in _title(one)],
    }[kind]
    if victims:
        with contextlib.suppress(psutil.Error):
            drawn.choice(victims).kill()
            killed[kind] += 1


def _title(process: psutil.Process) -> str:
    return next(iter(_words(process)), "")


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


if __name__ == "__main__":
    main()
