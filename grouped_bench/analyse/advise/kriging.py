"""Estimates for a shape that was not measured, by kriging over the logarithms of its features."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.space.case import Case

LEAST_NEIGHBOURS = 3
# In doublings: how far a shape may lie from the nearest one measured, and over what distance shapes are alike.
REACH = 4.0
_LENGTH = 2.0
_NUGGET = 0.05  # share of the variance that two measurements of one shape do not have in common
_LEVEL = 0.95
FEATURES = (
    *("groups", "input channels per group", "output channels per group", "output positions"),
    *("batch size", "kernel taps", "stride", "dilation"),
)


def features(case: Case) -> np.ndarray:
    """What the time of a convolution depends on, by `FEATURES`."""
    return np.array(
        [
            *(case.groups, case.in_channels / case.groups, case.out_channels / case.groups),
            *(math.prod(case.output_size), case.batch_size),
            *(math.prod(axis) for axis in (case.kernel_size, case.stride, case.dilation)),
        ],
        dtype=float,
    )


def outside(asked: Case, known: Sequence[Case]) -> str | None:
    """Why the case lies outside of what was measured, in words; None where it lies inside."""
    table, point = np.array([features(case) for case in known]), features(asked)
    for name, low, value, high in zip(FEATURES, table.min(axis=0), point, table.max(axis=0), strict=True):
        if not low <= value <= high:
            span = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            return f"{name} {value:g} is outside the measured range, {span}"
    distance = min(distances(asked, known))
    if distance > REACH:
        return f"the nearest measured shape differs by {distance:.1f} doublings, more than the limit of {REACH:g}"
    return None


def distances(asked: Case, known: Sequence[Case]) -> list[float]:
    """How far each known case lies from the one asked for, in doublings."""
    point = np.log2(features(asked))
    return [float(np.linalg.norm(np.log2(features(case)) - point)) for case in known]


def within_reach(asked: Case, known: Sequence[Case]) -> list[bool]:
    """Whether each known case is near enough to say something of the one asked for."""
    return [distance <= REACH for distance in distances(asked, known)]


def estimate(asked: Case, known: Sequence[Case], values: Sequence[float]) -> Estimate | None:
    """A positive quantity at `asked` from its values at the known cases; None below three.

    The interval is Student's, its spread the errors at which each known case was met when it was left out, so it is
    as wide as the estimates have been wrong.
    """
    if len(known) < LEAST_NEIGHBOURS:
        return None
    table, logs = np.log2([features(case) for case in known]), np.log(np.asarray(values, dtype=float))
    weights, variance = _kriging(table, np.log2(features(asked)))
    centre, half = float(weights @ logs), _quantile(len(logs)) * _spread(table, logs) * math.sqrt(variance)
    return Estimate(math.exp(centre), math.exp(centre - half), math.exp(centre + half))


def _spread(table: np.ndarray, logs: np.ndarray) -> float:
    """Root mean square of the errors of leaving each one out, in units of what kriging expects of them.

    The inverse of the whole system has them all: an error is (B·values)ᵢ/Bᵢᵢ, its variance 1/Bᵢᵢ (Dubrule 1983).
    """
    count = len(logs)
    inverse = np.linalg.inv(_system(table))[:count, :count]
    return math.sqrt(float(np.mean((inverse @ logs) ** 2 / np.diag(inverse))))


def _kriging(table: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights of the known values at `point`, which sum to 1, and the variance of the error (ordinary kriging)."""
    right = np.append(_alike(table - point), 1.0)
    solution = np.linalg.solve(_system(table), right)
    return solution[:-1], float(1 + _NUGGET - solution @ right)


def _system(table: np.ndarray) -> np.ndarray:
    """Covariances of the known values, bordered by the condition that their weights sum to 1."""
    count = len(table)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = _alike(table[:, None] - table[None]) + _NUGGET * np.eye(count)
    system[count, count] = 0.0
    return system


def _alike(differences: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-np.sum(differences**2, axis=-1) / (2 * _LENGTH**2)))


def _quantile(count: int) -> float:
    return float(special.stdtrit(count - 1, (1 + _LEVEL) / 2))
