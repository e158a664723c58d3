"""What is trained next: rates first, the same for all, then seeds that a verdict needs."""

import pytest
from trainings import STUDY, training, trainings

from grouped_bench.analyse.learning.verdicts import judged
from grouped_bench.harness.learning.study import (
    HIGHEST_RATE,
    LOWEST_RATE,
    RATES,
    TUNING_SEED,
    best_rates,
    next_seeds,
    seeds_left,
    tuning,
    typical_seconds,
)
from grouped_bench.store.learning import SEED, TUNING


def tuned(accuracies):
    """A tuning of every network whose accuracies at all rates are these."""
    return [
        training(one.name, TUNING_SEED, accuracy, phase=TUNING, rate=rate)
        for one in STUDY.networks
        for rate, accuracy in zip(RATES, accuracies, strict=True)
    ]


def test_every_network_gets_the_same_trainings_for_its_rate():
    turns = tuning(STUDY, [])
    assert {turn.network.name for turn in turns} == {one.name for one in STUDY.networks}
    for one in STUDY.networks:
        assert tuple(turn.learning_rate for turn in turns if turn.network is one) == RATES
    assert {(turn.phase, turn.seed) for turn in turns} == {(TUNING, TUNING_SEED)}


@pytest.mark.parametrize(
    ("accuracies", "more"),
    [
        ((0.6, 0.7, 0.6), []),
        ((0.5, 0.6, 0.7), [0.8]),
        ((0.7, 0.6, 0.5), [0.05]),
        ((0.7, None, None), [0.05]),
        ((None, None, None), [0.05]),
    ],
)
def test_a_best_rate_at_the_end_of_those_tried_asks_for_the_next(accuracies, more):
    turns = tuning(STUDY, tuned(accuracies))
    assert [turn.learning_rate for turn in turns] == more * len(STUDY.networks)


@pytest.mark.parametrize("grows", [True, False])
def test_rates_end_at_their_limits(grows):
    """A network that learns ever better with a higher rate, or with a lower one, is not tuned for ever."""
    made = []
    while turns := tuning(STUDY, made):
        made += [
            training(
                turn.network.name,
                TUNING_SEED,
                0.5,
                phase=TUNING,
                rate=turn.learning_rate,
                validation_accuracy=turn.learning_rate / 10 if grows else 1 - turn.learning_rate / 10,
            )
            for turn in turns
        ]
    rates = {one.learning_rate for one in made}
    assert (max(rates) if grows else min(rates)) == (HIGHEST_RATE if grows else LOWEST_RATE)
    assert len(made) <= 8 * len(STUDY.networks)


def test_what_was_tried_is_not_tried_again():
    made = tuned((0.6, 0.7, 0.6))
    assert tuning(STUDY, made) == []
    assert [turn.learning_rate for turn in tuning(STUDY, made[1:])] == [RATES[0]]


def test_the_rate_of_the_best_validation_is_taken():
    assert best_rates(STUDY, tuned((0.6, 0.7, 0.6))) == dict.fromkeys(("dense", "g4", "wide"), RATES[1])


def test_test_examples_choose_no_rate():
    """A rate that is best by the test examples and not by those of the validation is not taken."""
    lured = training("g4", TUNING_SEED, 0.99, phase=TUNING, rate=RATES[0], validation_accuracy=0.1)
    made = [one for one in tuned((0.6, 0.7, 0.6)) if (one.network, one.learning_rate) != ("g4", RATES[0])]
    assert best_rates(STUDY, [*made, lured])["g4"] == RATES[1]


def test_of_equals_the_lower_rate_is_taken():
    assert set(best_rates(STUDY, tuned((0.5, 0.7, 0.7))).values()) == {RATES[1]}


def test_a_rate_that_diverges_is_not_taken():
    assert set(best_rates(STUDY, tuned((0.5, None, None))).values()) == {RATES[0]}


def test_a_network_that_always_diverges_is_not_trained():
    made = [one for one in tuned((0.6, 0.7, 0.6)) if one.network != "g4"]
    made += [training("g4", TUNING_SEED, None, phase=TUNING, rate=rate) for rate in RATES]
    assert {turn.network.name for turn in next_seeds(STUDY, made)} == {"dense", "wide"}


def test_seeds_that_are_compared_are_not_those_of_the_tuning():
    turns = next_seeds(STUDY, tuned((0.6, 0.7, 0.6)))
    assert {(turn.phase, turn.seed, turn.learning_rate) for turn in turns} == {(SEED, 0, RATES[1])}
    assert len(turns) == len(STUDY.networks)


def test_a_seed_is_finished_before_the_next():
    made = [*tuned((0.6, 0.7, 0.6)), training("dense", 0, 0.8)]
    assert {(turn.network.name, turn.seed) for turn in next_seeds(STUDY, made)} == {("g4", 0), ("wide", 0)}


def test_what_is_decided_is_trained_no_more():
    made = [*tuned((0.6, 0.7, 0.6)), *trainings({"g4": 0.1}, 6, spread=0.01)]
    assert [one.is_decided for one in judged(STUDY, made)] == [True, False]
    assert {(turn.network.name, turn.seed) for turn in next_seeds(STUDY, made)} == {("dense", 6), ("wide", 6)}


def test_nothing_is_left_when_all_is_decided_or_seeds_are_used_up():
    made = tuned((0.6, 0.7, 0.6))
    assert next_seeds(STUDY, [*made, *trainings({"g4": 0.1, "wide": 0.1}, 6)]) == []
    assert next_seeds(STUDY, [*made, *trainings({}, 6, spread=0.05)], 6) == []
    assert next_seeds(STUDY, [*made, *trainings({}, 6, spread=0.05)], 7) != []


@pytest.mark.parametrize(("seeds", "left"), [(0, 18), (4, 6), (6, 9), (19, 3)])
def test_trainings_left_until_the_next_look(seeds, left):
    assert seeds_left(STUDY, trainings({}, seeds, spread=0.08)) == left


def test_the_first_estimate_is_none():
    assert typical_seconds([]) == 0
    assert typical_seconds([1.0, 3.0]) == 2
