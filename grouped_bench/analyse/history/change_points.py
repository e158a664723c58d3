"""Where a series of runs steps from one level to another, and by how much, beyond the series' own noise.

Candidates come from kernel change-point detection (Arlot, Celisse and Harchaoui, 2019) by PELT (Killick, Fearnhead and
Eckley, 2012), as the library ruptures has it. The Gaussian kernel is chosen because one run that is off costs no more
than a bounded amount wherever a step is put: with squares, the usual cost, such runs make steps and move them, and
ranks blur where a step is (bench/history.py counts both). A candidate stays where Student's t between the runs around
it says so, the least sure going first, as in Hunter (Fleming et al., 2023).
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from grouped_bench.analyse.statistics import stats
from grouped_bench.analyse.statistics.stats import Interval

# Fewer are no level: two runs in a row may be off by chance.
LEAST_RUNS = 3
# Runs on either side of a step that decide its size, the nearest ones: a slow drift is no step.
_NEAR = 20
# Chance of a step that is none, of each run in a history, over all of its series: a tenth of one in a thousand, since
# places are chosen where they look best.
_ALPHA = 1e-4
# Of the Gaussian kernel exp(−γ d²) and of each step, for values in standard deviations of their noise.
_GAMMA, _PENALTY = 0.2, 3.0
# Values further off than this many standard deviations from the median of the five around count as so far off.
_FURTHEST, _AROUND = 2.5, 5
# Runs repeat within so much, of the logarithm, at the very best.
_LEAST_NOISE = 1e-3
_NORMAL_MAD = 0.6745  # median absolute deviation of a normal distribution, in standard deviations


@dataclasses.dataclass(frozen=True)
class Shift:
    """A step before the value at `place`: ratio of the level after it over the level before, with a 99 % interval."""

    place: int
    ratio: Interval


def find(logs: Sequence[float], series: int = 1) -> list[Shift]:
    """The steps in a series of logarithms, one a run, in order; none below twice LEAST_RUNS.

    In 1,000 runs of noise, whose errors may be heavy-tailed but do not depend on each other, fewer than one is found.

    Args:
        logs: of each run, in the order of the history.
        series: how many such series are looked at together.
    """
    return kept(logs, candidates(logs), series)


def candidates(logs: Sequence[float]) -> list[int]:
    """Places before which the series may step: more of them than there are steps."""
    if len(logs) < 2 * LEAST_RUNS:
        return []
    from ruptures import KernelCPD  # takes a second, which only a history has

    values = np.asarray(logs, dtype=float)
    scaled = (values - np.median(values)) / noise(values)
    # Further off the kernel is 0 all the same, and squares stay finite.
    scaled = np.clip(scaled, -1e3, 1e3).reshape(-1, 1)
    found = KernelCPD("rbf", min_size=LEAST_RUNS, params={"gamma": _GAMMA}).fit(scaled).predict(pen=_PENALTY)
    return [int(place) for place in found[:-1]]


def kept(logs: Sequence[float], places: Sequence[int], series: int = 1) -> list[Shift]:
    """Those of `places` that are steps, each judged between its neighbours; the least certain are dropped one by one.

    Args:
        logs: logarithm of each run's value, in the order of the history.
        places: indices before which the series may step, ascending.
        series: number of series examined together, which share the chance of a false step.
    """
    if not places:
        return []
    from scipy import special  # takes a quarter second, which only a history has

    values = tamed(logs)
    ends = [0, *places, len(values)]
    while len(ends) > 2:
        shifts, degrees = _shifts(values, ends)
        chances = [2 * float(special.stdtr(degrees, -abs(size) / error)) for size, error in shifts]
        worst = max(range(len(chances)), key=chances.__getitem__)
        if chances[worst] <= _ALPHA / series:
            wide = float(special.stdtrit(degrees, 1 - stats.PAIR_ALPHA / 2))
            sizes = [Interval(size, size - wide * error, size + wide * error) for size, error in shifts]
            return [Shift(place, _ratio(size)) for place, size in zip(ends[1:-1], sizes, strict=True)]
        del ends[worst + 1]
    return []


def noise(values: np.ndarray) -> float:
    """Standard deviation of a run's own noise, by the median absolute difference of neighbours, which steps spare."""
    apart = np.diff(values)
    return max(_LEAST_NOISE, float(np.median(np.abs(apart - np.median(apart)))) / _NORMAL_MAD / math.sqrt(2))


def tamed(logs: Sequence[float]) -> np.ndarray:
    """The series with single runs that are far off drawn near to those around them; steps stand as they are."""
    from scipy.ndimage import median_filter

    values = np.asarray(logs, dtype=float)
    around, most = median_filter(values, _AROUND, mode="reflect"), _FURTHEST * noise(values)
    return np.asarray(np.clip(values, around - most, around + most))


def _shifts(values: np.ndarray, ends: Sequence[int]) -> tuple[list[tuple[float, float]], int]:
    """Size and standard error of each step between `ends`, and the degrees of freedom that the errors share."""
    parts = [values[start:end] for start, end in itertools.pairwise(ends)]
    degrees = len(values) - len(parts)
    spread = math.sqrt(sum(float(np.sum((part - part.mean()) ** 2)) for part in parts) / degrees)
    found = []
    for before, after in itertools.pairwise(parts):
        old, new = before[-_NEAR:], after[:_NEAR]
        error = max(_LEAST_NOISE, spread) * math.sqrt(1 / len(old) + 1 / len(new))
        found.append((float(new.mean() - old.mean()), error))
    return found, degrees


def _ratio(size: Interval) -> Interval:
    return Interval(*(math.exp(log) for log in dataclasses.astuple(size)))
