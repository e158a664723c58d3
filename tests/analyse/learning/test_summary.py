"""What is said of each network, which of them are worth their cost, and how their filters grew together."""

import math

import pytest
from trainings import STUDY, facts, network, responses, training, trainings

from grouped_bench.analyse.learning.published import NOT_SHOWN, OPPOSITE, SAME, besides
from grouped_bench.analyse.learning.summary import filters, last_groups, pareto, summaries
from grouped_bench.analyse.learning.verdicts import judged
from grouped_bench.space.learning import Network, NetworkPart

GROWN = {
    "dense": {"before": responses(1), "after": responses(1)},
    "g4": {"before": responses(4, inside=0.1), "after": responses(4, inside=0.9)},
}


def test_a_network_is_summed_up():
    made = [*trainings({"g4": 0.05}, 6, seconds={"g4": 7.0}), training("g4", 6, None)]
    dense, grouped, wide = summaries(made, facts())
    assert (grouped.name, grouped.seeds, grouped.failed, grouped.training_s) == ("g4", 6, 1, 7.0)
    assert grouped.accuracy.low < grouped.accuracy.estimate < grouped.accuracy.high
    assert grouped.params < dense.params
    assert (dense.failed, wide.learning_rate, wide.peak_memory_bytes) == (0, 0.1, 1 << 20)


def test_without_seeds_nothing_is_said():
    one = summaries(trainings({}, 0), facts())[0]
    assert (one.accuracy, one.training_s, one.learning_rate, one.peak_memory_bytes) == (None, None, None, None)


def test_two_seeds_have_no_interval():
    assert summaries(trainings({}, 2), facts())[0].accuracy is None


def test_the_front_has_no_network_that_another_beats():
    found = summaries(trainings({"g4": 0.05, "wide": 0.02}, 6), facts())
    assert [one.name for one in pareto(found, "params")] == ["g4"]
    better = summaries(trainings({"g4": -0.05, "wide": 0.02}, 6), facts())
    assert [one.name for one in pareto(better, "params")] == ["g4", "dense", "wide"]
    assert [one.name for one in pareto(better, "training_s")] == ["wide"]


def test_filters_grow_together():
    dense, grouped = filters(facts(responses=GROWN))
    before, after = grouped.growth
    assert (dense.growth, dense.by_chance, grouped.groups) == (None, None, 4)
    assert after > before > 0
    assert after > grouped.by_chance


def test_a_network_whose_responses_were_not_kept_has_no_picture():
    assert [one.network for one in filters(facts(responses={"g4": GROWN["g4"]}))] == ["g4"]


def test_the_groups_are_those_of_the_last_part_that_has_any():
    assert last_groups(network("x", 4)) == 4
    assert last_groups(network("x", 1)) == 1
    parts = (
        NetworkPart("convolution", 8, groups=2),
        NetworkPart("shuffle", groups=4),
        NetworkPart("convolution", 8, groups=0),
    )
    assert last_groups(Network("x", parts)) == 2


@pytest.mark.parametrize(
    ("gains", "directions"),
    [
        ({"g4": -0.1, "wide": 0.1}, [SAME, SAME]),
        ({"g4": 0.1, "wide": -0.1}, [OPPOSITE, OPPOSITE]),
        ({}, [NOT_SHOWN, NOT_SHOWN]),
    ],
)
def test_directions_beside_published_figures(gains, directions):
    found = besides(judged(STUDY, trainings(gains, 6, spread=0.003)))
    assert [one.direction for one in found] == directions
    assert all(one.figure.source and one.figure.setting for one in found)
    assert math.isclose(found[0].figure.points, -0.44)
