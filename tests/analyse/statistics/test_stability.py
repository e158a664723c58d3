"""Flags: a machine that moved is seen, one that stood is not accused."""

import numpy as np
import pytest

from grouped_bench.analyse.statistics import stability
from grouped_bench.analyse.statistics.stability import Visit

VISITS, ROUNDS = 12, 20


def calm_visits():
    return [Visit(process) for process in range(VISITS)]


def series(rng, *, spread=0.05, trend=0.0, speeds=None):
    """Samples of each visit: log-normal rounds around a visit's speed, the first `trend` slower than the last."""
    speeds = np.exp(rng.normal(0, 0.05, VISITS)) if speeds is None else speeds
    slope = np.exp(np.linspace(trend, 0, ROUNDS))
    return [speed * 0.01 * slope * np.exp(rng.normal(0, spread, ROUNDS)) for speed in speeds]


def test_a_machine_that_stood_has_no_flags():
    rng = np.random.default_rng(0)
    found = [stability.flags(calm_visits(), series(rng), series(rng)) for _ in range(500)]
    assert sum(map(bool, found)) <= 5


@pytest.mark.parametrize(
    ("visit", "flag"),
    [(Visit(0, stolen=0.3), "stolen_cpu"), (Visit(0, stolen=0.0, throttled=0.2), "throttled")],
)
def test_a_disturbed_visit_that_counts_is_told(visit, flag):
    rng = np.random.default_rng(0)
    visits = [*calm_visits()[1:], visit]
    assert not visit.calm
    assert stability.flags(visits, series(rng), series(rng)) == ["unstable", flag]


def test_what_cannot_be_read_disturbs_nothing():
    assert Visit(0, None, None).calm


@pytest.mark.parametrize("step", [1.3, 1.5])
def test_a_machine_whose_speed_stepped_is_told(step):
    rng = np.random.default_rng(0)
    speeds = np.where(np.arange(VISITS) < VISITS // 2, 1.0, step)
    steps = [series(rng, speeds=speeds * np.exp(rng.normal(0, 0.05, VISITS))) for _ in range(100)]
    found = [stability.flags(calm_visits(), s, s) == ["unstable", "speed_changed"] for s in steps]
    assert np.mean(found) >= 0.95


def test_a_machine_that_slows_down_little_by_little_is_told():
    rng = np.random.default_rng(0)
    speeds = np.linspace(1.0, 1.4, VISITS)
    assert all(stability.speed_changed(series(rng, speeds=speeds)) for _ in range(100))


def test_a_machine_that_is_slow_on_and_off_is_told():
    rng = np.random.default_rng(0)
    speeds = np.where(np.arange(VISITS) % 2, 1.0, 2.0)
    assert all(stability.speed_changed(series(rng, speeds=speeds)) for _ in range(100))


def test_processes_that_settle_apart_are_no_change_of_speed():
    """As measured: some processes settle at 1.06 ms, others at 1.41 ms, whatever the time."""
    rng = np.random.default_rng(0)
    found = [stability.speed_changed(series(rng, speeds=rng.choice([1.06, 1.41], VISITS))) for _ in range(1000)]
    assert np.mean(found) <= 0.02


def test_one_slow_visit_is_no_change_of_speed():
    rng = np.random.default_rng(0)
    speeds = np.where(np.arange(VISITS) == 3, 3.0, 1.0)
    assert not stability.speed_changed(series(rng, speeds=speeds))


def test_without_a_reference_no_change_of_speed_is_claimed():
    assert not stability.speed_changed([])
    assert not stability.speed_changed([np.full(3, np.nan)] * 9)


def test_a_series_that_still_speeds_up_is_told():
    rng = np.random.default_rng(0)
    rising = [series(rng, trend=0.2) for _ in range(100)]
    assert all(stability.flags(calm_visits(), s, series(rng)) == ["unstable", "not_settled"] for s in rising)
    falling = series(rng, trend=-0.2)
    assert not stability.settled(falling, calm_visits())


def test_a_series_too_short_to_tell_is_not_accused():
    assert stability.settled([np.array([3.0, 2.0, 1.0])] * VISITS, calm_visits())
    assert stability.settled([np.linspace(2, 1, ROUNDS)] * 5, [Visit(0)] * 5)
