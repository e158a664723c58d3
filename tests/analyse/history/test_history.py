"""Runs in the order of their commits, their series, and the steps between them."""

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from histories import REFERENCE_S, START, commit, joined, run, runs
from machines import machine, older, recorded

from grouped_bench.analyse.history import change_points
from grouped_bench.analyse.history.history import of_frame
from grouped_bench.store.identity import identified

STEADY = {"regular": {0: 2.0}, "grouped": {0: 30.0}}
STEPPED = {"regular": {0: 2.0}, "grouped": {0: 30.0, 12: 31.8}}


def of(made):
    return of_frame(*joined(made))


def by_variant(past):
    return {one.columns["variant"]: one for one in past.series}


def test_a_step_is_between_the_last_run_before_and_the_first_after():
    made = runs(24, STEPPED)
    past = of(made)
    assert [series.columns["variant"] for series in past.series] == ["grouped", "regular"]
    ((series, step),) = past.steps
    assert series.columns["variant"] == "grouped"
    assert (step.before.commit.id, step.after.commit.id) == (commit(11)["id"], commit(12)["id"])
    assert (step.before.run_id, step.after.run_id) == (made[11][1]["run_id"], made[12][1]["run_id"])
    assert (step.place, step.runs) == (12, 12)
    assert step.ratio.low < 1.06 < step.ratio.high
    assert step.changed == ()


def test_latencies_are_over_the_reference_and_back_in_seconds():
    """The machine's speed changes by a fifth from run to run, and nothing of it is seen."""
    series = by_variant(of(runs(24, STEADY)))["regular"]
    assert series.basis == "normalised"
    assert series.steps == ()
    seconds = np.array([point.seconds for point in series.points])
    assert np.std(np.log(seconds)) < 0.01
    assert np.median(seconds) == pytest.approx(2.0 * REFERENCE_S, rel=0.15)
    assert all(point.low < point.seconds < point.high < 1.05 * point.seconds for point in series.points)


def test_where_one_run_lacks_a_reference_latencies_are_raw():
    made = runs(8, STEADY, weather=0.0)
    made[3] = run(3, {"regular": 2.0, "grouped": 30.0}, weather=0.0, reference=False)
    assert {one.basis for one in of(made).series} == {"raw"}
    raw = by_variant(of(runs(24, STEADY, reference=False)))["regular"]
    assert np.std([math.log(point.seconds) for point in raw.points]) > 0.1


def test_another_version_of_the_backend_brings_its_own_reference():
    """Twice as slow a reference of a newer backend makes no task twice as fast."""
    made = runs(20, STEADY, weather=0.01)
    for number, (one, _) in enumerate(made):
        if number >= 10:
            made[number][0]["backend_version"] = "2.22.0"
            slower = [[[2 * value for value in visit] for visit in cell] for cell in one["reference_s"]]
            one["reference_s"] = pd.Series(slower, one.index, dtype=object)
    assert of(made).steps == []


def test_runs_stand_by_date_of_commit_then_by_their_own():
    made = [run(number, {"regular": 2.0}) for number in range(4)]
    made[0][1]["commit"] = commit(9)  # began first, and measured the newest commit
    names = [moment.run_id for moment in of(made).moments]
    assert names == [made[number][1]["run_id"] for number in (1, 2, 3, 0)]


def test_zones_are_minded():
    made = [run(number, {"regular": 2.0}) for number in range(2)]
    made[0][1]["commit"] = commit(0, date="2026-03-01T12:00:00+02:00")
    made[1][1]["commit"] = commit(1, date="2026-03-01T11:00:00+00:00")
    assert [moment.commit.id for moment in of(made).moments] == [commit(0)["id"], commit(1)["id"]]


def test_runs_of_one_commit_are_neighbours_also_among_others_of_its_date():
    date = START.isoformat()
    made = [run(number, {"regular": 2.0}) for number in range(6)]
    for number, (_, facts) in enumerate(made):
        facts["commit"] = commit(number % 2, date=date)
    ids = [moment.commit.id for moment in of(made).moments]
    assert ids == [commit(0)["id"]] * 3 + [commit(1)["id"]] * 3


def test_runs_without_a_commit_stand_by_when_they_began():
    made = [run(number, {"regular": 2.0}, told=number != 1) for number in (2, 1, 0)]
    past = of(made)
    assert [moment.run_id for moment in past.moments] == [made[place][1]["run_id"] for place in (2, 1, 0)]
    assert [moment.commit is None for moment in past.moments] == [False, True, False]
    assert past.moments[1].date == START + datetime.timedelta(days=1)


def test_a_step_within_a_commit_says_so_unless_files_were_changed():
    made = runs(24, STEPPED)
    for _, facts in made[11:13]:
        facts["commit"] = commit(11)
    ((_, step),) = of(made).steps
    assert step.same_commit
    made[12][1]["commit"] = commit(11, dirty=True)
    ((_, step),) = of(made).steps
    assert not step.same_commit


def test_what_else_changed_at_a_step_is_told():
    made = runs(24, STEPPED)
    for _, facts in made[12:]:
        facts["environment"]["libraries"] = {"tensorflow": "2.22.0", "keras": "3.15.1"}
    ((_, step),) = of(made).steps
    assert [(one.fact, one.values) for one in step.changed] == [("libraries.tensorflow", ("2.21.0", "2.22.0"))]


def test_what_one_run_does_not_tell_is_no_change():
    made = runs(24, STEPPED)
    for _, facts in made[12:]:
        del facts["environment"]["memory"]
    ((_, step),) = of(made).steps
    assert step.changed == ()


def test_machines_are_apart():
    made = runs(12, STEADY)
    made += [(one.assign(run_id=f"x{number}", machine="other"), {**facts, "run_id": f"x{number}"})
             for number, (one, facts) in enumerate(runs(12, {"regular": {0: 3.0}, "grouped": {0: 30.0}}))]  # fmt: skip
    past = of(made)
    assert len(past.series) == 4
    assert all(len(series.points) == 12 and not series.steps for series in past.series)


def test_what_was_not_measured_is_no_point():
    made = runs(8, STEADY)
    made[2][0].loc[made[2][0]["variant"] == "grouped", "status"] = "oom"
    assert {name: len(one.points) for name, one in by_variant(of(made)).items()} == {"regular": 8, "grouped": 7}


def test_one_side_of_two_environments_is_no_part_of_a_history():
    made = runs(8, STEADY)
    made[5][1]["side_by_side"] = {"id": "x"}
    past = of(made)
    assert (len(past.moments), past.left_out) == (7, 1)
    assert made[5][1]["run_id"] not in {moment.run_id for moment in past.moments}


def test_of_the_same_run_twice_there_is_one_point():
    made = runs(8, STEADY)
    assert len(by_variant(of([*made, made[3]]))["regular"].points) == 8


def test_the_correction_is_for_all_series_that_are_long_enough(monkeypatch):
    made = runs(8, {**STEADY, "split_sum": {0: 2.5}})
    made = [(one[(one["variant"] != "split_sum") | (number < 5)], facts) for number, (one, facts) in enumerate(made)]
    asked = []
    monkeypatch.setattr(change_points, "find", lambda logs, count: asked.append((len(logs), count)) or [])
    of(made)
    assert asked == [(8, 2), (8, 2), (5, 2)]


def test_levels_are_the_stretches_between_steps():
    series = by_variant(of(runs(24, STEPPED)))["grouped"]
    (first, second) = series.levels
    assert (first[:2], second[:2]) == ((0, 11), (12, 23))
    assert second[2] / first[2] == pytest.approx(1.06, abs=0.01)


def test_an_empty_frame_has_no_history():
    assert of_frame(pd.DataFrame({"run_id": []}), []).moments == ()


def test_a_run_made_before_identities_stands_in_the_series_of_its_machine():
    now = recorded()
    made = [run(number, {"regular": 1.0}, **(older() if number < 2 else now)) for number in range(4)]
    made = [(one.assign(machine=identified(facts)["machine"]), identified(facts)) for one, facts in made]
    [series] = of_frame(*joined(made)).series
    assert (series.columns["machine"], len(series.points)) == (now["machine"], 4)
    elsewhere = [(one.assign(machine="x"), {**facts, **recorded(machine(count=8))}) for one, facts in made[2:]]
    assert len(of_frame(*joined([*made[:2], *elsewhere])).series) == 2
