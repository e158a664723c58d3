"""Values from the visits of a task: latencies, and log ratios to another task."""

import dataclasses
import math
import statistics
from collections.abc import Iterator, Sequence

import numpy as np

from grouped_bench.analyse.statistics import stats
from grouped_bench.analyse.statistics.moderation import ProcessLogs
from grouped_bench.analyse.statistics.stability import Visit, trend

Samples = Sequence[Sequence[float | None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What one visit says of a task: a latency in seconds, or a log ratio.

    Of a log ratio also by how much it fell in the visit, and its variance as a median of the visit's rounds.
    """

    value: float
    visit: Visit
    drift: float = 0.0
    variance: float = 0.0


def latencies(samples: Samples, visits: Sequence[Visit]) -> list[Value]:
    """Median of each visit's samples, visits without any left out; seconds an iteration."""
    return list(_medians((as_array(visit) for visit in samples), visits))


def log_ratios(baseline: Samples, variant: Samples, visits: Sequence[Visit]) -> list[Value]:
    """Median log ratio of each visit, baseline over variant, over the rounds in which both took part.

    Args:
        baseline, variant: seconds an iteration, by visit and round; None in a round that was sat out.
        visits: how each visit went.
    """
    series = [round_ratios(b, v) for b, v in zip(baseline, variant, strict=True)]
    rounds = dict(zip(visits, series, strict=True))
    return [
        dataclasses.replace(
            one, drift=trend(rounds[one.visit]) or 0.0, variance=stats.median_variance(rounds[one.visit])
        )
        for one in _medians(iter(series), visits)
    ]


def round_ratios(baseline: Sequence[float | None], variant: Sequence[float | None]) -> np.ndarray:
    """Log ratio of every round of a visit, NaN where one sat out."""
    return np.asarray(np.log(as_array(baseline) / as_array(variant)))


def counted(values: Sequence[Value]) -> list[Value]:
    """The values that count: those of calm visits where at least three processes made such, else all."""
    calm = [value for value in values if value.visit.calm]
    return calm if len({value.visit.process for value in calm}) >= stats.LEAST_PROCESSES else list(values)


def by_process(values: Sequence[Value]) -> list[float]:
    """Mean of the visits of each process."""
    return stats.process_means((value.visit.process, value.value) for value in values)


def process_logs(values: Sequence[Value]) -> ProcessLogs:
    """The same, with the variance of these means that the rounds of their visits explain."""
    variances = stats.process_means((value.visit.process, value.variance) for value in values)
    logs = by_process(values)
    # A mean of several visits varies less.
    return ProcessLogs(logs, sum(variances) / len(values) if values else 0.0)


def _medians(series: Iterator[np.ndarray], visits: Sequence[Visit]) -> Iterator[Value]:
    for values, visit in zip(series, visits, strict=True):
        # Of a few values many times faster than NumPy's.
        known = [value for value in values.tolist() if not math.isnan(value)]
        if any(map(math.isfinite, known)):
            yield Value(statistics.median(known), visit)


def as_array(samples: Sequence[float | None]) -> np.ndarray:
    """Samples as floats, NaN where a round was sat out."""
    return np.array([np.nan if sample is None else sample for sample in samples], dtype=float)
