"""Which runs stand for a side: those of the newest commit that can be taken together."""

import pytest
from drawn import COMMIT, OTHER, of_commit

from grouped_bench.analyse.compare.side_selection import Taken, are_partners, commit_of, repetitions


def test_runs_of_the_newest_commit_are_taken_together_in_their_order():
    runs = [of_commit(COMMIT, 3), of_commit(OTHER, 1), of_commit(COMMIT, 2)]
    assert repetitions(runs) == [2, 0]


def test_the_newest_is_the_one_that_began_last_wherever_its_clock_stood():
    west = of_commit(COMMIT, started_at="2026-11-23T01:00:00-05:00")
    east = of_commit(OTHER, started_at="2026-11-23T05:59:00+00:00")
    naive = of_commit(OTHER, started_at="2026-11-23T05:58:00")
    assert repetitions([west, east, naive]) == [0]


@pytest.mark.parametrize("moment", [None, "yesterday", "", 5, "0001-01-01T00:00:00+23:00"])
def test_a_run_that_does_not_tell_when_it_began_is_the_oldest(moment):
    assert repetitions([of_commit(COMMIT, started_at=moment), of_commit(OTHER, 1)]) == [1]
    assert repetitions([of_commit(OTHER, 1), of_commit(COMMIT, started_at=moment)]) == [0]


@pytest.mark.parametrize("newest", [{"started_at": "2027-01-01T00:00:00Z"}, of_commit(COMMIT, 9, dirty=True)])
def test_a_run_without_a_commit_or_of_changes_stands_alone(newest):
    assert repetitions([of_commit(COMMIT, 1), newest, of_commit(COMMIT, 2)]) == [1]


def test_a_dirty_run_is_no_repetition_of_its_commit():
    assert repetitions([of_commit(COMMIT, 1), of_commit(COMMIT, 2, dirty=True), of_commit(COMMIT, 3)]) == [0, 2]


def test_runs_of_the_machine_wanted_go_before_newer_ones():
    runs = [of_commit(COMMIT, 1, machine="here"), of_commit(OTHER, 2, machine="there")]
    assert repetitions(runs, {"machine": "here"}) == [0]
    assert repetitions(runs, {"machine": "elsewhere"}) == repetitions(runs) == [1]


@pytest.mark.parametrize(
    "other",
    [
        {"machine": "there"},
        {"control": {"threads": 2, "tf32": None}},
        {"control": {"threads": 1, "tf32": True}},
        {"control": None},
        {"environment": {"libraries": {"keras": "2"}}},
    ],
)
def test_runs_on_other_terms_are_no_repetitions(other):
    same = {
        "machine": "here",
        "control": {"threads": 1, "tf32": None},
        "environment": {"libraries": {"keras": "3"}, "load": 1},
    }
    runs = [of_commit(COMMIT, 1, **{**same, **other}), of_commit(COMMIT, 2, **same), of_commit(COMMIT, 3, **same)]
    runs[2]["environment"] = {"libraries": {"keras": "3"}, "load": 2}
    assert repetitions(runs) == [1, 2]


@pytest.mark.parametrize(
    "commit",
    [
        *(None, "a" * 40, {}, {"id": COMMIT}, {"id": COMMIT, "dirty": None}, {"id": "<b>", "dirty": False}),
        *({"id": 5, "dirty": False}, {"id": COMMIT.upper(), "dirty": False}),
    ],
)  # fmt: skip
def test_a_commit_that_is_none_is_none(commit):
    assert commit_of({"commit": commit}) is None
    assert commit_of(of_commit(COMMIT)) == COMMIT


def test_a_side_has_a_commit_where_all_its_runs_have_it():
    assert Taken((of_commit(COMMIT), of_commit(COMMIT))).commit == COMMIT
    assert Taken((of_commit(COMMIT), of_commit(OTHER))).commit is None
    assert Taken(({},)).commit is None


def partner(own, other, role):
    return {"run_id": own, "side_by_side": {"role": role, "partner": other}}


def test_runs_that_name_each_other_were_made_side_by_side():
    base, head = partner("a", "b", "base"), partner("b", "a", "head")
    assert are_partners([base], [head])
    assert are_partners([head], [base])


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ([partner("a", "b", "base")], [partner("b", "c", "head")]),
        ([partner("a", "c", "base")], [partner("b", "a", "head")]),
        ([partner("a", "b", "base")], [partner("b", "a", "base")]),
        ([partner("a", "b", "base")], [{"run_id": "b"}]),
        ([partner("a", "b", "base")], [{"run_id": "b", "side_by_side": "a"}]),
        ([partner(None, None, "base")], [partner(None, None, "head")]),
        ([partner("a", "b", [])], [partner("b", "a", {})]),
        ([partner("a", "b", "base")] * 2, [partner("b", "a", "head")]),
    ],
)
def test_others_were_not(base, head):
    assert not are_partners(base, head)
