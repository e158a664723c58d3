"""Verdicts on networks: paired seeds, looks that are paid for, and how often they are wrong where truth is known."""

import dataclasses

import numpy as np
import pytest
from trainings import STUDY, training, trainings

from grouped_bench.analyse.learning import verdicts
from grouped_bench.analyse.learning.verdicts import BETTER, EQUIVALENT, LOOKS, UNDECIDED, WORSE, judged
from grouped_bench.analyse.statistics.stats import FAMILY_ALPHA, Interval

# Of differences between two trainings from one seed, as the presets showed them.
SPREAD = 0.011


def verdict_of(differences, comparisons):
    """What a run says that ends where a verdict is given."""
    for count in (look for look in LOOKS if look <= len(differences)):
        found = verdicts.verdict(verdicts.interval(differences[:count], comparisons))
        if found != UNDECIDED:
            return found
    return UNDECIDED


def test_all_looks_together_spend_no_more_than_there_is():
    assert sum(verdicts._SHARES) == pytest.approx(1)
    assert len(verdicts._SHARES) == len(LOOKS)
    assert LOOKS[0] == verdicts.LEAST_SEEDS
    assert LOOKS[-1] == verdicts.MOST_SEEDS


def test_networks_that_learn_alike_are_seldom_told_apart():
    """5% for any of a study's verdicts, from 4,000 studies of six comparisons."""
    rng = np.random.default_rng(1)
    wrong = sum(any(verdict_of(rng.normal(0, SPREAD, 20), 6) in (BETTER, WORSE) for _ in range(6)) for _ in range(4000))
    assert wrong / 4000 <= FAMILY_ALPHA + 2 * (FAMILY_ALPHA / 4000) ** 0.5


def test_an_unpaid_look_would_be_seen(monkeypatch):
    """The same with the whole error at each look, and no correction for the number of comparisons."""
    monkeypatch.setattr(verdicts, "_SHARES", (1, 1, 1, 1))
    rng = np.random.default_rng(1)
    wrong = sum(any(verdict_of(rng.normal(0, SPREAD, 20), 1) != UNDECIDED for _ in range(6)) for _ in range(500))
    assert wrong / 500 > 0.2


def test_two_points_are_found():
    """In 95 of 100 studies of eight comparisons, with 20 seeds at most."""
    rng = np.random.default_rng(2)
    found = sum(verdict_of(rng.normal(0.02, SPREAD, 20), 8) == BETTER for _ in range(2000))
    assert found / 2000 >= 0.95


def test_a_difference_beyond_the_margin_is_seldom_called_equivalent():
    rng = np.random.default_rng(3)
    wrong = sum(verdict_of(rng.normal(1.01 * verdicts.MARGIN, 0.003, 20), 1) == EQUIVALENT for _ in range(2000))
    assert wrong / 2000 <= FAMILY_ALPHA


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (-0.004, 0.004, EQUIVALENT),
        (0.001, 0.004, EQUIVALENT),
        (0.001, 0.02, BETTER),
        (-0.02, -0.001, WORSE),
        (-0.02, 0.02, UNDECIDED),
        (-0.005, 0.005, EQUIVALENT),
    ],
)
def test_verdicts(low, high, found):
    assert verdicts.verdict(Interval((low + high) / 2, low, high)) == found


def test_nothing_is_said_before_the_first_look():
    (one, _) = judged(STUDY, trainings({"g4": 0.1}, 5))
    assert (one.verdict, one.difference, one.seeds, one.why) == (UNDECIDED, None, 5, "5 of at least 6 seeds")


def test_what_is_plain_is_said_at_the_first_look():
    one, other = judged(STUDY, trainings({"g4": 0.1, "wide": -0.1}, 8))
    assert (one.verdict, one.seeds, other.verdict, other.seeds) == (BETTER, 6, WORSE, 6)
    assert one.difference.low < 0.1 < one.difference.high


def test_seeds_beyond_a_look_wait_for_the_next():
    made = trainings({}, 8, spread=0.05)
    first = [one for one in made if one.phase != verdicts.SEED or one.seed < 6]
    assert judged(STUDY, made)[0].difference == judged(STUDY, first)[0].difference


def test_only_seeds_that_both_have_count():
    made = [one for one in trainings({"g4": 0.1}, 9) if (one.network, one.seed) != ("g4", 2)]
    assert judged(STUDY, made)[0].seeds == 6
    assert judged(STUDY, [one for one in made if one.seed != 3 or one.network != "dense"])[0].seeds == 6


def test_a_network_of_which_a_training_failed_is_not_compared():
    made = [*trainings({"g4": 0.1}, 9), training("g4", 9, None)]
    one, other = judged(STUDY, made)
    assert (one.verdict, one.why, one.is_decided) == (UNDECIDED, "1 of 10 trainings of g4 failed", True)
    assert other.why == ""


def test_tuning_is_no_evidence():
    made = [dataclasses.replace(one, phase="tuning") for one in trainings({"g4": 0.1}, 9)]
    assert judged(STUDY, made)[0].seeds == 0
