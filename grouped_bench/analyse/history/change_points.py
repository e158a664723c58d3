"""Where a series of runs steps from one level to another, and by how much, beyond the series' own noise.

For each number of steps the places that fit best are proposed, the most steps first. The first proposal whose steps are
all certain is kept.

Places are proposed by kernel change-point detection (Arlot, Celisse and Harchaoui, 2019), as the library ruptures has
it; by PELT (Killick, Fearnhead and Eckley, 2012) its penalty says how many steps there may be. The Gaussian kernel is
chosen because one run that is off costs no more than a bounded amount wherever a step is put: with squares, the usual
cost, such runs make steps and move them, and ranks blur where a step is (bench/history.py counts both). Twelve runs or
fewer cannot afford the penalty, and their noise, which scales the kernel, is too uncertain. Their proposals are the
best of all partitions by squares, which need no scale (Fisher, 1958).

Whether a step is certain is decided by Student's t between the runs around it, as in Hunter (Fleming et al., 2023).
Runs that depend on each other tell less than their number says. So errors are those of an autoregressive series (Bayley
and Hammersley, 1946), by the correlation of neighbours in what the steps leave. It is freed of its bias (Kendall, 1954)
and shrunk, since few runs say little of it. Only the nearest runs count: a slow drift is no step.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from grouped_bench.analyse.statistics import stats
from grouped_bench.analyse.statistics.stats import Interval

# Fewer are no level: two runs in a row may be off by chance.
LEAST_RUNS = 3
# The figures below are those with which bench/history.py finds most and keeps what is false rare.
# Of so many runs and fewer, all partitions are compared.
_FEW = 12
# Runs on either side of a step that decide its size, the nearest ones.
_NEAR = 25
# Chance of a step that is none, of each run in a history, over all of its series: half of one in a thousand, since
# places are chosen where they look best. One series gets no more of it than one of four: in few runs it does not show
# that they depend on each other.
_ALPHA, _LEAST_SERIES = 5e-4, 4
# Of the Gaussian kernel exp(−γ d²) and of each step, for values in standard deviations of their noise.
_GAMMA, _PENALTY = 0.21, 3.0
# The correlation of neighbours before any run is seen, and the number of runs that it is worth.
_USUAL, _WORTH = 0.2, 200
# No correlation is taken to be larger: errors stay finite.
_MOST = 0.9
# Values further off than this many standard deviations from the median of the five around count as so far off.
_FURTHEST, _AROUND = 2.5, 5
# Runs repeat within so much, of the logarithm, at the very best.
_LEAST_NOISE = 1e-3
# The median of few differences may be far too small: noise is taken to be larger by so much over the number of runs.
_CAUTION = 6
_NORMAL_MAD = 0.6745  # median absolute deviation of a normal distribution, in standard deviations


@dataclasses.dataclass(frozen=True)
class Shift:
    """A step before the value at `place`: ratio of the level after it over the level before, with a 99 % interval."""

    place: int
    ratio: Interval


def find(logs: Sequence[float], series: int = 1) -> list[Shift]:
    """The steps in a series of logarithms, one a run, in order; none below twice LEAST_RUNS.

    Of noise alone, fewer than one is found in 1,000 runs, be it heavy-tailed or its neighbours correlated by 0.4.

    Args:
        logs: of each run, in the order of the history.
        series: how many such series are looked at together.
    """
    return kept(logs, proposals(logs), series) if len(logs) >= 2 * LEAST_RUNS else []


def proposals(logs: Sequence[float]) -> Iterator[list[int]]:
    """Places before which the series may step: the best for each number of steps, the most steps first."""
    from ruptures import KernelCPD  # takes a second, which only a history has

    values = np.asarray(logs, dtype=float)
    if len(values) <= _FEW:
        detector = KernelCPD("linear", min_size=LEAST_RUNS).fit(values.reshape(-1, 1))
        return best(detector, len(values) // LEAST_RUNS - 1)
    # Further off the kernel is 0 all the same, and squares stay finite.
    scaled = np.clip((values - np.median(values)) / noise(values), -1e3, 1e3)
    detector = KernelCPD("rbf", min_size=LEAST_RUNS, params={"gamma": _GAMMA}).fit(scaled.reshape(-1, 1))
    return best(detector, len(detector.predict(pen=_PENALTY)) - 1)


def best(detector: Any, most: int) -> Iterator[list[int]]:
    """The best places for each number of steps from `most` down to one, by a fitted detector of ruptures."""
    for count in range(most, 0, -1):
        yield [int(place) for place in detector.predict(n_bkps=count)[:-1]]


def kept(logs: Sequence[float], proposed: Iterable[Sequence[int]], series: int = 1) -> list[Shift]:
    """The steps of the first proposal whose steps are all certain; none if there is no such proposal.

    Args:
        logs: logarithm of each run's value, in the order of the history.
        proposed: of each proposal the indices before which the series may step, ascending.
        series: number of series examined together, which share the chance of a false step.
    """
    from scipy import special  # takes a quarter second, which only a history has

    values = tamed(logs)
    for places in proposed:
        sizes, errors, degrees = _steps(values, places)
        if np.max(2 * special.stdtr(degrees, -np.abs(sizes) / errors)) <= _ALPHA / max(series, _LEAST_SERIES):
            halves = float(special.stdtrit(degrees, 1 - stats.PAIR_ALPHA / 2)) * errors
            ends = np.exp([sizes, sizes - halves, sizes + halves]).T.tolist()
            return [Shift(place, Interval(*ratio)) for place, ratio in zip(places, ends, strict=True)]
    return []


def noise(values: np.ndarray) -> float:
    """Standard deviation of a run's own noise, by the median absolute difference of neighbours, which steps spare."""
    apart = np.diff(values)
    found = float(np.median(np.abs(apart - np.median(apart)))) / _NORMAL_MAD / math.sqrt(2)
    return max(_LEAST_NOISE, found * (1 + _CAUTION / len(values)))


def tamed(logs: Sequence[float]) -> np.ndarray:
    """The series with single runs that are far off drawn near to those around them; steps stand as they are."""
    from scipy.ndimage import median_filter

    values = np.asarray(logs, dtype=float)
    around, most = median_filter(values, _AROUND, mode="reflect"), _FURTHEST * noise(values)
    return np.asarray(np.clip(values, around - most, around + most))


def _steps(values: np.ndarray, places: Sequence[int]) -> tuple[np.ndarray, np.ndarray, int]:
    """Size and standard error of the step before each of `places`, and the degrees of freedom that the errors share."""
    parts = np.split(values, places)
    left = [part - part.mean() for part in parts]
    degrees = len(values) - len(parts)
    spread = max(_LEAST_NOISE, math.sqrt(sum(float(part @ part) for part in left) / degrees))
    neighbours = _correlation(left)
    sizes, errors = [], []
    for before, after in itertools.pairwise(parts):
        old, new = before[-_NEAR:], after[:_NEAR]
        sizes.append(new.mean() - old.mean())
        errors.append(spread * _error(len(old), len(new), neighbours))
    return np.asarray(sizes), np.asarray(errors), degrees


def _correlation(left: Sequence[np.ndarray]) -> float:
    """Of a run with the one before it, from 0 to _MOST, by what each part has left without its mean."""
    runs, square = sum(map(len, left)), sum(float(part @ part) for part in left)
    found = sum(float(part[1:] @ part[:-1]) for part in left) / square if square else 0.0
    # Less its own mean, a part of m independent runs has −1/m.
    unbiased = found + len(left) / runs
    return min(_MOST, max(0.0, (runs * unbiased + _WORTH * _USUAL) / (runs + _WORTH)))


def _error(old: int, new: int, neighbours: float) -> float:
    """Standard error of the mean of `new` runs less that of the `old` ones before, in standard deviations of a run.

    Runs further apart are correlated by a power of `neighbours`.
    """
    weights = np.repeat((-1 / old, 1 / new), (old, new))
    apart = np.abs(np.arange(1 - len(weights), len(weights)))
    return math.sqrt(float(np.correlate(weights, weights, "full") @ neighbours**apart))
