"""The search for a variant's choice: by calls on a fake clock, once a cohort, and the same in all that follows."""

import pytest
from cases import make_case
from fake_clock import FakeClock
from fake_hosts import SEARCH_S, FakeHost
from sweeping import Sweeping

from grouped_bench import variants
from grouped_bench.harness.plan import PROCESSES
from grouped_bench.harness.side_by_side.runs import _agree
from grouped_bench.measure import search
from grouped_bench.measure.search import Search
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Setting
from grouped_bench.store.records import journal_problem

MERGED = {"regular": 0.01, "merged_groups": 0.0103}


def trials(clock, costs, asked=None, marks=None):
    """Trials whose calls take `costs[choice]`; an exception among them is raised by the step's maker."""

    def make_step(choice, part):
        (asked if asked is not None else []).append((choice, part))
        if isinstance(costs[choice], Exception):
            raise costs[choice]
        return clock.work(costs[choice])

    mark = (lambda: None) if marks is None else (lambda: marks.append(clock.now))
    return Search(make_step, lambda result: None, mark, clock)


def test_the_fastest_choice_is_found():
    assert trials(FakeClock(), {"m=1": 0.004, "m=2": 0.002, "m=4": 0.003}).fastest(("m=1", "m=2", "m=4")) == "m=2"


def test_of_equals_the_likelier_is_taken():
    assert trials(FakeClock(), {"m=4": 0.002, "m=2": 0.002}).fastest(("m=4", "m=2")) == "m=4"


def test_a_part_of_the_pass_is_tried_where_it_is_asked_for():
    asked = []
    trials(FakeClock(), {"a": 0.1}, asked).fastest(["a"], part="input")
    assert asked == [("a", "input")]


def test_what_fails_is_no_candidate():
    refused = NotImplementedError("not here")
    found = trials(FakeClock(), {"a": refused, "b": 0.002, "c": 0.001}).fastest(("a", "b", "c"))
    assert found == "c"
    with pytest.raises(NotImplementedError, match="not here"):
        trials(FakeClock(), {"a": refused, "b": ValueError("nor there")}).fastest(("a", "b"))


def test_near_misses_are_timed_once_more_in_turn():
    """A choice whose few calls met a quiet moment does not win by it."""
    clock, calls = FakeClock(), {"a": 0, "b": 0}

    def make_step(choice, part):
        def step():
            calls[choice] += 1
            quiet = choice == "a" and calls[choice] <= search._MOST_CALLS + 1
            clock.now += 0.0019 if quiet else 0.0022 if choice == "a" else 0.002

        return step

    assert Search(make_step, lambda result: None, clock=clock).fastest(("a", "b")) == "b"
    assert calls["a"] == calls["b"] == search._MOST_CALLS + 1 + search._ROUNDS


def test_a_search_ends_when_its_time_is_up():
    asked = []
    costs = {"a": search.SEARCH_S, "b": 0.003, "c": 0.002, "d": 0.001}
    assert trials(FakeClock(), costs, asked).fastest(tuple(costs)) == "c"
    assert [choice for choice, _ in asked] == ["a", "b", "c"]


def test_a_dear_call_is_made_twice_and_each_choice_has_its_turn():
    clock, marks = FakeClock(), []
    assert trials(clock, {"a": 3.0, "b": 0.001}, marks=marks).fastest(("a", "b")) == "b"
    assert marks == [0.0, 6.0]


def test_a_cohort_searches_once_and_all_its_processes_and_its_memory_have_the_choice():
    host = FakeHost(None, MERGED, spread=0.05, choices={"merged_groups": "m=2"})
    run = Sweeping(MERGED, host=host, memory=True)
    builds = [request for request in host.requests if request["op"] == "build"]
    assert len(builds) > PROCESSES
    assert [request["choices"] for request in builds] == [{}, *[{"merged_groups": "m=2"}] * (len(builds) - 1)]
    memory = [request for request in host.requests if request["op"] == "memory"]
    assert [request["choices"] for request in memory] == [{}, {"merged_groups": "m=2"}]
    rows = {row["variant"]: row for row in run.rows()}
    assert rows["merged_groups"]["choice"] == "m=2"
    assert rows["merged_groups"]["macs"] == 2000
    assert rows["regular"]["choice"] is None
    assert rows["regular"]["macs"] == run.plan.cohorts[0].counts("regular").macs


def test_the_search_is_told_apart_from_first_calls_and_from_what_a_visit_costs():
    host = FakeHost(None, MERGED, choices={"merged_groups": "m=4"})
    run, plain = Sweeping(MERGED, host=host), Sweeping(MERGED)
    assert run.time["search_s"] == SEARCH_S
    assert run.time["first_calls_s"] == pytest.approx(plain.time["first_calls_s"])
    assert run.visits[0]["start_seconds"] == pytest.approx(plain.visits[0]["start_seconds"])
    assert run.standings[0].seconds == pytest.approx(plain.standings[0].seconds, rel=0.2)
    assert run.visits[0]["seconds"] > SEARCH_S


def test_a_run_that_goes_on_keeps_its_choice():
    first = Sweeping(MERGED, host=FakeHost(None, MERGED, choices={"merged_groups": "m=4"}), interrupt_at=2)
    host = FakeHost(None, MERGED, choices={"merged_groups": "m=8"})
    Sweeping(MERGED, host=host, recalled=first.kept)
    assert all(request["choices"] == {"merged_groups": "m=4"} for request in host.requests if request["op"] == "build")


def test_both_sides_of_a_comparison_have_one_choice():
    sides = [Sweeping(MERGED, visits=1).standings[0] for _ in range(2)]
    sides[1].choices["merged_groups"] = "m=2"
    _agree(sides)
    assert sides[0].choices == sides[1].choices == {"merged_groups": "m=2"}


def test_a_journal_with_two_choices_for_one_task_is_refused():
    run = Sweeping(MERGED, host=FakeHost(None, MERGED, spread=0.05, choices={"merged_groups": "m=4"}))
    header = {"schema": 1, "version": "1", "run_id": "r", "machine": "m", "started_at": "2026-01-01T00:00:00"}
    header |= {"space": {}, "control": {}, "seed": 0, "environment": {}, "tasks": run.plan.numbered()}
    header |= {"order": {"memory": False, "files": [], "force": False}}
    assert journal_problem(header, run.kept) is None
    run.kept[1]["built"]["merged_groups"]["choice"] = "m=2"
    assert journal_problem(header, run.kept) == "line 3 has another choice for merged_groups than a line before it"
    run.kept[1]["built"]["merged_groups"]["choice"] = "m=" + "4" * 400
    assert "choice: String should have at most 300 characters" in journal_problem(header, run.kept)


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_a_workbench_searches_where_it_is_given_no_choice(pass_, backend):
    case, setting = (
        make_case(groups=4, channels=(8, 8), pass_=pass_),
        Setting(backend.name, backend.executions[0], "cpu"),
    )
    built = Workbench(case, setting, 0, backend).build(["merged_groups"], {}, check=True)
    told = built["built"]["merged_groups"]
    assert told["choice"] in variants.get("merged_groups").choices(case)
    assert told["search_s"] > 0
    merged = int(told["choice"].removeprefix("m="))
    assert told["macs"] == merged * variants.get("grouped").counts(case).macs
    given = {"merged_groups": "m=2"}
    built = Workbench(case, setting, 0, backend, choices=given).build(["merged_groups"], {}, check=True)
    assert built["built"]["merged_groups"]["choice"] == "m=2"


def test_an_unlawful_choice_is_no_crash(backend):
    case = make_case(groups=4, channels=(8, 8))
    for choice in ("m=3", "m=0", "4", "m=4; import os"):
        setting = Setting(backend.name, backend.executions[0], "cpu")
        bench = Workbench(case, setting, 0, backend, choices={"merged_groups": choice})
        failed = bench.build(["merged_groups"], {}, check=True)["failed"]["merged_groups"]
        assert failed["status"] == "unsupported"
        assert choice in failed["reason"]
