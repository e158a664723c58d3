"""Several environments in one run: visits in a row, paired by turn, judged, and never lost where one cannot start."""

import itertools

import numpy as np
import pandas as pd
import pytest
from fake_clock import FakeClock
from fake_hosts import FakeHost

from grouped_bench.analyse.environment.turns import by_turn, turn_ratios
from grouped_bench.analyse.statistics.derive import derive
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.analyse.statistics.tasks import Value
from grouped_bench.harness.plan import LEAST_VISITS, make_plan
from grouped_bench.harness.processes.hosts import RefusedHost
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.space import Space
from grouped_bench.store.rows import make_rows
from grouped_bench.store.schema import NAMES

OFF, ON = HostKey("tensorflow", "A=0"), HostKey("tensorflow", "A=1")
COSTS = {"regular": 0.01, "grouped": 0.02}


class Run:
    """A sweep of one case under A=0 and A=1, on fake hosts, and the frame of what it recorded."""

    def __init__(self, on=COSTS, *, spread=0.02, seed=0, refused=None, recalled=(), stop_after=None, **control):
        clock = FakeClock()
        hosts = {
            OFF: FakeHost(clock, COSTS, spread=spread, seed=2 * seed),
            ON: RefusedHost(refused) if refused else FakeHost(clock, on, spread=spread, seed=2 * seed + 1),
        }
        self.plan = make_plan(Space(env="A=0,1", variant=",".join(COSTS), groups=2, channels=8, size=5))
        self.kept = []
        sweep = Sweep(
            self.plan, Control(**control), visitors=[Visitor(hosts, Control(), clock=clock)],
            keep=self.kept.append, progress=Progress(quiet=True),
            seed=seed, memory=False, started=0.0, clock=clock, recalled=recalled,
            stop=lambda: stop_after is not None and len(self.kept) >= stop_after,
        )  # fmt: skip
        self.stopped_by = sweep.run()
        tasks = [{**task, "run_id": "r", "machine": "m", "started_at": None} for task in self.plan.numbered()]
        rows = make_rows(tasks, [*recalled, *self.kept], "not reached")
        self.frame = derive(pd.DataFrame(rows, columns=list(NAMES), dtype=object), 0.03)

    def row(self, variant, env):
        found = self.frame[(self.frame["variant"] == variant) & (self.frame["env"] == env)]
        return found.iloc[0]


def test_visits_of_a_turn_are_made_in_a_row_in_an_order_that_changes():
    run = Run()
    turns = itertools.groupby(run.kept, lambda record: record["turn"])
    pairs = [[record["cohort"] for record in records] for _, records in turns]
    assert all(sorted(pair) == [0, 1] for pair in pairs)
    assert len({tuple(pair) for pair in pairs}) == 2
    assert run.row("regular", "A=0")["visit_turn"] == run.row("regular", "A=1")["visit_turn"]


def test_a_difference_between_environments_has_a_verdict_and_the_first_has_none():
    run = Run(on={"regular": 0.01, "grouped": 0.002})
    grouped = run.row("grouped", "A=1")
    assert grouped["env_verdict"] == "faster"
    assert grouped["env_speedup_low"] < 10 < grouped["env_speedup_high"]
    assert run.row("regular", "A=1")["env_verdict"] in ("equivalent", "undecided")
    assert run.row("grouped", "A=0")["env_verdict"] is None


def test_a_run_goes_on_until_the_environments_are_told_apart_too():
    """Against the baseline each variant is settled at once; that A=1 is slower takes longer."""
    run = Run(on={name: cost * 1.3 for name, cost in COSTS.items()}, seed=1)
    assert len(run.row("regular", "A=1")["samples_s"]) > LEAST_VISITS
    assert [run.row(name, "A=1")["env_verdict"] for name in COSTS] == ["slower", "slower"]


def test_what_fails_in_one_environment_is_compared_with_nothing():
    run = Run()
    frame = run.frame.assign(status=["unsupported" if i == 1 else "ok" for i in range(4)])
    again = derive(frame, 0.03)
    assert again["env_verdict"].tolist()[3] is None
    assert again["env_verdict"].tolist()[2] is not None


def test_a_host_that_cannot_start_costs_its_own_tasks_alone():
    run = Run(refused="tensorflow does not start with A=1: no such flag")
    assert run.frame["status"].tolist() == ["ok", "ok", "unsupported", "unsupported"]
    assert set(run.frame["reason"][2:]) == {"tensorflow does not start with A=1: no such flag"}
    assert run.row("grouped", "A=0")["verdict"] == "slower"


def test_a_resumed_run_counts_its_turns_on():
    first = Run(stop_after=5)
    whole = Run(recalled=first.kept)
    turns = [record["turn"] for record in whole.kept]
    assert min(turns) > max(record["turn"] for record in first.kept)


def test_visits_without_a_turn_in_common_are_left_out():
    visits = [Visit(0), Visit(1), Visit(2)]
    first = by_turn([[1.0], [2.0], [None]], visits, [1, 2, 3])
    other = by_turn([[4.0], [1.0], [1.0]], visits, [2, 3, None])
    assert {turn: value.value for turn, value in first.items()} == {1: 1.0, 2: 2.0}
    assert [value.value for value in turn_ratios(first, other)] == [pytest.approx(np.log(0.5))]


def test_turns_that_share_a_process_on_either_side_are_one_unit():
    first = {turn: Value(1.0, Visit(process)) for turn, process in enumerate([0, 1, 0, 2])}
    other = {turn: Value(1.0, Visit(process)) for turn, process in enumerate([0, 1, 2, 2])}
    units = [value.visit.process for value in turn_ratios(first, other)]
    assert units[0] == units[2] == units[3] != units[1]


def test_a_pair_of_visits_is_as_disturbed_as_the_worse_of_them():
    first, other = {1: Value(1.0, Visit(0, 0.5, None))}, {1: Value(1.0, Visit(0, 0.0, 0.2))}
    found = turn_ratios(first, other)[0].visit
    assert (found.stolen, found.throttled) == (0.5, 0.2)


def test_twins_under_two_environments_are_seldom_told_apart():
    """Both pairs of a run meet the same weather, so runs are counted: one in a hundred is wrong; two may be."""
    runs = (Run(spread=0.05, seed=seed, visits=12) for seed in range(100))
    assert sum(run.frame["env_verdict"].isin(["faster", "slower"]).any() for run in runs) <= 2
