"""Whether the machine was steady while a task was measured: calm visits, and flags for what was not."""

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np

from grouped_bench.analyse.statistics import stats
from grouped_bench.store.schema import Task

# A visit is disturbed where other programs took more of the processors' time than STOLEN_SHARE (a quiet machine's own
# chores take up to 0.07), or a quota or a low clock held it back for more than THROTTLED_SHARE of it.
STOLEN_SHARE = 0.10
THROTTLED_SHARE = 0.05
# A disturbed visit may move a log ratio by the logarithm of 1 + MOVED times the share that was taken: of 44 pairs
# measured quiet and under loads that took 0.3 to 0.9 of two processors, all but one moved by less (bench/hog.py).
MOVED = 0.5
# The speed changed where the upper quartile of the visits' reference latencies is this many times the lower (processes
# settle apart: on a quiet machine up to 1.63 in 75 cohorts), or where the visits of one half of the time differ from
# those of the other by STEP and more, with 99 % confidence.
SPEED_SPREAD = 1.75
STEP = 0.10
STEP_ALPHA = 0.01
# A series is settled where its first third is, with 99 % confidence, within this share of its last.
SETTLED_SHARE = 0.05
SETTLED_ALPHA = 0.01
LEAST_ROUNDS_OF_A_SERIES = 6
UNSTABLE = "unstable"
FLAGS = (UNSTABLE, "stolen_cpu", "throttled", "speed_changed", "not_settled")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Visit:
    """How one visit went: its process, and the shares of it that were stolen and throttled, None where unknown."""

    process: int
    stolen: float | None = None
    throttled: float | None = None

    @property
    def calm(self) -> bool:
        """Whether nothing is known to have disturbed it."""
        return (self.stolen or 0) <= STOLEN_SHARE and (self.throttled or 0) <= THROTTLED_SHARE


def slack(visit: Visit) -> float:
    """By how much what disturbed a visit may have moved a log ratio measured in it; 0 for a calm one."""
    return 0.0 if visit.calm else math.log1p(MOVED * max(visit.stolen or 0.0, visit.throttled or 0.0))


def flags(visits: Sequence[Visit], samples: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> list[str]:
    """What makes the figures of a task unsure, `unstable` first; nothing where nothing does.

    Args:
        visits: the visits that count.
        samples: of each its samples by round, NaN where the variant sat out.
        reference: of each the reference workload's samples; empty where there are none.
    """
    found = [
        ("stolen_cpu", any((visit.stolen or 0) > STOLEN_SHARE for visit in visits)),
        ("throttled", any((visit.throttled or 0) > THROTTLED_SHARE for visit in visits)),
        ("speed_changed", speed_changed(reference)),
        ("not_settled", not settled(samples, visits)),
    ]
    causes = [name for name, holds in found if holds]
    return [UNSTABLE, *causes] if causes else []


def is_unstable(row: Task) -> bool:
    """Whether the machine moved while the row was measured, so that its figures are not to be relied on."""
    return UNSTABLE in (row.flags or ())


def speed_changed(reference: Sequence[np.ndarray]) -> bool:
    """Whether the machine's own speed, by the medians of its reference workload, came and went or moved for good.

    The second needs ten visits to show.
    """
    spread = speed_spread(reference)
    if spread is None:
        return False
    from scipy.stats import mannwhitneyu  # takes half a second, which only a run has

    logs = np.log(_medians(reference))
    first, second = logs[: len(logs) // 2], logs[len(logs) // 2 :]
    step = abs(float(np.median(first) - np.median(second)))
    return spread > SPEED_SPREAD or (step > STEP and float(mannwhitneyu(first, second).pvalue) < STEP_ALPHA)


def speed_spread(reference: Sequence[np.ndarray]) -> float | None:
    """Upper over lower quartile of the visits' reference medians; None where there are too few."""
    medians = _medians(reference)
    if len(medians) < stats.LEAST_PROCESSES:
        return None
    low, high = np.quantile(medians, (0.25, 0.75))
    return float(high / low)


def _medians(reference: Sequence[np.ndarray]) -> list[float]:
    return [float(np.nanmedian(visit)) for visit in reference if np.isfinite(visit).any()]


def trend(series: np.ndarray) -> float | None:
    """By how much a series falls from its first third to its last, NaN left out; None where it is too short."""
    present = [value for value in series.tolist() if math.isfinite(value)]
    third = len(present) // 3
    if len(present) < LEAST_ROUNDS_OF_A_SERIES:
        return None
    return float(statistics.median(present[:third]) - statistics.median(present[-third:]))


def settled(samples: Sequence[np.ndarray], visits: Sequence[Visit]) -> bool:
    """Whether samples early in a visit are like those late in it, over the processes; True where there are too few."""
    trends = [(visit.process, trend(np.log(series))) for series, visit in zip(samples, visits, strict=True)]
    means = stats.process_means((process, found) for process, found in trends if found is not None)
    if len(means) < stats.LEAST_PROCESSES:
        return True
    found = stats.student_interval(means, SETTLED_ALPHA)
    return found.low <= SETTLED_SHARE and found.high >= -SETTLED_SHARE
