"""Trainings by a real framework: the same from the same seed, whoever computes the layers, and better than chance."""

import dataclasses
import itertools

import numpy as np
import pytest

from grouped_bench import backends, variants
from grouped_bench.measure.models.learning import data
from grouped_bench.measure.models.learning.networks import Trainee, candidates, carrier_key, moments, response_layers
from grouped_bench.measure.models.learning.training import Recipe, Trainer
from grouped_bench.space.learning import Network, NetworkPart
from grouped_bench.space.studies import STUDIES

SHAPE, CLASSES, BATCH = (16, 1), 4, 20
GROUPED = Network(
    "grouped",
    (
        NetworkPart("convolution", 16),
        NetworkPart("convolution", 16, kernel=1, groups=4),
        NetworkPart("shuffle", groups=4),
        NetworkPart("convolution", 16, groups=0, stride=2),
    ),
)
BLOCKS = Network("blocks", (NetworkPart("convolution", 8), NetworkPart("block", groups=2, width=3)))


@pytest.fixture(scope="module")
def backend(request):
    return backends.load(request.config.getoption("backend"))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Sines of four frequencies under noise."""
    rng = np.random.default_rng(0)
    count = 240
    y = np.arange(count) % CLASSES
    waves = np.sin((y[:, None] + 1) * np.arange(SHAPE[0]) * 0.5 + rng.uniform(0, 6, (count, 1)))
    x = (waves + rng.normal(0, 0.3, waves.shape))[..., None].astype(np.float32)
    parts = {
        name: slice(start, start + 80)
        for name, start in zip(("train", "validation", "test"), (0, 80, 160), strict=True)
    }
    found = data.Examples(
        {name: x[part] for name, part in parts.items()}, {name: y[part] for name, part in parts.items()}
    )
    file = tmp_path_factory.mktemp("examples") / "examples.npz"
    found.write(file)
    return str(file)


def recipe(path, seed=0, *, epochs=2, rate=0.1, responses=False):
    return Recipe(path, epochs, BATCH, rate, seed, responses)


def carriers(network, place):
    """The candidate in this place for every part, or the last one."""
    found = {}
    for part, case in network.stages(SHAPE, BATCH):
        names = candidates(part, case)
        if names:
            found[carrier_key(part, case)] = (names[min(place, len(names) - 1)], None)
    return found


@pytest.mark.parametrize("network", [GROUPED, BLOCKS], ids=lambda one: one.name)
def test_parameters_are_those_that_are_told(backend, network):
    model = Trainee(network, SHAPE, CLASSES, BATCH, backend, {}).model
    assert sum(int(np.prod(one.shape)) for one in model.trainable_variables) == network.params(SHAPE, CLASSES)
    assert model.output_shape == (None, CLASSES)


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_network_of_a_preset_can_be_built(backend, study):
    for network in study.networks[:: max(1, len(study.networks) // 3)]:
        model = Trainee(network, (40, 1), 10, 50, backend, {}).model
        assert sum(int(np.prod(one.shape)) for one in model.trainable_variables) == network.params((40, 1), 10)
        assert len(response_layers(model)) >= 2


@pytest.mark.parametrize("network", [GROUPED, BLOCKS], ids=lambda one: one.name)
def test_every_carrier_begins_with_the_same_function(backend, network):
    x = np.random.default_rng(1).normal(size=(5, *SHAPE)).astype(np.float32)
    made = []
    for place in range(3):
        trainee = Trainee(network, SHAPE, CLASSES, BATCH, backend, carriers(network, place))
        trainee.begin(3)
        made.append(np.asarray(trainee.model.predict_on_batch(x)))
    for one in made[1:]:
        np.testing.assert_allclose(one, made[0], atol=1e-4)
    trainee.begin(4)
    assert np.abs(np.asarray(trainee.model.predict_on_batch(x)) - made[0]).max() > 1e-2


def test_a_seed_makes_the_same_training(backend, path):
    """In one process and in a trainer of its own; another seed makes another one."""
    first = Trainer(backend, GROUPED, recipe(path), {})
    one, other, again = (first.train(recipe(path, seed)) for seed in (1, 2, 1))
    fresh = Trainer(backend, GROUPED, recipe(path), {}).train(recipe(path, 1))
    for found in (again, fresh):
        np.testing.assert_allclose(found["losses"], one["losses"], rtol=1e-5)
        assert found["accuracy"] == pytest.approx(one["accuracy"], abs=0.02)
    assert one["losses"] != pytest.approx(other["losses"], rel=1e-4)


def test_who_computes_the_layers_changes_nothing_of_the_training(backend, path):
    made = [Trainer(backend, BLOCKS, recipe(path), carriers(BLOCKS, place)).train(recipe(path, 5)) for place in (0, 2)]
    np.testing.assert_allclose(made[0]["losses"], made[1]["losses"], rtol=1e-3)


def test_a_network_learns(backend, path):
    found = Trainer(backend, GROUPED, recipe(path), {}).train(recipe(path, epochs=12))
    assert found["accuracy"] > 0.6 > 2 / CLASSES
    assert found["losses"][-1] < found["losses"][0] / 2
    assert len(found["losses"]) == len(found["validation_losses"]) == 12
    assert found["training_s"] > 0 < found["first_epoch_s"]


def test_a_rate_that_is_too_high_ends_the_training(backend, path):
    found = Trainer(backend, GROUPED, recipe(path), {}).train(recipe(path, epochs=8, rate=1e30))
    assert found["diverged"]
    assert len(found["losses"]) < 8


def test_after_one_that_diverged_the_next_begins_anew(backend, path):
    trainer = Trainer(backend, GROUPED, recipe(path), {})
    first = trainer.train(recipe(path, 1))
    trainer.train(recipe(path, 1, rate=1e30))
    np.testing.assert_allclose(trainer.train(recipe(path, 1))["losses"], first["losses"], rtol=1e-5)


def test_responses_are_of_the_last_two_layers(backend, path):
    found = Trainer(backend, GROUPED, recipe(path), {}).train(recipe(path, responses=True))["responses"]
    for when in ("before", "after"):
        first, second, across = map(np.asarray, found[when]["covariances"])
        assert (first.shape, second.shape, across.shape) == ((16, 16), (16, 16), (16, 16))
        assert found[when]["count"] >= 20 * 32
    longer = Trainer(backend, GROUPED, recipe(path), {}).train(recipe(path, epochs=3, responses=True))["responses"]
    for one, other in zip(longer["before"]["covariances"], found["before"]["covariances"], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    assert np.abs(np.subtract(longer["after"]["covariances"][0], found["after"]["covariances"][0])).max() > 1e-3


def test_memory_is_counted_or_unknown(backend, path):
    found = Trainer(backend, GROUPED, recipe(path), {}).peak_memory(BATCH)["peak_bytes"]
    assert found is None or found > 4 * BATCH * 16 * SHAPE[0]


def test_only_exact_variants_may_carry():
    for part, case in itertools.chain(GROUPED.stages(SHAPE, BATCH), BLOCKS.stages(SHAPE, BATCH)):
        for name in candidates(part, case):
            assert variants.get(name).computes == ("resnext" if part.kind == "block" else "grouped")


def test_a_form_that_is_compared_is_the_only_one():
    part = NetworkPart("block", groups=2, width=3, form="resnext_sum")
    (case,) = [case for _, case in Network("n", (NetworkPart("convolution", 8), part)).stages(SHAPE)][1:]
    assert candidates(part, case) == ("resnext_sum",)
    assert carrier_key(part, case) != carrier_key(dataclasses.replace(part, form=None), case)


def test_moments_by_hand():
    first = np.array([[[1.0], [3.0]]])
    second = np.array([[[2.0, 0.0], [6.0, 0.0]]])
    found = moments(first, second)
    assert found.count == 2
    assert [one.tolist() for one in found.means] == [[2.0], [4.0, 0.0]]
    assert [one.tolist() for one in found.covariances] == [[[1.0]], [[4.0, 0.0], [0.0, 0.0]], [[2.0, 0.0]]]


def test_the_smaller_map_is_repeated():
    first, second = np.arange(4.0).reshape(1, 4, 1), np.array([[[10.0], [20.0]]])
    found = moments(first, second)
    assert found.count == 4
    assert found.covariances[1] == pytest.approx(25.0)
    assert found.covariances[2] == pytest.approx(np.cov([0, 1, 2, 3], [10, 10, 20, 20], bias=True)[0, 1])
