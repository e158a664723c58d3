"""The verdict of a comparison in a sentence or two."""

import dataclasses

import pandas as pd
import pytest
from drawn import drawn, judged
from frames import fail

from grouped_bench.analyse.compare.decided import decided_counts, open_count
from grouped_bench.report.comparison.headline import headline, left_open


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
    assert of_sides(drawn(1), few) == "Inconclusive: 0 of 4 tasks decided."
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
    assert told == "Inconclusive: 0 of 4 tasks decided; none is shown to be slower."


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


def test_a_run_and_itself_are_said_to_be_one_run_and_nothing_else():
    wide = judged(*(drawn(1, groups=[4], noise=0.06) for _ in "ab")).comparison
    assert left_open(wide)
    found = dataclasses.replace(wide, is_same_run=True)
    assert headline(found) == "Inconclusive: base and head are the same run."
    assert left_open(found) is None


def test_a_head_with_few_of_the_tasks_of_base_is_told_first():
    base, head = drawn(1, groups=range(1, 16)), drawn(2, groups=[1], variants=["regular"])
    assert of_sides(base, head) == "Inconclusive: head has only 1 of base's 30 tasks."
    few = drawn(2, groups=[1], variants=["regular"], processes=2)
    assert of_sides(base, few) == "Inconclusive: head has only 1 of base's 30 tasks; 0 of 1 task decided."
    slow = drawn(2, groups=[1], variants=["regular"], slower={"regular": 1.1})
    assert of_sides(base, slow) == (
        "Regression: 1 of 1 task is slower by more than 5%; head has only 1 of base's 30 tasks."
    )
    half = drawn(1, groups=[1, 2], variants=["regular"])
    assert of_sides(half, head) == "No regression in 1 of 2 tasks; 1 is gone."
    allowed = dataclasses.replace(judged(base, head).comparison, allow_gone=True)
    assert headline(allowed) == "No regression in 1 of 30 tasks; 29 are gone."


def mixed(certain, worse=0):
    """Thirty tasks; of the first ones the latencies are certain, the first `worse` of them slower, the others noisy."""
    axes = {"groups": range(1, 31), "variants": ["grouped"]}
    base, head = ([drawn(seed, **axes)[:certain], drawn(seed + 2, noise=0.1, **axes)[certain:]] for seed in (1, 2))
    head[0] = pd.concat([drawn(2, slower={"grouped": 1.1}, **axes)[:worse], head[0][worse:]])
    return judged(pd.concat(base), pd.concat(head)).comparison


def test_that_few_tasks_are_decided_is_told_first():
    assert headline(mixed(3)) == "Inconclusive: 3 of 30 tasks decided."
    assert decided_counts(mixed(3)) == (3, 27)
    assert headline(mixed(3, worse=1)) == (
        "Regression: 1 of 30 tasks is slower by more than 5%; 3 of 30 tasks decided."
    )
    assert decided_counts(mixed(15)) == (15, 15)
    assert " decided" not in headline(mixed(15))


def test_what_failed_on_both_sides_is_neither_decided_nor_undecided():
    sides = failed(drawn(1)), failed(drawn(2, processes=2))
    assert decided_counts(judged(*sides).comparison) == (0, 2)
    assert of_sides(failed(drawn(1)), failed(drawn(2))).startswith("No regression in 2 of 4 tasks; 2 failed")
    open_ones = [failed(drawn(seed, groups=[4, 8], noise=0.06)) for seed in (1, 5)]
    none = "none is shown to be slower by more than 5%"
    assert of_sides(*open_ones) == f"Inconclusive: 0 of 2 tasks decided; {none}; 2 failed on both sides."


def test_a_task_that_became_worse_is_decided_whatever_its_latency():
    wide = drawn(5, groups=[4], noise=0.06)
    found = judged(drawn(1, groups=[4], noise=0.06), wide.assign(params=wide["params"] + 1)).comparison
    assert decided_counts(found) == (2, 0)
    assert headline(found) == "Regression: 2 of 2 tasks have more parameters."


# What stays open


@pytest.fixture(scope="module")
def wide():
    """Two tasks whose intervals reach beyond 5%, whose estimates do not."""
    return judged(*(drawn(seed, groups=[4], noise=0.06) for seed in (1, 5))).comparison


def test_a_slow_down_that_an_interval_does_not_rule_out_is_told(wide):
    assert headline(wide).startswith("Inconclusive: 0 of 2 tasks decided; none is shown to be slower by more than 5%.")
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
