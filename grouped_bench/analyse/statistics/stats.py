"""Intervals and verdicts with the process as the independent unit: the visits of one process are correlated."""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from grouped_bench.analyse.statistics import moderation

_LARGEST, _LARGEST_LOG = 1e15, 700.0
LATENCY_LEVEL = 0.95
# Of a sweep's decided verdicts, the share that may be wrong.
FALSE_COVERAGE = 0.01
# Chance of a wrong verdict in `compare`: of any, and of each.
FAMILY_ALPHA = 0.05
PAIR_ALPHA = 0.01
LEAST_PROCESSES = 3
ORDER_STATISTIC_PROCESSES = 6
# Numbers of visits at which a run may look at a pair, and the share of the pair's error that each look spends.
# The first is for variants so slow that three visits must do; later ones grow by a third, and their shares,
# 0.75/k(k+1), sum to 0.75 over any number of looks.
FIRST_LOOKS = (3, 6)
FIRST_SHARE = 0.25
LOOK_GROWTH = 4 / 3
_LEAST_FOR_QUARTILES = 3
_NORMAL_QUARTILES = 1.349  # distance of a normal distribution's quartiles, in standard deviations
_MEDIAN_VARIANCE = math.pi / 2  # of a median over that of a mean, for normal values


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval, all in the unit of what was estimated."""

    estimate: float
    low: float
    high: float


def latency_interval(medians: Sequence[float], prior: moderation.Prior | None = None) -> Interval | None:
    """Median of the processes' medians with its 95 % interval; None below three processes.

    From six on interpolated order statistics (Hettmansperger and Sheather, 1986), which hold for any distribution;
    below, Student's t on logarithms, which assumes one.

    Args:
        medians: of each process, in any unit.
        prior: what other tasks' processes say of the variance of logarithms; used below six.
    """
    values = np.sort(np.asarray(medians, dtype=float))
    if len(values) < LEAST_PROCESSES:
        return None
    if len(values) >= ORDER_STATISTIC_PROCESSES:
        low, high = _median_interval(values, LATENCY_LEVEL)
        return Interval(float(np.median(values)), low, high)
    logs, median = np.log(values), float(np.median(values))
    variance, freedom = (
        prior.moderated(moderation.ProcessLogs(logs)) if prior else (float(np.var(logs, ddof=1)), len(logs) - 1)
    )
    from scipy import special  # takes a quarter second, which only a run has

    half = float(special.stdtrit(freedom, (1 + LATENCY_LEVEL) / 2)) * math.sqrt(variance / len(logs))
    found = exponential(float(np.mean(logs)), half)
    return Interval(median, min(median, found.low), max(median, found.high))


def exponential(centre: float, half: float) -> Interval:
    """The interval of a ratio from the centre of its logarithm and half the width around it."""
    return Interval(_exp(centre), _exp(centre - half), _exp(centre + half))


def _exp(log: float) -> float:
    """e to the power of `log`, between 1e-15 and 1e15: an interval that reaches there says that nothing is known."""
    return min(_LARGEST, max(1 / _LARGEST, math.exp(min(log, _LARGEST_LOG))))


def process_means(values: Iterable[tuple[int, float]]) -> list[float]:
    """Mean of the values of each process, from (process, value): what a process settled on is in all of them."""
    grouped: dict[int, list[float]] = {}
    for process, value in values:
        grouped.setdefault(process, []).append(value)
    return [math.fsum(of_one) / len(of_one) for of_one in grouped.values()]


def student_interval(values: Sequence[float] | np.ndarray, alpha: float) -> Interval:
    """Mean with Student's t interval of level 1 − `alpha`, for at least two values."""
    array = np.asarray(values, dtype=float)
    count, centre = len(array), float(np.mean(array))
    from scipy import special  # takes a quarter second, which only a run has

    half = float(special.stdtrit(count - 1, 1 - alpha / 2) * np.std(array, ddof=1)) / math.sqrt(count)
    return Interval(centre, centre - half, centre + half)


def change_interval(base: Sequence[float], head: Sequence[float], comparisons: int) -> Interval | None:
    """Ratio of `head` over `base` from logarithms, one a process of each; None below three processes on a side.

    Welch's t, Bonferroni over the `comparisons`: the chance that any of their intervals misses its ratio is at most
    FAMILY_ALPHA, and that of each at most PAIR_ALPHA.
    """
    if min(len(base), len(head)) < LEAST_PROCESSES:
        return None
    from scipy import special  # takes a quarter second, which only a comparison has

    parts = [float(np.var(side, ddof=1)) / len(side) for side in (base, head)]
    error, centre = sum(parts), float(np.mean(head) - np.mean(base))
    spread = sum(part**2 / (len(side) - 1) for part, side in zip(parts, (base, head), strict=True))
    half = 0.0
    if error > 0:
        half = float(special.stdtrit(error**2 / spread, 1 - _alpha(comparisons) / 2)) * math.sqrt(error)
    return exponential(centre, half)


def paired_interval(log_ratios: Sequence[float], comparisons: int) -> Interval | None:
    """The same from logarithms of ratios, one a pair of processes that ran side by side: Student's t."""
    if len(log_ratios) < LEAST_PROCESSES:
        return None
    logs = student_interval(log_ratios, _alpha(comparisons))
    return Interval(_exp(logs.estimate), _exp(logs.low), _exp(logs.high))


def _alpha(comparisons: int) -> float:
    """Error of each of `comparisons` intervals (Bonferroni)."""
    return min(PAIR_ALPHA, FAMILY_ALPHA / max(1, comparisons))


def verdict(interval: Interval | None, margin: float) -> str:
    """What an interval of a ratio says: equivalent, faster, slower or undecided, in that order of precedence."""
    if interval is None:
        return "undecided"
    if interval.low >= 1 / (1 + margin) and interval.high <= 1 + margin:
        return "equivalent"
    if interval.low > 1:
        return "faster"
    return "slower" if interval.high < 1 else "undecided"


def robust_variance(values: Sequence[float] | np.ndarray) -> float:
    """Variance of a normal distribution with the quartiles of two `values` or more, NaN among them left out."""
    known = [value for value in np.asarray(values, dtype=float).tolist() if not math.isnan(value)]
    # Of a few values many times faster than NumPy's.
    low, _, high = statistics.quantiles(known, n=4, method="inclusive")
    return float((high - low) / _NORMAL_QUARTILES) ** 2


def median_variance(values: np.ndarray) -> float:
    """Variance of the median of `values`, NaN among them left out; 0 where too few are left to tell."""
    known = values[np.isfinite(values)]
    return _MEDIAN_VARIANCE * robust_variance(known) / len(known) if len(known) >= _LEAST_FOR_QUARTILES else 0.0


def best_rounds(
    medians: Sequence[float],
    round_variances: Sequence[float],
    rounds: Sequence[int],
    *,
    visit_cost: float,
    round_cost: float,
) -> float:
    """Rounds a visit that make the mean over visits surest in a given time (Kalibera and Jones, 2013).

    √(cost of a visit / cost of a round × variance within visits / variance between them); infinite where visits
    differ by no more than their rounds explain.

    Args:
        medians: of each visit.
        round_variances: variance of single rounds in each visit.
        rounds: of each visit.
        visit_cost, round_cost: seconds that a visit takes besides its rounds, and each of them.
    """
    within = _MEDIAN_VARIANCE * float(np.mean(round_variances))
    between = float(np.var(medians, ddof=1)) - within * float(np.mean(1 / np.asarray(rounds, dtype=float)))
    return math.sqrt(visit_cost / round_cost * within / between) if between > 0 else math.inf


def looks(most: int) -> list[int]:
    """Numbers of visits, up to `most`, at which a run may decide."""
    counts = list(FIRST_LOOKS)
    while counts[-1] < most:
        counts.append(math.ceil(counts[-1] * LOOK_GROWTH))
    return [count for count in counts if count <= most]


def is_look(visits: int) -> bool:
    """Whether a run may decide after `visits` visits."""
    return visits in looks(visits)


def look_share(visits: int) -> float:
    """Share of a pair's error that may be spent after `visits` visits.

    Between two looks the share of the later one holds: a run that ends there will never reach it.
    """
    number = len(looks(visits - 1))
    return FIRST_SHARE if number == 0 else (1 - FIRST_SHARE) / (number * (number + 1))


def _median_interval(ordered: np.ndarray, level: float) -> tuple[float, float]:
    count = len(ordered)
    from scipy import special  # takes a quarter second, which only a run has

    covers = [1 - 2 * float(special.bdtr(k - 1, count, 0.5)) for k in range(1, count // 2 + 1)]
    k = max(index for index, cover in enumerate(covers, 1) if cover >= level)
    if k == count // 2:
        return float(ordered[k - 1]), float(ordered[count - k])
    excess = (covers[k - 1] - level) / (covers[k - 1] - covers[k])
    weight = (count - k) * excess / (k + (count - 2 * k) * excess)
    low = (1 - weight) * ordered[k - 1] + weight * ordered[k]
    high = (1 - weight) * ordered[count - k] + weight * ordered[count - k - 1]
    return float(low), float(high)
