"""The sweep on fake hosts and a fake clock: passes, stopping, budgets, failures, memory pass, processes."""

import itertools

import numpy as np
import pytest
from cases import GRAPH, make_case
from fake_clock import FakeClock
from fake_hosts import FakeHost, FakeWorker, crash

from grouped_bench.harness import sweep as sweep_module
from grouped_bench.harness.progress import Moment, Progress, moment_line
from grouped_bench.harness.sweep import Sweep
from grouped_bench.plan import LEAST_VISITS, PROCESSES, Cohort, Plan
from grouped_bench.space.axes import Control
from grouped_bench.store.rows import make_rows

TWINS = {"regular": 0.01, "grouped": 0.01}
NEAR = {"regular": 0.01, "grouped": 0.0103}
APART = {"regular": 0.01, "grouped": 0.001, "split_sum": 0.05}


class Sweeping:
    """A sweep of `cohorts` equal cohorts over the variants of `costs`, and what it recorded."""

    def __init__(self, costs, *, cohorts=1, memory=False, seed=0, interrupt_at=None, host=None, **control):
        self.clock = FakeClock()
        self.host = host or FakeHost(self.clock, costs)
        self.host.clock = self.clock
        self.plan = Plan(
            tuple(Cohort(make_case(size=4 + n), GRAPH, tuple(costs)) for n in range(cohorts)),
            (),
        )
        self.kept = []
        sweep = Sweep(
            self.plan,
            Control(**control),
            hosts={"tensorflow": self.host},
            keep=self._keep(interrupt_at),
            progress=Progress(quiet=True),
            seed=seed,
            memory=memory,
            started=0.0,
            clock=self.clock,
        )
        self.stopped_by = sweep.run()
        self.time, self.records, self.standings = sweep.time, sweep.records, sweep.standings
        self.visits = [r for r in self.records if r["kind"] == "visit"]

    def _keep(self, interrupt_at):
        def keep(record):
            self.kept.append(record)
            if len(self.kept) == interrupt_at:
                raise KeyboardInterrupt

        return keep

    def rows(self):
        shared = {"tensorflow": {}}
        return make_rows(self.plan, self.records, shared, "not reached")


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
    monkeypatch.setattr(sweep_module, "MOST_ASLEEP", 0)
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


def test_all_variants_failing_ends_the_cohort():
    fault = {"status": "unsupported", "reason": "no"}
    run = Sweeping(TWINS, host=FakeHost(None, TWINS, faults=dict.fromkeys(TWINS, fault)), memory=True)
    assert run.stopped_by == "settled"
    assert {row["status"] for row in run.rows()} == {"unsupported"}
    assert len(run.visits) == 1


def test_the_memory_pass_reads_every_living_task_once_in_a_process_of_its_own():
    host = FakeHost(None, APART, faults={"grouped": {"status": "unsupported", "reason": "no"}})
    run = Sweeping(APART, host=host, cohorts=2, memory=True)
    read = [(r["cohort"], r["variant"]) for r in run.records if r["kind"] == "memory"]
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


@pytest.mark.parametrize(("dear", "visits"), [(False, 20), (True, 11)])
def test_patience_with_a_machine_that_is_never_calm_ends(dear, visits):
    """At the first look after three times the least number of visits."""
    costs = {"regular": 0.01, "grouped": 3.0 if dear else 0.001}
    host = FakeHost(None, costs)
    host.disturbance = lambda: {"stolen": 0.5, "throttled": None}
    run = Sweeping(costs, host=host, visits=40)
    assert run.stopped_by == "settled"
    assert visits_of(run, "grouped") == visits


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
            if next(turns) == 3:
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
    steady = FakeHost(None, {"regular": 0.01, "grouped": 0.0103}, spread=0.05, round_spread=0.001)
    Sweeping(steady.costs, host=steady, visits=12)
    assert {r["rounds"] for r in steady.requests if r["op"] == "visit"} == {None, steady.rounds}


def test_an_interrupt_keeps_every_record_before_it():
    run = Sweeping(TWINS, cohorts=3, interrupt_at=5)
    assert run.stopped_by == "user"
    assert run.records == run.kept
    assert len(run.kept) == 5


def test_each_record_is_kept_before_the_next_request():
    """The journal must hold a visit before the next begins."""
    clock, order = FakeClock(), []
    host = FakeHost(clock, TWINS)
    plan = Plan((Cohort(make_case(), GRAPH, tuple(TWINS)),), ())
    original = host.fork

    def fork(task_timeout):
        worker = original(task_timeout)
        ask = worker.ask
        worker.ask = lambda request: (order.append(request["op"]), ask(request))[1]
        return worker

    host.fork = fork
    Sweep(
        plan,
        Control(),
        hosts={"tensorflow": host},
        keep=lambda record: order.append("kept"),
        progress=Progress(quiet=True),
        seed=0,
        memory=False,
        started=0.0,
        clock=clock,
    ).run()
    asked = [index for index, event in enumerate(order) if event == "visit"]
    assert all(order[index + 1] == "kept" for index in asked)


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


def test_the_progress_line_says_where_the_run_stands():
    line = moment_line(Moment(3, 2, 6, 14, 30, 41.0, "Conv2D 64→64"))
    assert line == "pass 3 · 2/6 cohorts · 14/30 settled · 0:41 left · Conv2D 64→64"


def test_progress_is_silent_in_a_pipe(capfd):
    with Progress(quiet=False) as progress:
        progress.say("starting")
        progress.show(Moment(1, 0, 1, 0, 2, None, "now"))
    assert capfd.readouterr().err == ""
