"""Networks to learn: what they compute, what they cost, and which of a preset cost the same."""

import dataclasses

import pytest

from grouped_bench.errors import SpaceError
from grouped_bench.space.learning import Network, NetworkPart, are_equal
from grouped_bench.space.studies import STUDIES, matched_width, study_named

SHAPE, CLASSES = (40, 1), 10
EACH = pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)


def costs(study, name):
    found = study.network(name)
    return found.params(SHAPE, CLASSES), found.macs(SHAPE, CLASSES)


@EACH
def test_every_part_computes_something(study):
    for network in study.networks:
        for part, case in network.stages(SHAPE, study.batch_size):
            assert case.problem() is None, (network.name, part)


@EACH
def test_comparisons_and_pictures_are_of_networks_that_are_there(study):
    names = {network.name for network in study.networks}
    assert len(names) == len(study.networks)
    assert {name for one in study.comparisons for name in (one.network, one.beside)} <= names
    assert set(study.correlated) <= names
    assert len({one.key for one in study.comparisons}) == len(study.comparisons)


@EACH
def test_a_network_is_what_it_was_once_it_was_written(study):
    assert [Network.of_json(network.to_json()) for network in study.networks] == list(study.networks)


@pytest.mark.parametrize(
    ("preset", "one", "other"),
    [
        ("shuffle-mini", "g4 shuffled", "g4"),
        ("shuffle-mini", "g8 shuffled", "g8"),
        ("shuffle-mini", "g4", "dense"),
        *(("resnext-mini", f"C={count}", "C=1") for count in (2, 4, 8, 16)),
        ("resnext-mini", "2x cardinality", "2x depth"),
        ("resnext-mini", "2x cardinality", "2x width"),
        ("resnext-mini", "form sum", "C=4"),
    ],
)
def test_what_is_compared_at_equal_cost_costs_the_same(preset, one, other):
    mine, others = (costs(STUDIES[preset], name) for name in (one, other))
    assert all(are_equal(*pair) for pair in zip(mine, others, strict=True))


def test_costs_of_a_network_by_hand():
    network = Network(
        "n",
        (
            NetworkPart("convolution", 8, kernel=3),  # 3·1·8 weights, 8·2 of the normalisation, 40 positions
            NetworkPart("shuffle", groups=2),
            NetworkPart("convolution", 8, kernel=1, groups=2, stride=2),  # 1·4·8 weights, 20 positions
            NetworkPart("convolution", 8, kernel=3, groups=0),  # depthwise: 3·1·8
            NetworkPart("block", kernel=3, groups=2, width=3),  # 6·(2·8 + 3·6/2) = 150, 2·(2·6 + 8) of normalisations
        ),
    )
    weights = 24 + 32 + 24 + 150
    assert network.params(SHAPE, CLASSES) == weights + 3 * 16 + 40 + 9 * CLASSES
    assert network.macs(SHAPE, CLASSES) == 24 * 40 + 32 * 20 + 24 * 20 + 150 * 20 + 8 * CLASSES


def test_costs_in_two_dimensions():
    network = Network(
        "n", (NetworkPart("convolution", 4, kernel=3), NetworkPart("convolution", 4, kernel=3, stride=2, groups=4))
    )
    assert network.params((6, 6, 2), 2) == 9 * 2 * 4 + 9 * 4 + 2 * 2 * 4 + 5 * 2
    assert network.macs((6, 6, 2), 2) == 36 * 9 * 2 * 4 + 9 * 9 * 4 + 4 * 2


def test_a_shuffle_costs_nothing():
    bare = STUDIES["shuffle-mini"].network("g4")
    assert costs(STUDIES["shuffle-mini"], "g4 shuffled") == (bare.params(SHAPE, CLASSES), bare.macs(SHAPE, CLASSES))


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_no_other_width_is_nearer(count):
    def far(width):
        return abs(count * width * (128 + 9 * width) - 32 * (128 + 9 * 32))

    width = matched_width(count)
    assert far(width) <= min(far(width - 1), far(width + 1))


def test_an_unknown_preset_is_refused():
    with pytest.raises(SpaceError, match=r"preset must be known\. Received: nope\. Use shuffle-mini"):
        study_named("nope")


def test_equal_is_within_five_per_cent():
    assert are_equal(100, 105)
    assert not are_equal(100, 106)


def test_the_network_is_found_by_its_name():
    study = STUDIES["deep-roots-mini"]
    assert study.network("dense") is study.networks[0]
    assert dataclasses.replace(study, epochs=1).network("root 8").name == "root 8"
