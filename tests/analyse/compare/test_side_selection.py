"""Which runs stand for a side: those of the newest commit that can be taken together."""

import pytest
from drawn import CHANGES, COMMIT, OTHER, of_commit

from grouped_bench.analyse.compare.side_selection import (
    NO_CHANGES,
    NO_COMMIT,
    OTHER_MACHINE,
    OTHER_STATE,
    OTHER_TERMS,
    Taken,
    are_partners,
    commit_of,
    state_of,
    why_left_out,
)


def repetitions(runs, beside=None, **how):
    """Places of the runs that are taken."""
    return [place for place, why in enumerate(why_left_out(runs, beside, **how)) if why is None]


def test_runs_of_the_newest_commit_are_taken_together():
    runs = [of_commit(COMMIT, 3), of_commit(OTHER, 1), of_commit(COMMIT, 2)]
    assert why_left_out(runs) == [None, OTHER_STATE, None]


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


def changed(minute, changes=CHANGES, commit=COMMIT):
    return of_commit(commit, minute, dirty=True, changes=changes)


def test_runs_of_the_same_uncommitted_changes_repeat_each_other():
    runs = [changed(1), of_commit(COMMIT, 2), changed(3, "d" * 64), changed(4, commit=OTHER), changed(5)]
    assert why_left_out(runs) == [None, OTHER_STATE, OTHER_STATE, OTHER_STATE, None]
    assert why_left_out(runs[:2]) == [OTHER_STATE, None]
    assert commit_of(runs[0]) is None


def test_what_is_not_recorded_shows_no_repetition():
    runs = [{"started_at": "2026-11-23T01:00:00Z"}, of_commit(COMMIT, 2, dirty=True), of_commit(COMMIT, 3)]
    assert why_left_out(runs) == [NO_COMMIT, NO_CHANGES, None]
    assert why_left_out(runs[::-1][1:]) == [None, NO_COMMIT]
    assert why_left_out([of_commit(COMMIT, 1), {"started_at": "2027-01-01T00:00:00Z"}]) == [OTHER_STATE, None]


@pytest.mark.parametrize("changes", [None, "", 5, [], {}])
def test_odd_changes_are_no_state(changes):
    assert state_of(changed(1, changes)) is None
    assert state_of(of_commit(COMMIT, changes=CHANGES)) == COMMIT


def test_the_user_may_say_that_all_measured_alike_repeat_each_other():
    runs = [of_commit(OTHER, 1), {"started_at": "2026-11-23T01:02:00Z"}, of_commit(COMMIT, 3, dirty=True)]
    assert repetitions(runs) == [2]
    assert repetitions(runs, as_one=True) == [0, 1, 2]
    runs[0]["environment"] = {"libraries": {"keras": "2"}}
    assert why_left_out(runs, as_one=True) == [OTHER_TERMS, None, None]
    assert not Taken(tuple(runs)).is_one_state
    assert Taken((changed(1), changed(2))).is_one_state


def test_runs_of_the_machine_wanted_go_before_newer_ones():
    runs = [of_commit(COMMIT, 1, machine="here"), of_commit(OTHER, 2, machine="there")]
    assert why_left_out(runs, {"machine": "here"}) == [None, OTHER_MACHINE]
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


def rerun(own, other, role, first):
    told = partner(own, other, role)
    return {**told, "side_by_side": {**told["side_by_side"], "rerun_of": first}}


def test_what_measured_some_of_their_tasks_again_joins_them():
    bases, heads = [partner("a", "b", "base")], [partner("b", "a", "head")]
    for number in range(2):
        bases.append(rerun(f"c{number}", f"d{number}", "base", "a"))
        heads.append(rerun(f"d{number}", f"c{number}", "head", "b"))
        assert are_partners(bases, heads)
        assert Taken(tuple(bases)).is_rerun and not Taken(tuple(bases[:1])).is_rerun
    assert not are_partners(bases, heads[::-1])
    assert not are_partners(bases, heads[:2])


@pytest.mark.parametrize(
    ("base", "head"),
    [
        (
            [partner("a", "b", "base"), partner("c", "d", "base")],
            [partner("b", "a", "head"), partner("d", "c", "head")],
        ),
        (
            [partner("a", "b", "base"), rerun("c", "d", "base", "x")],
            [partner("b", "a", "head"), rerun("d", "c", "head", "b")],
        ),
        ([], []),
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
