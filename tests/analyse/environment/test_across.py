"""Kinds of machines beside each other: what each chooses, and what becomes of that choice on another."""

import pytest
from kinds import FAST_NATIVE, FAST_SPLIT, tasks

from grouped_bench.analyse.environment.across import COSTS, FAILS, HOLDS, OPEN, MachineKind, across, kinds_of


def only(rows):
    (case,) = across(rows)
    return case


def test_each_kind_chooses_for_itself():
    case = only([*tasks(FAST_NATIVE), *tasks(FAST_SPLIT, "avx2-2")])
    assert [(one.kind.machine, one.best.variant) for one in case.choices] == [
        ("amx-2", "grouped_native"), ("avx2-2", "split_concat"),
    ]  # fmt: skip


def test_a_wrong_choice_costs_what_it_takes_there():
    case = only([*tasks(FAST_NATIVE), *tasks(FAST_SPLIT, "avx2-2")])
    assert case.state == COSTS
    assert case.dearest.made.kind.machine == "amx-2"
    assert case.dearest.cost.value == pytest.approx(20)
    assert 15 < case.dearest.cost.low < 20 < case.dearest.cost.high
    back = next(one for one in case.transfers if one.made.kind.machine == "avx2-2")
    assert back.cost.value == pytest.approx(4)


def test_two_environments_of_one_machine_are_two_kinds():
    on, off = tasks(FAST_NATIVE, env="TF_ENABLE_ONEDNN_OPTS=1"), tasks(FAST_SPLIT, env="TF_ENABLE_ONEDNN_OPTS=0")
    assert kinds_of(across([*on, *off])) == [
        MachineKind("amx-2", "TF_ENABLE_ONEDNN_OPTS=1"),
        MachineKind("amx-2", "TF_ENABLE_ONEDNN_OPTS=0"),
    ]


def test_onednn_on_by_itself_or_by_a_variable_is_one_kind():
    by_itself, by_variable = (
        tasks(FAST_NATIVE, onednn=True),
        tasks(FAST_NATIVE, env="TF_ENABLE_ONEDNN_OPTS=1", onednn=True),
    )
    off = tasks(FAST_SPLIT, env="TF_ENABLE_ONEDNN_OPTS=0 A=2", onednn=False)
    assert across([*by_itself, *by_variable]) == []
    assert kinds_of(across([*by_itself, *by_variable, *off])) == [
        MachineKind("amx-2", "oneDNN on"), MachineKind("amx-2", "oneDNN off, A=2"),
    ]  # fmt: skip


def test_what_does_not_run_there_fails_and_costs_nothing():
    case = only([*tasks(FAST_NATIVE), *tasks(FAST_SPLIT, "avx2-2", failed=("grouped_native",))])
    assert case.state == FAILS
    failing = next(one for one in case.transfers if one.state == FAILS)
    assert (failing.task.variant, failing.cost) == ("grouped_native", None)


def test_an_own_form_that_does_not_run_leaves_the_fastest_of_its_function():
    case = only([*tasks(FAST_NATIVE), *tasks(FAST_SPLIT, "avx2-2", failed=("grouped", "grouped_native"))])
    assert [one.best.variant for one in case.choices] == ["grouped_native", "split_concat"]


def test_a_form_in_use_that_another_may_beat_is_no_choice():
    near = {**FAST_NATIVE, "grouped": 0.11, "split_concat": 0.4}
    case = only([*tasks(near, spread=0.3), *tasks(FAST_NATIVE, "avx2-2")])
    assert [one.is_decided for one in case.choices] == [False, True]
    assert {one.state for one in case.transfers if one.made.kind.machine == "amx-2"} == {OPEN}


def test_the_same_choice_holds():
    case = only([*tasks(FAST_NATIVE), *tasks(FAST_NATIVE, "avx2-2")])
    assert case.state == HOLDS
    assert {one.cost.value for one in case.transfers} == {1.0}


def test_a_difference_within_the_noise_is_open():
    here, there = ({**FAST_NATIVE, "split_concat": seconds} for seconds in (0.105, 0.095))
    case = only([*tasks(here, spread=0.3), *tasks(there, "avx2-2", spread=0.3)])
    assert {one.best.variant for one in case.choices} == {"grouped_native", "split_concat"}
    assert case.state == OPEN
    assert case.dearest is None


def test_a_choice_that_was_not_tried_there_is_open():
    there = {name: value for name, value in FAST_SPLIT.items() if name != "grouped_native"}
    case = only([*tasks(FAST_NATIVE), *tasks(there, "avx2-2")])
    unknown = next(one for one in case.transfers if one.task is None)
    assert (unknown.state, unknown.cost) == (OPEN, None)


def test_the_newest_run_of_a_kind_counts():
    old = tasks(FAST_SPLIT, run="a", started="2026-01-01")
    new = tasks(FAST_NATIVE, run="b", started="2026-02-01")
    case = only([*new, *old, *tasks(FAST_SPLIT, "avx2-2")])
    assert case.choices[0].best.variant == "grouped_native"


def test_one_kind_is_no_comparison():
    assert across(tasks(FAST_NATIVE)) == []
    failed = tasks(FAST_SPLIT, "avx2-2", failed=tuple(FAST_SPLIT))
    assert across([*tasks(FAST_NATIVE), *failed]) == []
