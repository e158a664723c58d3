"""Rows from records: which outcome a task ended in, and samples that line up across a cohort."""

import pytest

from grouped_bench.harness.plan import make_plan
from grouped_bench.space.space import Space
from grouped_bench.store.rows import make_rows
from grouped_bench.store.schema import NAMES, STATUSES

SHARED = {"run_id": "r", "machine": "m", "backend_version": "2.21.0"}
PLAN = make_plan(Space(groups=4, variant="regular,grouped"))


def tasks_of(plan):
    return [{**task, **SHARED} for task in plan.numbered()]


def built(error=1e-7, iterations=10, seconds=0.5):
    return {"first_call_s": seconds, "verify_s": 0.1, "relative_error": error, "iterations": iterations}


def visit(process=0, cohort=0, **parts):
    empty = {"built": {}, "failed": {}, "samples": {}, "reference": [0.001], "stolen": 0.02, "throttled": None}
    return {"kind": "visit", "cohort": cohort, "process": process, **empty, **parts}


def rows(*records, plan=PLAN, unreached="the budget ended"):
    made = make_rows(tasks_of(plan), records, unreached)
    assert all(tuple(row) == NAMES for row in made)
    assert {row["status"] for row in made} <= set(STATUSES)
    return {row["variant"]: row for row in made}


def outcome(row):
    return row["status"], row["reason"]


def test_a_task_with_samples_is_ok():
    both = {"regular": built(error=1e-7), "grouped": built(error=3e-7, iterations=4)}
    made = rows(
        visit(0, built=both, samples={"regular": [1.0, 2.0], "grouped": [3.0, 4.0]}),
        visit(1, built={"regular": built(2e-7, 99, 0.25)}, samples={"regular": [5.0], "grouped": [6.0]}),
    )
    assert outcome(made["regular"]) == outcome(made["grouped"]) == ("ok", None)
    assert made["regular"]["samples_s"] == [[1.0, 2.0], [5.0]]
    assert made["grouped"]["reference_s"] == [[0.001], [0.001]]
    assert made["grouped"]["visit_stolen"] == [0.02, 0.02]
    assert made["grouped"]["visit_throttled"] == [None, None]
    assert made["regular"]["first_calls_s"] == [0.5, 0.25]
    assert made["regular"]["relative_error"] == 2e-7
    assert (made["regular"]["iterations"], made["grouped"]["iterations"]) == (10, 4)
    assert made["regular"]["visit_process"] == made["grouped"]["visit_process"] == [0, 1]
    assert made["regular"]["flags"] == []


@pytest.mark.parametrize("status", ["unsupported", "timeout", "crashed", "oom", "error"])
def test_a_failure_is_an_outcome_of_its_task_alone(status):
    failed = {"grouped": {"status": status, "reason": "because"}}
    made = rows(visit(built={"regular": built()}, failed=failed, samples={"regular": [1.0]}))
    assert outcome(made["grouped"]) == (status, "because")
    assert outcome(made["regular"]) == ("ok", None)
    assert made["grouped"]["first_calls_s"] == []
    assert made["grouped"]["iterations"] is None
    assert made["grouped"]["relative_error"] is None


def test_an_incorrect_task_keeps_its_error():
    failed = {"grouped": {"status": "incorrect", "reason": "dx is off", "relative_error": 0.25}}
    made = rows(visit(built={"regular": built()}, failed=failed, samples={"regular": [1.0]}))
    assert outcome(made["grouped"]) == ("incorrect", "dx is off")
    assert made["grouped"]["relative_error"] == 0.25


def test_a_task_that_fails_after_it_was_measured_keeps_its_samples_but_not_its_ok():
    samples = {"regular": [1.0], "grouped": [2.0]}
    made = rows(
        visit(built={"regular": built(), "grouped": built()}, samples=samples),
        visit(failed={"grouped": {"status": "crashed", "reason": "SIGSEGV"}}),
        visit(samples={"regular": [3.0]}),
    )
    assert outcome(made["grouped"]) == ("crashed", "SIGSEGV")
    assert made["grouped"]["samples_s"] == [[2.0], [None]]
    assert made["regular"]["samples_s"] == [[1.0], [3.0]]


def test_the_first_failure_is_the_one_that_is_told():
    made = rows(
        visit(failed={"grouped": {"status": "timeout", "reason": "first"}}),
        visit(failed={"grouped": {"status": "crashed", "reason": "second"}}),
    )
    assert outcome(made["grouped"]) == ("timeout", "first")


def test_a_task_whose_visit_another_ended_says_so():
    """The budget did not end before its visit: the memory of another did."""
    made = rows(visit(failed={"grouped": {"status": "oom", "reason": "killed"}}))
    assert outcome(made["regular"]) == ("interrupted", "grouped ended its visit (oom), and the budget ended")


def test_what_the_end_of_the_time_cut_short_has_not_failed_and_says_in_whose_turn_it_was():
    cut = {"variant": "grouped", "reason": "the budget ended while compiling"}
    made = rows(visit(built={"regular": built()}, cut_short=cut))
    assert outcome(made["grouped"]) == ("interrupted", "the budget ended while compiling")
    assert outcome(made["regular"]) == ("interrupted", "the budget ended while compiling, in the turn of grouped")
    measured = visit(built={"regular": built(), "grouped": built()}, samples={"regular": [1.0], "grouped": [3.0]})
    made = rows(measured, visit(1, cut_short=cut))
    assert outcome(made["grouped"]) == outcome(made["regular"]) == ("ok", None)
    assert made["grouped"]["samples_s"] == [[3.0]]


def test_a_reading_of_memory_that_was_cut_short_is_no_failure():
    memory = {"kind": "memory", "cohort": 0, "variant": "grouped", "reason": "so"}
    assert rows({**memory, "status": "interrupted"})["grouped"]["flags"] == []
    assert rows({**memory, "status": "crashed"})["grouped"]["flags"] == ["memory_failed"]


@pytest.mark.parametrize("reason", ["the budget ended", "interrupted by the user"])
def test_a_task_that_no_visit_reached_is_interrupted(reason):
    made = rows(unreached=reason)
    for row in made.values():
        assert outcome(row) == ("interrupted", reason)
        assert (row["samples_s"], row["visit_process"], row["first_calls_s"]) == ([], [], [])
        assert row["latency_s"] is None
        assert row["peak_memory_bytes"] is None


def test_a_task_that_was_built_but_never_timed_is_interrupted():
    made = rows(visit(built={"regular": built(), "grouped": built()}))
    assert outcome(made["regular"]) == ("interrupted", "the budget ended")
    assert made["regular"]["first_calls_s"] == [0.5]


def test_samples_line_up_where_a_variant_sat_out():
    made = rows(
        visit(
            0, built={"regular": built(), "grouped": built()}, samples={"regular": [1.0, 2.0], "grouped": [3.0, None]}
        ),
        visit(1, samples={"grouped": [4.0, 5.0, 6.0]}),
        visit(2),  # nothing was timed: no visit
        visit(0, samples={"regular": [7.0]}),
    )
    assert made["regular"]["samples_s"] == [[1.0, 2.0], [None, None, None], [7.0]]
    assert made["grouped"]["samples_s"] == [[3.0, None], [4.0, 5.0, 6.0], [None]]
    assert made["regular"]["visit_process"] == made["grouped"]["visit_process"] == [0, 1, 0]


def test_memory_is_that_of_its_task():
    memory = {"kind": "memory", "cohort": 0, "variant": "grouped", "peak_bytes": 4096, "source": "allocator"}
    made = rows(visit(built={"regular": built()}, samples={"regular": [1.0]}), memory)
    assert (made["grouped"]["peak_memory_bytes"], made["grouped"]["memory_source"]) == (4096, "allocator")
    assert (made["regular"]["peak_memory_bytes"], made["regular"]["memory_source"]) == (None, None)


def test_a_memory_pass_that_failed_is_a_flag_and_a_null_and_no_outcome():
    failed = {"kind": "memory", "cohort": 0, "variant": "regular", "status": "oom", "reason": "too large"}
    made = rows(visit(built={"regular": built()}, samples={"regular": [1.0]}), failed)
    assert outcome(made["regular"]) == ("ok", None)
    assert made["regular"]["flags"] == ["memory_failed"]
    assert (made["regular"]["peak_memory_bytes"], made["regular"]["memory_source"]) == (None, None)
    assert made["grouped"]["flags"] == []


def test_memory_that_nothing_can_tell_is_null_without_a_flag():
    untold = {"kind": "memory", "cohort": 0, "variant": "regular", "peak_bytes": None, "source": None}
    made = rows(untold)
    assert (made["regular"]["peak_memory_bytes"], made["regular"]["flags"]) == (None, [])


def test_records_belong_to_the_cohort_that_they_name():
    plan = make_plan(Space(groups=[1, 4], variant="regular"))
    made = make_rows(tasks_of(plan), [visit(cohort=1, samples={"regular": [1.0]})], "the budget ended")
    assert [(row["groups"], row["status"]) for row in made] == [(1, "interrupted"), (4, "ok")]


def test_a_row_carries_what_the_plan_and_the_run_know():
    row = rows()["grouped"]
    known = {"run_id": "r", "machine": "m", "backend_version": "2.21.0", "backend": "tensorflow", "groups": 4}
    known |= {"computes": "grouped", "params": 9 * 16 * 64, "pass": "inference", "cache": "hot"}
    assert row | known == row


def test_each_task_has_the_reference_that_it_is_set_beside():
    both = {"regular": built(), "grouped": built()}
    samples, beside = {"regular": [1.0], "grouped": [3.0]}, {"regular": "a", "grouped": "b"}
    made = rows(
        visit(0, built=both, samples=samples, reference={"a": [0.1], "b": [0.2]}, beside=beside),
        visit(1, built=both, samples=samples, reference={"a": [0.3]}, beside={"regular": "a"}),
        visit(2, built=both, samples=samples, reference={"a": [0.4]}, beside={"regular": "a", "grouped": "a"}),
        visit(3, built=both, samples=samples, reference={"a": [0.5], "b": [0.6]}, beside=beside),
    )
    assert made["regular"]["reference_s"] == [[0.1], [0.3], [0.4], [0.5]]
    # Of another workload than that of most visits nothing can be set beside them.
    assert made["grouped"]["reference_s"] == [[0.2], [None], [None], [0.6]]
    assert (made["regular"]["reference"], made["grouped"]["reference"]) == ("a", "b")


def test_the_machines_reference_is_named_where_it_was_timed():
    both = {"regular": built(), "grouped": built()}
    samples = {"regular": [1.0], "grouped": [3.0]}
    assert rows(visit(0, built=both, samples=samples))["grouped"]["reference"] == "machine"
    without = rows(visit(0, built=both, samples=samples, reference=[None]))["grouped"]
    assert (without["reference"], without["reference_s"]) == (None, [[None]])
