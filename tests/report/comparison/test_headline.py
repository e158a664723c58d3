"""The verdict of a comparison in a sentence or two."""

import dataclasses

import pytest
from drawn import drawn, judged
from frames import fail

from grouped_bench.report.comparison.headline import headline, left_open, open_count


def failed(made, status="error", reason="it fell over"):
    return fail(made, made["variant"] == "grouped", status, reason)


def head(**how):
    return drawn(2, slower={"grouped": 1.1}, **how)


def of_sides(*sides, **how):
    return headline(judged(*sides, **how).comparison)


def test_a_regression_is_counted_by_what_became_worse():
    assert of_sides(drawn(1), head()) == "Regression: 2 of 4 tasks are slower by more than 5%."
    one = head(groups=[4])
    assert of_sides(drawn(1), one) == "Regression: 1 of 2 tasks is slower by more than 5%."
    more = one.assign(params=one["params"] + 1)
    assert of_sides(drawn(1), more, thresholds={"latency": 0.075}) == (
        "Regression: 1 of 2 tasks is slower by more than 7.5% and 2 have more parameters."
    )
    assert of_sides(drawn(1), failed(head())) == "Regression: 2 of 4 tasks worked and now fail."
    large = drawn(2).assign(peak_memory_bytes=2**30)
    assert of_sides(drawn(1), large) == "Regression: 4 of 4 tasks take over 5% more memory."


def test_what_is_not_decided_and_what_is_better_are_counted_too():
    few = drawn(2, processes=2)
    assert of_sides(drawn(1), few) == "Inconclusive: 4 of 4 tasks are undecided."
    assert (
        of_sides(head(), drawn(1))
        == "No regression: none of 4 tasks is shown to be slower by more than 5%; 2 are better."
    )
    mixed = failed(few)
    assert of_sides(drawn(1), mixed) == "Regression: 2 of 4 tasks worked and now fail; 2 are undecided."


def test_a_threshold_of_nothing_is_not_told():
    assert of_sides(drawn(1), head(), thresholds={"latency": 0.0}).startswith("Regression: 2 of 4 tasks are slower")
    assert "slower by" not in of_sides(drawn(1), head(), thresholds={"latency": 0.0})
    told = of_sides(drawn(1), drawn(1), thresholds={"latency": 0.0})
    assert told == "No regression: none of 4 tasks is shown to be slower."


def test_no_regression_is_said_of_what_was_judged():
    assert of_sides(drawn(1), drawn(2)) == "No regression: none of 4 tasks is shown to be slower by more than 5%."
    told = of_sides(drawn(1), drawn(2), thresholds={"latency": None})
    assert told == "No regression: none of 4 tasks became worse."
    assert of_sides(drawn(1, groups=[4]), drawn(2, groups=[8])) == (
        "Inconclusive: base and head have no task in common."
    )


def test_what_could_not_be_compared_is_no_task_without_a_regression():
    broken = failed(drawn(1))
    assert of_sides(broken, failed(drawn(2))) == "No regression in 2 of 4 tasks; 2 failed on both sides."
    one = [drawn(seed, variants=["regular", "grouped"], groups=[4]) for seed in (1, 2)]
    assert of_sides(*map(failed, one)) == "No regression in 1 of 2 tasks; 1 failed on both sides."
    refused = [failed(side, "unsupported") for side in one]
    assert of_sides(*refused) == "No regression in 1 of 2 tasks; 1 is unsupported on both sides."
    assert of_sides(refused[0], failed(one[1], "oom")) == "No regression in 1 of 2 tasks; 1 failed on both sides."
    assert of_sides(drawn(1), drawn(2, groups=[4])) == "No regression in 2 of 4 tasks; 2 are gone."
    assert of_sides(one[0], one[1][:1]) == "No regression in 1 of 2 tasks; 1 is gone."
    told = of_sides(drawn(1), failed(drawn(2)), thresholds={"status": None})
    assert told == "No regression in 2 of 4 tasks; 2 worked and now fail, which is not judged."


def test_what_works_again_is_told():
    assert of_sides(failed(drawn(1)), drawn(2)) == (
        "No regression: none of 2 tasks is shown to be slower by more than 5%; 2 failed before and work now."
    )


def test_where_no_task_worked_on_both_sides_nothing_is_known():
    none = [side.assign(status="crashed", samples_s=None) for side in (drawn(1), drawn(2))]
    assert of_sides(*none) == "Inconclusive: no task worked on both sides."
    assert of_sides(none[0], drawn(2)) == "Inconclusive: no task worked on both sides."


# What stays open


@pytest.fixture(scope="module")
def wide():
    """Two tasks whose intervals reach beyond 5%, whose estimates do not."""
    return judged(*(drawn(seed, groups=[4], noise=0.06) for seed in (1, 5))).comparison


def test_a_slow_down_that_an_interval_does_not_rule_out_is_told(wide):
    assert headline(wide).startswith("No regression: none of 2 tasks is shown to be slower")
    assert open_count(wide) == 2
    assert left_open(wide) == (
        "In 2 tasks a slow-down of more than 5% cannot be ruled out: their intervals reach beyond it."
    )
    one = dataclasses.replace(wide, tasks=wide.tasks[:1])
    assert left_open(one) == (
        "In 1 task a slow-down of more than 5% cannot be ruled out: its interval reaches beyond it."
    )
    assert left_open(dataclasses.replace(wide, thresholds={**wide.thresholds, "latency": 5.0})) is None


def test_what_is_ruled_out_not_judged_or_worse_is_not_open():
    for sides, limits in (
        ((drawn(1), drawn(2)), {}),
        ((drawn(1), head()), {}),
        ((drawn(1), head()), {"latency": None}),
    ):
        found = judged(*sides, limits).comparison
        assert (open_count(found), left_open(found)) == (0, None)
