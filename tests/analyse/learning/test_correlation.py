"""Correlations of filters, held to networks whose correlations are known."""

import numpy as np
import pytest
from trainings import responses

from grouped_bench.analyse.learning.correlation import (
    block_ratio,
    correlation,
    of_moments,
    permuted_ratio,
)


def covariances(first, second):
    x, y = first - first.mean(axis=0), second - second.mean(axis=0)
    return x.T @ x / len(x), y.T @ y / len(y), x.T @ y / len(x)


def test_responses_that_are_the_same_are_wholly_correlated():
    x = np.random.default_rng(0).normal(size=(5000, 6)) @ np.diag([1, 2, 3, 4, 5, 6])
    found = correlation(*covariances(x, x))
    assert found.matrix == pytest.approx(np.eye(6), abs=0.02)
    assert found.largest == pytest.approx(1, abs=1e-9)


def test_responses_that_have_nothing_in_common_are_not():
    rng = np.random.default_rng(1)
    found = correlation(*covariances(rng.normal(size=(20000, 5)), rng.normal(size=(20000, 7))))
    assert found.matrix.shape == (5, 7)
    assert found.matrix.max() < 0.04


def test_a_known_correlation_is_found():
    """y = ρx + √(1−ρ²) noise, channel by channel, whatever the scale of each."""
    rng = np.random.default_rng(2)
    rho = np.array([0.0, 0.3, 0.6, 0.9])
    x, noise = rng.normal(size=(2, 200_000, 4))
    y = (rho * x + np.sqrt(1 - rho**2) * noise) * [1, 10, 0.1, 5] + 3
    assert np.diag(correlation(*covariances(x, y)).matrix) == pytest.approx(rho, abs=0.01)


def test_a_mixture_within_the_layer_changes_nothing_that_whitening_undoes():
    """Singular values are the canonical correlations, which no invertible mixture of either layer changes."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50_000, 4))
    y = 0.7 * x + rng.normal(size=x.shape)
    mixed = x @ rng.normal(size=(4, 4)), y @ rng.normal(size=(4, 4))
    one, other = correlation(*covariances(x, y)), correlation(*covariances(*mixed))
    values = [np.linalg.svd(found.matrix, compute_uv=False).max() for found in (one, other)]
    assert other.largest == pytest.approx(one.largest, abs=1e-3)
    assert max(values) <= 4


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_singular_values_are_at_most_one(groups):
    found = of_moments(responses(groups)["covariances"])
    assert 0 < found.largest <= 1 + 1e-9


def test_dead_channels_are_named_and_count_as_nothing():
    x = np.random.default_rng(4).normal(size=(1000, 4))
    x[:, 2] = 1.5
    found = correlation(*covariances(x, x))
    assert found.dead == ((2,), (2,))
    assert found.matrix[2].max() == found.matrix[:, 2].max() == 0


def test_a_layer_that_never_responds_is_no_error():
    nothing = np.zeros((100, 3))
    found = correlation(*covariances(nothing, nothing))
    assert found.matrix.max() == found.largest == 0
    assert found.dead == ((0, 1, 2), (0, 1, 2))


def test_correlation_inside_groups_shows_as_blocks():
    grouped, dense = (
        of_moments(responses(groups, channels=16, inside=0.5, count=4000)["covariances"]) for groups in (4, 1)
    )
    assert block_ratio(grouped.matrix, 4) > 3
    assert block_ratio(dense.matrix, 4) == pytest.approx(1, abs=0.4)
    assert permuted_ratio(grouped.matrix, 4) < 2


def test_a_ratio_by_hand():
    matrix = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert block_ratio(matrix, 2) == 2
    assert block_ratio(np.eye(2), 2) == float("inf")
