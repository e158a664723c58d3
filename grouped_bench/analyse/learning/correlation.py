"""Correlation of the filters of two adjacent layers (Ioannou et al., arXiv 1605.06489): as a picture and one number.

Responses are whitened (ZCA) in each layer; what is left between the layers is |E[(W₁X₁)(W₂X₂)ᵀ]|, whose singular
values are at most 1. Filter groups make it block-diagonal by their wiring, so that of the untrained network stands
beside it: what learning adds is the growth.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

# Eigenvalues below this share of the largest are floored: a whitening would blow up their noise.
_FLOOR = 1e-5
# Of a channel's variance over that of the liveliest; below, it is dead.
_DEAD = 1e-8
_PERMUTATIONS = 200


@dataclasses.dataclass(frozen=True)
class Correlation:
    """Of the filters of two layers.

    Attributes:
        matrix: absolute correlations, (c₁, c₂), of whitened responses.
        dead: numbers of the channels of both layers that never change.
        largest: the largest singular value; above 1 by rounding alone.
    """

    matrix: np.ndarray
    dead: tuple[tuple[int, ...], tuple[int, ...]]
    largest: float


def correlation(first: np.ndarray, second: np.ndarray, across: np.ndarray) -> Correlation:
    """From covariances.

    Args:
        first, second: of the responses of each layer, (c₁, c₁) and (c₂, c₂).
        across: of the first with the second, (c₁, c₂).
    """
    left, right = _whitening(first), _whitening(second)
    signed = left @ across @ right.T
    largest = float(np.linalg.norm(signed, 2)) if signed.size else 0.0
    return Correlation(np.abs(signed), (_dead(first), _dead(second)), largest)


def _whitening(covariance: np.ndarray) -> np.ndarray:
    """The symmetric matrix that makes responses of this covariance white; a dead channel has nothing to make white."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    if not len(values) or values[-1] <= 0:
        return np.zeros_like(covariance)
    floored = np.maximum(values, _FLOOR * values[-1])
    found: np.ndarray = (vectors / np.sqrt(floored)) @ vectors.T
    return found


def _dead(covariance: np.ndarray) -> tuple[int, ...]:
    variances = np.diag(covariance)
    top = float(variances.max(initial=0.0))
    return tuple(int(one) for one in np.flatnonzero(variances <= _DEAD * top))


def block_ratio(matrix: np.ndarray, groups: int) -> float:
    """Mean inside the diagonal blocks of `groups` groups over the mean outside; NaN for one group."""
    inside = _inside(matrix.shape, groups)
    outside = float(matrix[~inside].mean()) if not inside.all() else math.nan
    return float(matrix[inside].mean()) / outside if outside else math.inf


def permuted_ratio(matrix: np.ndarray, groups: int, seed: int = 0) -> float:
    """The 95th percentile of `block_ratio` where channels are put in groups by chance.

    Args:
        matrix: absolute correlations, (c₁, c₂).
        groups: how many.
        seed: of what is drawn.
    """
    rng = np.random.default_rng(seed)
    rows, columns = matrix.shape
    made = [
        block_ratio(matrix[rng.permutation(rows)][:, rng.permutation(columns)], groups) for _ in range(_PERMUTATIONS)
    ]
    return float(np.quantile(made, 0.95))


def _inside(shape: tuple[int, int], groups: int) -> np.ndarray:
    rows, columns = (np.arange(count) * groups // count for count in shape)
    found: np.ndarray = rows[:, None] == columns[None, :]
    return found


def of_moments(told: Sequence[Sequence[Sequence[float]]]) -> Correlation:
    """From the three covariances that a worker returned."""
    first, second, across = (np.asarray(one, dtype=np.float64) for one in told)
    return correlation(first, second, across)
