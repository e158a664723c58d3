"""The sweep on fake hosts and a fake clock: passes, stopping, budgets, failures, memory pass, processes."""

import io
import itertools
import re

import numpy as np
import pytest
from cases import GRAPH, make_case
from fake_clock import FakeClock
from fake_hosts import FakeHost, FakeWorker, crash
from sweeping import Sweeping

from grouped_bench.errors import HostError
from grouped_bench.harness.plan import LEAST_VISITS, PROCESSES, Cohort, Plan
from grouped_bench.harness.processes import slots as processes_module
from grouped_bench.harness.processes.workers import INTERRUPTED, TaskFailedError
from grouped_bench.harness.progress import Moment, Progress, moment_line
from grouped_bench.harness.sweep import sweep
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.store.rows import make_rows

TWINS = {"regular": 0.01, "grouped": 0.01}
NEAR = {"regular": 0.01, "grouped": 0.0103}
APART = {"regular": 0.01, "grouped": 0.001, "split_sum": 0.05}


def visits_of(run, variant, cohort=0):
    return sum(variant in visit["samples"] for visit in run.visits if visit["cohort"] == cohort)


def test_clear_pairs_settle_after_the_least_visits():
    run = Sweeping(APART, cohorts=3)
    assert run.stopped_by == "settled"
    assert [visits_of(run, "grouped", cohort) for cohort in range(3)] == [LEAST_VISITS] * 3


def test_a_settled_pair_gets_no_more_time_while_another_goes_on():
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.001, "split_sum": 0.0103}, spread=0.03)
    run = Sweeping(host.costs, host=host, visits=24)
    assert visits_of(run, "grouped") == LEAST_VISITS
    assert visits_of(run, "split_sum") > LEAST_VISITS
    assert visits_of(run, "regular") == visits_of(run, "split_sum")


def test_a_dear_variant_settles_after_three_visits():
    run = Sweeping({"regular": 0.01, "grouped": 3.0})
    assert visits_of(run, "grouped") == 3
    assert visits_of(run, "regular") == 3


def test_least_visits_are_made_where_fewer_settle_it():
    run = Sweeping(APART, visits=24, least_visits=15)
    assert [visits_of(run, name) for name in APART] == [15] * 3


def test_visits_are_asked_for_as_long_as_the_controls_say_beside_the_reference_they_name():
    run = Sweeping(APART, visits=3, visit_time="40ms", reference="case")
    asked = [request for request in run.host.requests if request["op"] == "visit"]
    assert {(request["visit_s"], request["reference"]) for request in asked} == {(0.04, "case")}
    assert len(asked) == 3


def test_undecided_pairs_end_at_the_visits_allowed():
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.0103}, spread=0.2)
    run = Sweeping(host.costs, host=host, visits=9)
    assert run.stopped_by == "visits"
    assert visits_of(run, "grouped") == 9


def test_without_a_baseline_latency_is_measured_to_the_precision():
    close = Sweeping({"grouped": 0.01}, host=FakeHost(None, {"grouped": 0.01}, spread=0.2), precision="20%", visits=99)
    closer = Sweeping({"grouped": 0.01}, host=FakeHost(None, {"grouped": 0.01}, spread=0.2), precision="8%", visits=99)
    assert close.stopped_by == closer.stopped_by == "settled"
    assert LEAST_VISITS <= visits_of(close, "grouped") < visits_of(closer, "grouped")


def test_a_run_passes_over_all_cohorts_before_any_is_visited_again():
    run = Sweeping(APART, cohorts=5)
    order = [visit["cohort"] for visit in run.visits]
    passes = [order[start : start + 5] for start in range(0, len(order), 5)]
    assert all(sorted(p) == list(range(5)) for p in passes)
    assert len({tuple(p) for p in passes}) > 1


def test_where_starting_is_dear_visits_take_turns_over_processes_that_sleep():
    run = Sweeping(NEAR, cohorts=2, host=FakeHost(None, NEAR, spread=0.05))
    for cohort in range(2):
        processes = [visit["process"] for visit in run.visits if visit["cohort"] == cohort]
        in_turn = [n % PROCESSES + n // (2 * PROCESSES) * PROCESSES for n in range(len(processes))]
        assert processes == in_turn
        assert len(processes) > 2 * PROCESSES
    assert run.host.most_alive <= 2 * PROCESSES


def test_where_starting_is_cheap_every_visit_has_a_process_of_its_own():
    costs = {"regular": 0.2, "grouped": 0.206}
    run = Sweeping(costs, host=FakeHost(None, costs, spread=0.05))
    processes = [visit["process"] for visit in run.visits]
    assert processes == list(range(len(processes)))
    assert len(processes) > PROCESSES
    assert run.host.most_alive == 1


def test_when_sleepers_would_fill_the_memory_visits_get_fresh_processes(monkeypatch):
    monkeypatch.setattr(processes_module, "MOST_ASLEEP", 0)
    run = Sweeping(TWINS)
    processes = [visit["process"] for visit in run.visits]
    assert processes == list(range(len(processes)))
    assert run.host.alive == 0


def test_a_cohort_is_checked_once():
    run = Sweeping(TWINS, cohorts=2)
    checked = [request["check"] for request in run.host.requests if request["op"] == "build"]
    assert checked.count(True) == 2


def test_a_crash_is_that_tasks_outcome_and_the_sweep_goes_on():
    host = FakeHost(None, APART, faults={"grouped": crash("grouped")})
    rows = {row["variant"]: row for row in Sweeping(APART, host=host).rows()}
    assert (rows["grouped"]["status"], rows["grouped"]["reason"]) == ("crashed", "SIGSEGV")
    assert rows["regular"]["status"] == rows["split_sum"]["status"] == "ok"
    assert len(rows["split_sum"]["samples_s"]) >= LEAST_VISITS


def test_a_crash_before_the_check_leaves_the_check_to_the_next_process():
    host = FakeHost(None, APART, faults={"split_sum": crash("split_sum")})
    rows = {row["variant"]: row for row in Sweeping(APART, host=host).rows()}
    assert rows["regular"]["relative_error"] == 1e-7


class Checking(FakeWorker):
    """Finds in its second visit that `grouped` is wrong, after it was timed."""

    def _visit(self, request):
        answer = super()._visit(request)
        self.host.seen = getattr(self.host, "seen", 0) + 1
        if self.host.seen < 2 or "grouped" not in request["variants"]:
            return {**answer, "verify_s": 0.25}
        del answer["samples"]["grouped"]
        return {
            **answer,
            "verify_s": 0.25,
            "failed": {"grouped": {"status": "incorrect", "reason": "off", "relative_error": 0.5}},
        }


def test_what_is_wrong_after_it_was_timed_is_incorrect_and_the_others_keep_their_samples():
    host = FakeHost(None, APART)
    host.worker = Checking
    run = Sweeping(APART, host=host)
    made = {row["variant"]: row for row in run.rows()}
    assert made["grouped"]["status"] == "incorrect"
    assert made["grouped"]["relative_error"] == 0.5
    assert made["regular"]["status"] == made["split_sum"]["status"] == "ok"
    assert visits_of(run, "regular") == visits_of(run, "split_sum") >= LEAST_VISITS
    assert visits_of(run, "grouped") == 1
    assert run.time["verify_s"] == pytest.approx(0.25 * len(run.visits))


class Slow(FakeWorker):
    """Its clock shows a tenth of the time."""

    def _visit(self, request):
        answer = super()._visit(request)
        return {**answer, "seconds": answer["seconds"] / 10}


@pytest.mark.parametrize(("seconds", "status"), [(1.0, "error"), (0.001, "ok")])
def test_a_worker_whose_clock_misses_time_is_not_believed(seconds, status):
    """A few milliseconds may pass before an answer is read."""
    host = FakeHost(None, {"regular": seconds, "grouped": seconds})
    host.worker = Slow
    run = Sweeping(host.costs, host=host, visits=3)
    assert [row["status"] for row in run.rows()] == [status] * 2
    if status == "error":
        assert re.fullmatch(r"its clock shows [\d.]+ s, but [\d.]+ s passed", run.rows()[0]["reason"])
        assert run.rows()[0]["samples_s"] == []


def test_all_variants_failing_ends_the_cohort():
    fault = {"status": "unsupported", "reason": "no"}
    run = Sweeping(TWINS, host=FakeHost(None, TWINS, faults=dict.fromkeys(TWINS, fault)), memory=True)
    assert run.stopped_by == "failed"  # nothing is settled where nothing was measured
    assert {row["status"] for row in run.rows()} == {"unsupported"}
    assert len(run.visits) == 1


def test_the_memory_pass_reads_every_living_task_once_in_a_process_of_its_own():
    host = FakeHost(None, APART, faults={"grouped": {"status": "unsupported", "reason": "no"}})
    run = Sweeping(APART, host=host, cohorts=2, memory=True)
    read = [(r["cohort"], r["variant"]) for r in run.kept if r["kind"] == "memory"]
    assert sorted(read) == [(c, v) for c in range(2) for v in ("regular", "split_sum")]
    assert all(row["peak_memory_bytes"] == 1000 for row in run.rows() if row["status"] == "ok")
    assert run.time["memory_s"] > 0


@pytest.mark.parametrize("budget", [20.0, 60.0])
def test_a_budget_is_kept_and_used(budget):
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.0103}, spread=0.2)
    run = Sweeping(host.costs, host=host, cohorts=10, visits=10_000, budget=budget, memory=True)
    assert run.stopped_by == "budget"
    assert 0.8 * budget <= run.clock.now <= budget


def test_a_budget_too_short_leaves_tasks_interrupted_with_the_reason():
    run = Sweeping(APART, cohorts=50, budget=10.0)
    statuses = {row["status"] for row in run.rows()}
    assert statuses == {"ok", "interrupted"}
    assert {row["reason"] for row in run.rows() if row["status"] == "interrupted"} == {"not reached"}


class SlowToCompile(FakeWorker):
    """A worker whose grouped layer compiles for a minute, unless the run's time is over before."""

    def _build(self, request):
        if "grouped" not in request["variants"]:
            return super()._build(request)
        self.host.clock.now = min(self.host.clock.now + 60.0, self.host.limits.deadline)
        self.host.alive -= 1
        raise TaskFailedError("grouped", INTERRUPTED, "the budget ended while compiling")


def test_a_slow_first_call_does_not_outlast_the_budget():
    """What it cut short has not failed."""
    host = FakeHost(None, TWINS)
    host.worker = SlowToCompile
    run = Sweeping(TWINS, host=host, cohorts=2, budget=20.0)
    assert run.stopped_by == "budget"
    assert run.clock.now <= 20.0
    (cut,) = run.visits
    assert (cut["failed"], cut["samples"]) == ({}, {})
    assert cut["cut_short"] == {"variant": "grouped", "reason": "the budget ended while compiling"}
    assert not any(standing.failed for standing in run.standings)
    whole = Sweeping(TWINS, cohorts=2)
    assert whole.host.limits.deadline == np.inf


class SlowToBuild(FakeWorker):
    """A worker that builds in eight seconds each, as many as it may."""

    def _build(self, request):
        names, within = request["variants"], request["within_s"]
        count = len(names) if within is None else max(1, int(within // 8))
        self.host.clock.now += 8.0 * min(count, len(names))
        return super()._build(request | {"variants": names[:count]})


def test_what_a_short_budget_let_build_is_measured():
    """The first visit would build for 24 seconds: two of three are built and sampled, and the third says why not."""
    host = FakeHost(None, APART)
    host.worker = SlowToBuild
    run = Sweeping(APART, host=host, cohorts=1, budget=21.0)
    assert (run.stopped_by, run.clock.now <= 21.0) == ("budget", True)
    names = list(APART)
    assert set(run.visits[0]["samples"]) == set(names[:2])
    assert run.visits[0]["failed"] == {}
    assert {row["variant"]: row["status"] for row in run.rows()} == {
        **dict.fromkeys(names[:2], "ok"),
        names[2]: "interrupted",
    }
    assert host.alive == 0


def test_a_variant_that_no_process_has_checked_is_checked_in_the_next():
    """What a budget left out of the first visit is not measured unchecked when the run is gone on with."""
    host = FakeHost(None, APART)
    host.worker = SlowToBuild
    begun = Sweeping(APART, host=host, cohorts=1, budget=21.0)
    resumed = Sweeping(APART, cohorts=1, recalled=begun.kept)
    checks = [request["check"] for request in resumed.host.requests if request["op"] == "build"]
    assert (checks[0], any(checks[1:])) == (True, False)
    assert {row["status"] for row in resumed.rows()} == {"ok"}


def test_the_most_undecided_cohorts_get_what_is_left_of_a_budget():
    """Cohorts differ in noise; the pass that the budget cuts short goes to those with the widest intervals."""
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.0103}, spread=0.05)
    spreads = np.linspace(0.02, 0.3, 10)

    def visit_of(worker, request):
        host.spread = spreads[host.case]
        return FakeWorker._visit(worker, request)

    class Noisy(FakeWorker):
        def ask(self, request):
            if "case" in request:
                self.case = request["case"]["size"][0] - 4
            host.case = self.case
            return visit_of(self, request) if request["op"] == "visit" else super().ask(request)

    host.worker = Noisy
    run = Sweeping(host.costs, host=host, cohorts=10, visits=10_000, budget=47.0)
    assert run.stopped_by == "budget"
    counts = [standing.visits for standing in run.standings]
    most = max(counts)
    assert most > min(counts)
    open_ = [number for number, standing in enumerate(run.standings) if standing.active]
    got_more = [n for n in open_ if counts[n] == most]
    got_less = [n for n in open_ if counts[n] == most - 1]
    assert got_more and got_less
    assert np.mean(spreads[got_more]) > np.mean(spreads[got_less])


def test_a_cohort_too_dear_for_what_is_left_leaves_it_to_the_others():
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.0103}, spread=0.2)

    class Uneven(FakeWorker):
        def ask(self, request):
            answer = super().ask(request)
            if request["op"] == "build" and request["case"]["size"][0] == 4:
                host.clock.now += 15.0
            return answer

    host.worker = Uneven
    run = Sweeping(host.costs, host=host, cohorts=2, visits=10_000, budget=60.0)
    assert run.stopped_by == "budget"
    assert run.clock.now > 0.9 * 57
    assert run.visits[-1]["cohort"] == 1


def test_disturbed_visits_are_made_again():
    host = FakeHost(None, APART)
    turns = itertools.cycle([0.5, 0.0])
    host.disturbance = lambda: {"stolen": next(turns), "throttled": None}
    run = Sweeping(APART, host=host)
    assert run.stopped_by == "settled"
    assert visits_of(run, "grouped") == 2 * LEAST_VISITS


def test_patience_with_a_machine_that_is_never_calm_ends():
    """At the first look after three times the least number of visits."""
    costs = {"regular": 0.01, "grouped": 0.001}
    host = FakeHost(None, costs)
    host.disturbance = lambda: {"stolen": 0.5, "throttled": None}
    run = Sweeping(costs, host=host, visits=40)
    assert run.stopped_by == "settled"
    assert visits_of(run, "grouped") == 11


def test_calm_visits_of_two_processes_settle_nothing():
    """Starting is dear, so processes serve two visits; the calm ones come from two of them."""
    costs = {"regular": 0.01, "grouped": 3.0}
    host = FakeHost(None, costs)
    calm = {0, 6, 1, 7}
    turns = itertools.count()
    host.disturbance = lambda: {"stolen": 0.0 if next(turns) in calm else 0.5, "throttled": None}

    class Slow(FakeWorker):
        def _build(self, request):
            answer = super()._build(request)
            host.clock.now += 60.0
            return {**answer, "seconds": answer["seconds"] + 60.0}

    host.worker = Slow
    run = Sweeping(costs, host=host, visits=8)
    assert len({visit["process"] for visit in run.visits[:8] if visit["stolen"] == 0.0}) == 2
    assert visits_of(run, "grouped") == 8
    assert run.stopped_by == "visits"


def test_after_the_baseline_has_failed_a_variant_settles_by_its_own_latency():
    costs = {"regular": 0.01, "grouped": 0.01}
    host = FakeHost(None, costs, spread=0.001)
    turns = itertools.count()

    class Failing(FakeWorker):
        def _visit(self, request):
            if next(turns) == 2:
                return {"samples": {}, "failed": {"regular": {"status": "error", "reason": "worn out"}}, "seconds": 0.1}
            return super()._visit(request)

    host.worker = Failing
    run = Sweeping(costs, host=host, visits=40)
    widths = [standing.width for standing in run.standings]
    assert run.stopped_by in ("settled", "visits")
    assert widths == [0.0]
    rows = {row["variant"]: row["status"] for row in run.rows()}
    assert rows == {"regular": "error", "grouped": "ok"}
    assert visits_of(run, "grouped") > LEAST_VISITS  # the host's weather moves latencies by 20 %, ratios by nothing


def test_a_baseline_alone_gets_more_rounds_too():
    host = FakeHost(None, {"regular": 0.01}, spread=0.01, round_spread=0.5)
    host.rng = np.random.default_rng(5)
    Sweeping(host.costs, host=host, visits=12)
    asked = [request["rounds"] for request in host.requests if request["op"] == "visit"]
    assert asked[:3] == [None] * 3
    assert None not in asked[3:]


def test_a_variant_that_seldom_meets_the_baseline_warns_of_nothing(recwarn):
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.011})

    class Apart(FakeWorker):
        def _visit(self, request):
            answer = super()._visit(request)
            for place, name in enumerate(answer["samples"]):
                answer["samples"][name] = [v if r == place else None for r, v in enumerate(answer["samples"][name])]
            return answer

    host.worker = Apart
    Sweeping(host.costs, host=host, visits=8)
    assert [str(w.message) for w in recwarn if "NaN" in str(w.message)] == []


def test_rounds_grow_where_they_differ_more_than_visits_and_starting_is_dear():
    """The fake host's visits differ by 1 %, their rounds by 20 %."""
    host = FakeHost(None, {"regular": 0.01, "grouped": 0.0103}, spread=0.01, round_spread=0.2)
    Sweeping(host.costs, host=host, visits=12)
    asked = [request["rounds"] for request in host.requests if request["op"] == "visit"]
    assert asked[:3] == [None] * 3
    assert 2 * host.rounds <= max(asked[3:]) <= 4 * host.rounds
    assert min(asked[3:]) >= host.rounds
    steady = FakeHost(None, {"regular": 0.01, "grouped": 0.01}, spread=0.05, round_spread=0.001)
    steady.rng = np.random.default_rng(1)
    Sweeping(steady.costs, host=steady, visits=12)
    assert {r["rounds"] for r in steady.requests if r["op"] == "visit"} == {None, steady.rounds}


def test_a_stop_keeps_every_record_before_it():
    run = Sweeping(TWINS, cohorts=3, interrupt_at=5)
    assert run.stopped_by == "user"
    assert len(run.kept) == 5


def test_each_record_is_kept_before_the_next_request():
    """The journal must hold a visit before the next begins."""
    clock, order = FakeClock(), []
    host = FakeHost(clock, TWINS)
    plan = Plan((Cohort(make_case(), GRAPH, tuple(TWINS)),), ())
    original = host.fork

    def fork(limits):
        worker = original(limits)
        ask = worker.ask
        worker.ask = lambda request: (order.append(request["op"]), ask(request))[1]
        return worker

    host.fork = fork
    Sweep(
        plan,
        Control(),
        visitors=[Visitor({HostKey("tensorflow"): host}, Control(), clock=clock)],
        keep=lambda record: order.append("kept"),
        progress=Progress(quiet=True),
        seed=0,
        memory=False,
        started=0.0,
        clock=clock,
    ).run()
    asked = [index for index, event in enumerate(order) if event == "visit"]
    assert all(order[index + 1] == "kept" for index in asked)


@pytest.mark.parametrize("cut", range(1, 15, 3))
def test_a_sweep_that_goes_on_makes_what_is_missing_and_nothing_twice(cut):
    fault = {"split_sum": {"status": "unsupported", "reason": "no"}}
    first = Sweeping(APART, cohorts=3, memory=True, interrupt_at=cut, host=FakeHost(None, APART, faults=fault))
    assert first.stopped_by == "user"
    second = Sweeping(APART, cohorts=3, memory=True, recalled=first.kept, host=FakeHost(None, APART, faults=fault))
    whole = Sweeping(APART, cohorts=3, memory=True, host=FakeHost(None, APART, faults=fault))
    assert second.stopped_by == "settled"
    made = first.kept + second.kept
    assert len(made) == len(whole.kept)
    rows = make_rows(whole.plan.numbered(), made, "not reached")
    assert [(r["variant"], r["status"], len(r["samples_s"])) for r in rows] == [
        (r["variant"], r["status"], len(r["samples_s"])) for r in whole.rows()
    ]
    memory = [(r["cohort"], r["variant"]) for r in made if r["kind"] == "memory"]
    assert len(memory) == len(set(memory)) == 6
    refused = {v["cohort"] for v in first.visits if "split_sum" in v["failed"]}
    asked_again = {
        r["case"]["size"][0] - 4 for r in second.host.requests if r["op"] == "build" and "split_sum" in r["variants"]
    }
    assert not refused & asked_again


def test_a_sweep_that_goes_on_gives_no_process_the_number_of_an_earlier_one():
    first = Sweeping(NEAR, interrupt_at=4, host=FakeHost(None, NEAR, spread=0.05))
    second = Sweeping(NEAR, recalled=first.kept, host=FakeHost(None, NEAR, spread=0.05))
    assert not {v["process"] for v in first.visits} & {v["process"] for v in second.visits}


def test_a_sweep_that_goes_on_draws_other_orders_than_the_part_before():
    first = Sweeping(TWINS, cohorts=9, interrupt_at=9)
    second = Sweeping(TWINS, cohorts=9, recalled=first.kept)
    assert [v["cohort"] for v in first.visits] != [v["cohort"] for v in second.visits[:9]]


def test_cohorts_without_a_visit_come_first_when_a_sweep_goes_on():
    first = Sweeping(TWINS, cohorts=9, interrupt_at=5)
    second = Sweeping(TWINS, cohorts=9, recalled=first.kept)
    assert {v["cohort"] for v in second.visits[:4]} == set(range(9)) - {v["cohort"] for v in first.visits}


def test_what_the_earlier_part_took_counts_against_the_budget():
    host = FakeHost(None, NEAR, spread=0.2)
    run = Sweeping(NEAR, host=host, cohorts=3, visits=10_000, budget=30.0, spent=20.0)
    assert run.stopped_by == "budget"
    assert 5 < run.clock.now <= 10
    assert [record["at"] for record in run.kept] == sorted(record["at"] for record in run.kept)
    assert 20 < run.kept[0]["at"] < run.kept[-1]["at"] <= 30


class DyingHost(FakeHost):
    """Dies at its `deaths`-th forks, and is started again."""

    def __init__(self, *positional, deaths, **keywords):
        super().__init__(*positional, **keywords)
        self.deaths, self.restarts = deaths, 0

    def fork(self, limits):
        worker = super().fork(limits)
        if self.forked in self.deaths:
            self.alive -= 1
            raise HostError("A host must fork a worker", received="silence", remedy="Try again")
        return worker

    def restart(self):
        self.restarts += 1


def test_a_host_that_dies_is_started_again_and_its_visit_made_again():
    host = DyingHost(None, TWINS, deaths={2})
    run = Sweeping(TWINS, host=host)
    assert (run.stopped_by, host.restarts) == ("settled", 1)
    assert {row["status"] for row in run.rows()} == {"ok"}
    assert visits_of(run, "grouped") >= LEAST_VISITS
    assert host.alive == 0  # the sleepers died with it


def test_a_cohort_in_which_the_host_dies_again_has_crashed_and_the_others_go_on():
    host = DyingHost(None, TWINS, deaths={1, 2})
    run = Sweeping(TWINS, cohorts=2, host=host)
    assert host.restarts == 2
    died = run.visits[0]["cohort"]
    statuses = [[row["status"] for row in run.rows()][2 * number :][:2] for number in (died, 1 - died)]
    assert statuses == [["crashed"] * 2, ["ok"] * 2]
    assert run.rows()[2 * died]["reason"] == "the host process ended 2 times: silence"


def test_a_host_that_dies_in_the_memory_pass_costs_one_reading():
    host = DyingHost(None, TWINS, deaths={2})
    run = Sweeping(TWINS, host=host, memory=True)
    read = {r["variant"]: r.get("status") for r in run.kept if r["kind"] == "memory"}
    assert sorted(read.values(), key=str) == [None, "crashed"]
    assert {row["status"] for row in run.rows()} == {"ok"}


def test_a_process_that_a_failure_may_have_spoilt_is_left():
    host = FakeHost(None, APART)

    class Spoilt(FakeWorker):
        def _build(self, request):
            answer = super()._build(request)
            if "grouped" in request["variants"]:
                failure = {"grouped": {"status": "error", "reason": "the device is lost"}}
                return {**answer, "built": {"regular": answer["built"]["regular"]}, "failed": failure, "spoilt": True}
            return answer

    host.worker = Spoilt
    run = Sweeping(APART, host=host)
    assert {row["variant"]: row["status"] for row in run.rows()} == {
        **dict.fromkeys(("regular", "split_sum"), "ok"), "grouped": "error",
    }  # fmt: skip
    assert run.visits[0]["samples"] == {}
    checks = [request["check"] for request in host.requests if request["op"] == "build"]
    assert checks[:3] == [True, True, False]


def test_a_task_that_needs_more_than_the_limit_is_not_tried():
    run = Sweeping(TWINS, cohorts=2, memory_limit=2000)
    assert {(row["status"], row["size"][0]) for row in run.rows()} == {("predicted_oom", 4), ("predicted_oom", 5)}
    assert run.host.forked == 0
    assert re.fullmatch(
        r"its tensors need at least [\d.]+ KiB, --memory-limit is 1.95 KiB; --force tries it", run.rows()[0]["reason"]
    )
    assert {row["status"] for row in Sweeping(TWINS, cohorts=2, memory_limit=2000, force=True).rows()} == {"ok"}


def test_a_task_that_needs_more_than_the_machine_has_is_not_tried(monkeypatch):
    monkeypatch.setattr(sweep, "memory_total", lambda: 2000)
    run = Sweeping(TWINS)
    assert {row["status"] for row in run.rows()} == {"predicted_oom"}
    assert "the machine has 1.95 KiB; --force tries it" in run.rows()[0]["reason"]


def test_a_task_that_needs_more_than_one_that_ran_out_of_memory_is_not_tried():
    """Of six cohorts that grow, `grouped` runs out in the third; only larger ones that come later are spared."""
    host = FakeHost(None, TWINS)

    class Small(FakeWorker):
        def _build(self, request):
            answer = super()._build(request)
            if request["case"]["size"][0] >= 6 and "grouped" in request["variants"]:
                answer["built"].pop("grouped")
                answer["failed"]["grouped"] = {"status": "oom", "reason": "no room"}
            return answer

    host.worker = Small
    run = Sweeping(TWINS, cohorts=6, host=host)
    statuses = {row["size"][0]: row["status"] for row in run.rows() if row["variant"] == "grouped"}
    assert (statuses[4], statuses[5], statuses[6]) == ("ok", "ok", "oom")
    assert set(statuses.values()) == {"ok", "oom", "predicted_oom"}
    ran_out = [v["cohort"] for v in run.visits if v["failed"].get("grouped", {}).get("status") == "oom"]
    assert ran_out == sorted(ran_out, reverse=True)
    spared = [v["cohort"] for v in run.visits if v["failed"].get("grouped", {}).get("status") == "predicted_oom"]
    assert all(max(ran_out) > n or n > min(ran_out) for n in spared)
    assert {row["status"] for row in run.rows() if row["variant"] == "regular"} == {"ok"}


def test_time_is_accounted_for():
    run = Sweeping(APART, cohorts=2, memory=True)
    built = sum(len(visit["built"]) for visit in run.visits)
    assert run.time["first_calls_s"] == pytest.approx(0.2 * built)
    sampled = sum(sum(sum(s) for s in visit["samples"].values()) for visit in run.visits)
    assert run.time["samples_s"] == pytest.approx(sampled)


def test_the_same_seed_visits_in_the_same_order():
    first, second, other = (Sweeping(TWINS, cohorts=6, seed=seed) for seed in (3, 3, 4))

    def order(run):
        return [visit["cohort"] for visit in run.visits][:12]

    assert order(first) == order(second) != order(other)


def moment(**facts):
    return Moment(**{"stage": "settled", "done": 14, "total": 30, "seconds_spent": 123.0, "seconds_left": 41.0,
                     "now": "Conv2D 64→64", **facts})  # fmt: skip


def test_the_progress_line_says_where_the_run_stands():
    assert moment_line(moment()) == "0:41 left · settled 14/30 · Conv2D 64→64"
    assert moment_line(moment(seconds_left=None)) == "settled 14/30 · Conv2D 64→64"
    assert (moment().share, moment(seconds_left=None).share) == (0.75, 0.0)


def drawn(monkeypatch, draw):
    """What a terminal gets while `draw` is called with a progress."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        with Progress(quiet=False) as progress:
            draw(progress)
    return [line.strip() for line in stream.getvalue().split("\r") if line.strip()]


def test_a_terminal_gets_a_bar_of_the_time_that_is_spent(monkeypatch):
    def draw(progress):
        progress.say("starting")
        progress.show(moment())

    assert drawn(monkeypatch, draw) == [
        "starting",
        "75% |#########   | 0:41 left · settled 14/30 · Conv2D 64→64",
    ]


def test_a_progress_line_ends_between_two_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "62")
    told = drawn(monkeypatch, lambda progress: progress.show(moment(now="Conv2D 128→128 k3x3 stride 2x2")))
    assert told == ["75% |#########   | 0:41 left · settled 14/30 · Conv2D…"]


def test_progress_is_silent_in_a_pipe(capfd):
    with Progress(quiet=False) as progress:
        progress.say("starting")
        progress.show(moment())
        assert not progress.is_shown
    assert capfd.readouterr().err == ""
