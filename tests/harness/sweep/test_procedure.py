"""Verdicts of the whole procedure on simulated machines: more than 10,000 comparisons, of which the truth is known."""

import numpy as np
import pytest
from procedure import COHORTS, RATIOS, RUNS, WORLDS, contradicts, verdicts_of_one_run, visit_effects

from grouped_bench.analyse.statistics import pairs, stability, stats

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def outcomes():
    """World → all its comparisons."""
    return {
        world: [found for run in range(RUNS) for found in verdicts_of_one_run(world, 1000 * number + run)]
        for number, world in enumerate(WORLDS)
    }


def test_there_are_ten_thousand_comparisons(outcomes):
    assert sum(map(len, outcomes.values())) == RUNS * COHORTS * len(RATIOS) * len(WORLDS) > 10_000


@pytest.mark.parametrize("world", WORLDS)
def test_at_most_one_decided_verdict_in_a_hundred_is_wrong(world, outcomes):
    decided = [found for found in outcomes[world] if found[1] != "undecided"]
    wrong = [found for found in decided if contradicts(*found[:2])]
    assert len(wrong) <= 0.01 * len(decided), wrong[:5]


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_that_early_stopping_and_many_pairs_have_widened_hold_the_truth(world, outcomes):
    held = [low.low <= ratio <= low.high for ratio, _, low in outcomes[world]]
    assert np.mean(held) >= 0.99


@pytest.mark.parametrize(("world", "equivalent"), [("log-normal", 0.9), ("drift", 0.9), ("step", 0.9), ("stolen", 0.4)])
def test_twins_end_equivalent_and_ten_per_cent_is_found(world, equivalent, outcomes):
    """A procedure that never decides is never wrong.

    The other worlds are too noisy for 40 visits of 7 rounds, and where time is stolen only half of the visits count.
    """
    for ratio, verdict, least in ((1.0, "equivalent", equivalent), (1.10, "faster", 0.99)):
        ended = [found[1] == verdict for found in outcomes[world] if found[0] == ratio]
        assert np.mean(ended) >= least, (world, ratio)


@pytest.mark.parametrize(("visits", "ratio", "least"), [(3, 3.0, 0.99), (3, 30.0, 0.99), (6, 1.5, 0.9)])
def test_large_ratios_are_decided_after_few_visits(visits, ratio, least):
    found = [outcome for run in range(12) for outcome in verdicts_of_one_run("huge", run, visits)]
    assert np.mean([verdict == "faster" for true, verdict, _ in found if true == ratio]) >= least


def test_the_check_can_fail_without_the_correction(monkeypatch):
    """The same runs with uncorrected 95 % intervals at every look are wrong far more often than 1 in 100."""
    monkeypatch.setattr(stats, "look_share", lambda visits: 1.0)
    monkeypatch.setattr(pairs, "_alpha", lambda needed, count: 0.05)
    found = [outcome for run in range(6) for outcome in verdicts_of_one_run("autocorrelated", run)]
    assert np.mean([contradicts(*outcome[:2]) for outcome in found]) > 0.02


def test_without_a_watch_on_other_programs_nothing_is_found_while_they_come_and_go(monkeypatch):
    monkeypatch.setattr(stability, "STOLEN_SHARE", 1.0)
    found = [outcome for run in range(4) for outcome in verdicts_of_one_run("stolen", run)]
    assert np.mean([verdict == "faster" for ratio, verdict, _ in found if ratio == 1.10]) < 0.5


@pytest.mark.parametrize("visits", [6, 10, 24])
@pytest.mark.parametrize("world", WORLDS)
def test_a_single_look_at_95_per_cent_covers_95_per_cent(world, visits):
    """Of the ratio's interval without any correction, at a number of visits fixed beforehand."""
    rng, covered, trials = np.random.default_rng(visits), 0, 2000
    for _ in range(trials):
        effects = [visit_effects(world, "ab", rng, visit / visits) for visit in range(visits)]
        ratios = [float(np.median(effect[0] - effect[1])) for effect in effects]
        found = stats.student_interval(ratios, 0.05)
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / trials <= 0.97


@pytest.mark.parametrize("visits", [6, 10, 24])
@pytest.mark.parametrize("world", ["log-normal", "bimodal", "autocorrelated", "outliers"])
def test_latency_intervals_cover_95_per_cent(world, visits):
    """Truth is the median of the visits' medians, found from many more of them."""
    rng, trials = np.random.default_rng(visits), 2000
    medians = np.array([np.median(visit_effects(world, "a", rng, 0)) for _ in range(trials * visits)])
    truth = np.exp(np.median(medians))
    covered = 0
    for sample in np.exp(medians).reshape(trials, visits):
        found = stats.latency_interval(sample)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / trials <= 0.97
