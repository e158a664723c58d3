"""Examples that are made here: of which shape, the same from a seed, in one set each, and not downloaded."""

import socket
import sys

import numpy as np
import pytest

from grouped_bench.errors import UnavailableError
from grouped_bench.harness.learning import examples
from grouped_bench.harness.learning.examples import KINDS, made

SIZES = {"mnist1d": (40, 1), "digits": (8, 8, 1), "shapes": (16, 16, 1)}
CLASSES = {"mnist1d": 10, "digits": 10, "shapes": 8}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Fewer examples to test on, and no network."""
    monkeypatch.setattr(examples, "_TEST_EXAMPLES", 200)
    monkeypatch.setattr(examples, "_VALIDATION_EXAMPLES", 100)

    def refuse(*arguments, **options):
        raise AssertionError("nothing may be downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_that_are_made(kind):
    found = made(kind, 100, 3)
    assert (found.shape, found.classes) == (SIZES[kind], CLASSES[kind])
    assert len(found.y["train"]) == 100
    for name in ("train", "validation", "test"):
        assert found.x[name].dtype == np.float32
        assert np.isfinite(found.x[name]).all()
        assert len(found.x[name]) == len(found.y[name]) > 50


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_the_same_examples(kind):
    one, same, other = (made(kind, 60, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.x["test"], same.x["test"])
    assert not np.array_equal(one.x["test"], other.x["test"])


@pytest.mark.parametrize("kind", KINDS)
def test_no_example_is_in_two_sets(kind):
    found = made(kind, 100, 3)
    every = np.concatenate([found.x[name].reshape(len(found.x[name]), -1) for name in found.x])
    assert len(np.unique(every, axis=0)) == len(every)


def test_shapes_can_be_told_apart_by_more_than_chance():
    """By the nearest mean of the noisy pictures, with which every class has something to do."""
    found = made("shapes", 4000, 0)
    x, y = found.x["train"].reshape(4000, -1), found.y["train"]
    means = np.stack([x[y == one].mean(axis=0) for one in range(8)])
    test = found.x["test"].reshape(len(found.y["test"]), -1)
    right = np.mean(((test[:, None] - means) ** 2).sum(axis=2).argmin(axis=1) == found.y["test"])
    assert 0.2 < right < 0.9


@pytest.mark.parametrize(("kind", "library"), [("mnist1d", "mnist1d"), ("digits", "scikit-learn")])
def test_a_library_that_is_missing_is_named(monkeypatch, kind, library):
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UnavailableError, match=rf"{library}.*not installed.*grouped-bench\[learn\]"):
        made(kind, 10, 0)
