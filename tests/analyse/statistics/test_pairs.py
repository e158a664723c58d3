"""Verdicts on all pairs of a run together: large effects at three processes, bounds under load, few wrong ones."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouped_bench.analyse.statistics import pairs, stats
from grouped_bench.analyse.statistics.stability import MOVED, Visit
from grouped_bench.analyse.statistics.tasks import Value


def values(logs, stolen=0.0):
    return [Value(float(log), Visit(process, stolen)) for process, log in enumerate(logs)]


def judged(logs, **options):
    return pairs.judge({0: values(logs, **options)}, count=1, margin=0.03)[0]


def run_of(rng, ratio, *, pairs_=21, processes=3, deviation=0.05, stolen=0.0):
    """Pairs of one true ratio, whose deviations differ from pair to pair as on record."""
    own = deviation * np.sqrt(5 / rng.chisquare(5, pairs_))
    logs = rng.normal(math.log(ratio), own[:, None], (pairs_, processes))
    return {number: values(row, stolen) for number, row in enumerate(logs)}


def test_one_process_decides_nothing_and_two_only_what_is_far_apart():
    assert judged([3.0]) == pairs.Pair(None, "undecided", 1)
    assert judged([3.0, 3.1]).verdict == "faster"
    assert judged([0.2, 0.21]).verdict == "undecided"
    assert judged([0.0, 0.0]).verdict == "undecided"


@pytest.mark.parametrize("ratio", [3.0, 30.0])
def test_two_processes_beside_the_other_pairs_decide_large_ratios(ratio):
    rng = np.random.default_rng(5)
    runs = [pairs.judge(run_of(rng, ratio, processes=2), count=21, margin=0.03) for _ in range(20)]
    found = [pair.verdict for run in runs for pair in run.values()]
    assert np.mean([verdict == "faster" for verdict in found]) >= 0.95
    twins = [pairs.judge(run_of(rng, 1.0, processes=2), count=21, margin=0.03) for _ in range(60)]
    assert sum(pair.verdict in ("faster", "slower") for run in twins for pair in run.values()) <= 3


def test_visits_of_one_process_count_once():
    """Six visits of two processes that settled apart say nothing about a third."""
    ratios = [0.30, 0.31, 0.32, -0.30, -0.31, -0.32]
    visits = [Visit(process) for process in (0, 0, 0, 1, 1, 1)]
    found = [Value(ratio, visit) for ratio, visit in zip(ratios, visits, strict=True)]
    assert pairs.judge({0: found}, count=1, margin=0.03)[0].verdict == "undecided"


def test_the_visits_of_a_slow_down_of_two_are_decided_beside_twenty_others():
    """Visits of 0.542, 0.559 and 0.506, which were `undecided` by their own variance alone."""
    rng = np.random.default_rng(0)
    run = run_of(rng, 1.0, pairs_=20) | {"slow": values(np.log([0.542, 0.559, 0.506]))}
    found = pairs.judge(run, count=21, margin=0.03)["slow"]
    assert found.verdict == "slower"
    assert 0.35 < found.interval.low < found.interval.high < 0.75


@pytest.mark.parametrize(("ratio", "processes", "least"), [(3.0, 3, 0.99), (30.0, 3, 0.99), (1.5, 6, 0.9)])
def test_large_ratios_are_decided_after_few_visits(ratio, processes, least):
    rng = np.random.default_rng(1)
    found = [
        pair
        for _ in range(20)
        for pair in pairs.judge(run_of(rng, ratio, processes=processes), count=21, margin=0.03).values()
    ]
    assert np.mean([pair.verdict == "faster" for pair in found]) >= least


def test_a_slow_call_of_few_rounds_beside_a_busy_program_is_decided():
    """Three rounds a visit that scatter by a factor of two, beside pairs of many rounds: a ratio of 30 is no doubt."""
    rng, found = np.random.default_rng(3), []
    for _ in range(20):
        run, rounds = run_of(rng, 1.5, pairs_=60), rng.normal(math.log(1 / 30), 0.7, (15, 4, 3))
        for number, visits in enumerate(rounds):
            told = zip(np.median(visits, axis=1), visits, strict=True)
            run[f"slow {number}"] = [
                Value(float(log), Visit(process), variance=stats.median_variance(one))
                for process, (log, one) in enumerate(told)
            ]
        found += [pair for key, pair in pairs.judge(run, count=75, margin=0.03).items() if str(key).startswith("slow")]
    assert np.mean([pair.verdict == "slower" for pair in found]) >= 0.95
    assert np.mean([pair.interval.low <= 1 / 30 <= pair.interval.high for pair in found]) >= 0.98


def test_more_decided_pairs_narrow_the_interval_of_each():
    rng = np.random.default_rng(2)
    own = {"own": values(rng.normal(0.3, 0.01, 6))}
    alike = run_of(rng, 1.0, processes=6, pairs_=10), run_of(rng, 9.0, processes=6, pairs_=10)
    few, many = (pairs.judge(own | run, count=11, margin=0.03) for run in alike)
    decided = [sum(pair.verdict != "undecided" for pair in found.values()) for found in (few, many)]
    assert decided[0] < decided[1]

    def width(pair):
        return math.log(pair.interval.high / pair.interval.low)

    assert width(many["own"]) < width(few["own"])


def test_pairs_that_were_not_visited_yet_widen_the_others():
    logs = [0.1, 0.11, 0.12, 0.1, 0.11, 0.12]
    one, many = (pairs.judge({0: values(logs)}, count=count, margin=0.03)[0].interval for count in (1, 100))
    assert many.low < one.low < one.high < many.high


def test_stolen_time_widens_the_interval_by_what_it_may_have_moved():
    calm, loaded = judged([1.0, 1.01, 0.99]), judged([1.0, 1.01, 0.99], stolen=0.5)
    assert loaded.verdict == "faster"
    allowed = 1 + 0.5 * MOVED
    assert calm.interval.low / loaded.interval.low == pytest.approx(allowed)
    assert loaded.interval.high / calm.interval.high == pytest.approx(allowed)
    assert judged([0.2, 0.21, 0.19] * 4).verdict == "faster"
    assert judged([0.2, 0.21, 0.19] * 4, stolen=0.5).verdict == "undecided"
    assert judged([0.0, 0.001, -0.001] * 4, stolen=0.5).verdict == "undecided"


def test_a_ratio_that_drifts_within_visits_is_known_no_closer_than_its_drift():
    def drifting(drift):
        found = [Value(0.2, Visit(process), drift) for process in range(6)]
        return pairs.judge({0: found}, count=1, margin=0.03)[0]

    assert drifting(0.0).verdict == "faster"
    assert drifting(-0.3).verdict == drifting(0.3).verdict == "undecided"
    noise = [Value(0.2, Visit(process), drift) for process, drift in enumerate([0.1, -0.1, 0.05, -0.04, 0.08, -0.09])]
    assert pairs.judge({0: noise}, count=1, margin=0.03)[0] == drifting(0.0)


def test_few_of_the_decided_verdicts_on_twins_and_near_ones_are_wrong():
    """Ratios of 1 and of just beyond the margin, in runs where few pairs are decided."""
    rng, decided, wrong = np.random.default_rng(3), 0, 0
    for _ in range(300):
        run = run_of(rng, 1.0, processes=3, deviation=0.02) | {
            ("beyond", key): some for key, some in run_of(rng, 1.035, processes=3, deviation=0.02).items()
        }
        for key, pair in pairs.judge(run, count=42, margin=0.03).items():
            decided += pair.verdict != "undecided"
            wrong += pair.verdict == "slower" or pair.verdict == ("equivalent" if isinstance(key, tuple) else "faster")
    assert wrong <= max(3, 0.01 * decided)


@given(st.lists(st.lists(st.floats(-6, 6), min_size=1, max_size=7), min_size=1, max_size=6), st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_the_verdict_is_what_the_interval_says(runs, count):
    found = pairs.judge({key: values(logs) for key, logs in enumerate(runs)}, count=count, margin=0.03)
    for key, pair in found.items():
        assert (pair.interval is None) == (len(runs[key]) < pairs.LEAST_PROCESSES)
        assert pair.verdict == stats.verdict(pair.interval, 0.03)


def test_verdicts_as_they_stand_are_those_of_all_pairs_so_far():
    rng = np.random.default_rng(4)
    run = run_of(rng, 1.5)
    standing = pairs.Verdicts(21, 0.03)
    assert standing[0] == pairs.Pair(None, "undecided", 0)
    for key, found in run.items():
        standing.put(key, found)
    assert {key: standing[key] for key in run} == pairs.judge(run, count=21, margin=0.03)
