"""Cohorts that may be described together, and the task of a cohort that is clearly the fastest."""

import dataclasses
import functools
from collections.abc import Sequence

from grouped_bench.analyse.crossings import settled
from grouped_bench.analyse.rows import CohortTasks, by_function, is_baseline, varying
from grouped_bench.analyse.stability import is_unstable
from grouped_bench.store.schema import Task

_SHAPE = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "size", "batch_size")


@dataclasses.dataclass(frozen=True)
class Part:
    """Cohorts of one setting and pass, which may be spoken of together."""

    name: str
    cohorts: Sequence[CohortTasks]

    @functools.cached_property
    def split(self) -> list[CohortTasks]:
        """Those with more than one group or path; with one, all functions are the same."""
        return [cohort for cohort in self.cohorts if cohort.groups > 1]

    @functools.cached_property
    def rows(self) -> list[Task]:
        """The rows of all cohorts."""
        return [row for cohort in self.cohorts for row in cohort.rows]

    def saving(self, row: Task) -> float | None:
        """The baseline's multiply-accumulates over the row's; None where they are not known."""
        base = self._base_macs.get(id(row))
        return base / row.macs if base and row.macs else None

    @functools.cached_property
    def leaders(self) -> frozenset[int]:
        """Ids of the rows that have a clear lead in their cohort over all others of their function."""
        found = [leader(rows) for cohort in self.split for rows in by_function(cohort.rows)]
        return frozenset(id(row) for row in found if row is not None)

    @functools.cached_property
    def varying_shape(self) -> list[str]:
        """The columns of the shape in which the cohorts differ."""
        return varying(self.rows, _SHAPE)

    @functools.cached_property
    def _base_macs(self) -> dict[int, int | None]:
        """By row, since a row knows nothing of its cohort."""
        found: dict[int, int | None] = {}
        for cohort in self.cohorts:
            base = next((row.macs for row in cohort.rows if is_baseline(row)), None)
            found.update(dict.fromkeys(map(id, cohort.rows), base))
        return found


def is_clearly_faster(first: Task, second: Task, *, alone: bool = False) -> bool:
    """Whether `first` is faster than `second`, measured in one cohort: the rule of every claim that names a winner.

    Against the baseline the verdict says so. Of two others the first must have a decided verdict, and the intervals of
    their speed-ups must not meet; in a cohort without a baseline those of their latencies. Nothing is claimed of what
    is unstable, nor of two that are both equivalent to the baseline.

    Args:
        first, second: measured tasks.
        alone: whether the user asks about this pair alone, so that no correction for the other pairs of the run is
            due: then it is enough that the intervals of the latencies do not meet.
    """
    if is_unstable(first) or is_unstable(second):
        return False
    apart = _is_below(first.latency_high_s, second.latency_low_s)
    if alone and apart:
        return True
    if is_baseline(first) or is_baseline(second):
        return settled(second) == "slower" if is_baseline(first) else settled(first) == "faster"
    if first.speedup is None and second.speedup is None:
        return apart
    both_equal = settled(first) == settled(second) == "equivalent"
    return settled(first) is not None and not both_equal and _is_below(second.speedup_high, first.speedup_low)


def _is_below(high: float | None, low: float | None) -> bool:
    return high is not None and low is not None and high < low


def leader(rows: Sequence[Task]) -> Task | None:
    """The one of `rows`, all of one cohort and function, that has a clear lead over all others; None without any."""
    timed = [row for row in rows if row.latency_s is not None]
    if len(timed) < 2:
        return None
    first = min(timed, key=lambda row: row.seconds)
    return first if all(is_clearly_faster(first, row) for row in timed if row is not first) else None
