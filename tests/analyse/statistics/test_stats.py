"""Intervals and verdicts on numbers with known answers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from grouped_bench.analyse.statistics import stats


def test_too_few_visits_have_no_interval():
    assert stats.latency_interval([1.0, 1.1]) is None
    assert stats.verdict(None, 0.03) == "undecided"


def test_six_visits_span_almost_their_range():
    """The outer two of six order statistics cover the median with 96.9 %, the next two with 78.1 %.

    95 % lies a tenth of the way inside, which the formula of Hettmansperger and Sheather weighs as 0.5/1.4.
    """
    found = stats.latency_interval([1, 2, 3, 4, 5, 6])
    assert found.estimate == 3.5
    assert found.low == pytest.approx(1 + 0.5 / 1.4)
    assert found.high == pytest.approx(6 - 0.5 / 1.4)


def test_three_visits_use_student_on_logarithms():
    values = [1.0, 1.1, 1.21]
    found = stats.latency_interval(values)
    low, high = scipy_stats.t.interval(0.95, 2, np.mean(np.log(values)), scipy_stats.sem(np.log(values)))
    assert found.low == pytest.approx(math.exp(low))
    assert found.high == pytest.approx(math.exp(high))


@pytest.mark.parametrize("visits", [6, 9, 15, 24])
def test_latency_intervals_cover_the_median_of_a_bimodal_process(visits):
    """Processes settle at one of two speeds, as domain measurements show; nominal 95 %."""
    rng = np.random.default_rng(visits)
    covered = 0
    for _ in range(1500):
        mode = np.where(rng.random(visits) < 0.35, 1.41, 1.06)
        found = stats.latency_interval(mode * np.exp(rng.normal(0, 0.02, visits)))
        covered += found.low <= 1.0737 <= found.high
    # Median of the mixture: the 0.5/0.65 quantile of the lower mode.
    assert covered / 1500 > 0.93


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.99, 1.01, "equivalent"),
        (1.001, 1.02, "equivalent"),
        (1.001, 1.04, "faster"),
        (0.5, 0.9, "slower"),
        (0.9, 1.1, "undecided"),
        (1 / 1.03, 1.03, "equivalent"),
        (0.969, 1.0, "undecided"),
    ],
)
def test_verdict_of_an_interval(low, high, expected):
    assert stats.verdict(stats.Interval(math.sqrt(low * high), low, high), 0.03) == expected


@given(st.floats(0.2, 5), st.floats(1.0001, 2))
def test_verdicts_mirror_when_the_pair_is_exchanged(ratio, width):
    opposite = {"faster": "slower", "slower": "faster"}
    found = stats.verdict(stats.Interval(ratio, ratio / width, ratio * width), 0.03)
    mirrored = stats.verdict(stats.Interval(1 / ratio, 1 / (ratio * width), 1 / (ratio / width)), 0.03)
    assert mirrored == opposite.get(found, found)


def test_looks_grow_by_a_third_and_spend_at_most_everything():
    assert stats.looks(30) == [3, 6, 8, 11, 15, 20, 27]
    assert sum(stats.look_share(count) for count in stats.looks(10_000)) < 1


@given(st.integers(3, 200))
def test_between_looks_the_share_of_the_next_one_holds(visits):
    following = next(count for count in stats.looks(300) if count >= visits)
    assert stats.look_share(visits) == stats.look_share(following)
    assert stats.is_look(visits) == (visits == following)


def test_robust_variance_is_that_of_normal_values_and_ignores_outliers_and_gaps():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 0.2, 4000)
    values[:40] = 50
    values[40:80] = np.nan
    assert stats.robust_variance(values) == pytest.approx(0.04, rel=0.1)


def simulated_error(rounds, *, within, between, visit_cost, round_cost, seconds):
    """Standard error of the mean over the visits that fit into `seconds`, medians of `rounds` normal rounds each."""
    visits = seconds / (visit_cost + rounds * round_cost)
    return math.sqrt((between + math.pi / 2 * within / rounds) / visits)


@pytest.mark.parametrize(("within", "between"), [(0.03**2, 0.01**2), (0.05**2, 0.002**2), (0.01**2, 0.03**2)])
def test_best_rounds_are_those_of_the_least_error(within, between):
    rng, costs = np.random.default_rng(0), {"visit_cost": 0.3, "round_cost": 0.01}
    counts = [15] * 4000
    medians = rng.normal(0, math.sqrt(between + math.pi / 2 * within / 15), len(counts))
    best = stats.best_rounds(medians, [within] * len(counts), counts, **costs)
    errors = {
        rounds: simulated_error(rounds, within=within, between=between, seconds=30, **costs) for rounds in range(1, 400)
    }
    assert errors[max(1, round(best))] <= 1.02 * min(errors.values())


def test_visits_that_differ_by_their_rounds_alone_want_ever_more_rounds():
    assert stats.best_rounds([0.0, 0.001, -0.001], [0.01] * 3, [5] * 3, visit_cost=1, round_cost=1) == math.inf
