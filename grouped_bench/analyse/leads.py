"""Cohorts that may be described together, and the task of a cohort that is clearly the fastest."""

import dataclasses
import functools
from collections.abc import Sequence

from grouped_bench.analyse.crossings import settled
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.rows import CohortTasks, by_function, is_baseline, varying
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


def gain(first: Task, second: Task) -> Estimate:
    """How many times as fast `first` is as `second`, measured in one cohort; without ends where too little is known.

    The quotient of their latencies, as a reader would divide them. The interval is that of `paired`, and so is the
    value where the quotient, which the weather of the visits moves, lies outside of it.
    """
    quotient, by_round = latency(second).over(latency(first)), paired(first, second)
    return by_round.centred(quotient.value) if by_round else quotient


def paired(first: Task, second: Task) -> Estimate | None:
    """The gain by speed-ups over the baseline, which are paired by round; None in a cohort without a baseline."""
    ratios = _over_baseline(first), _over_baseline(second)
    return ratios[0].over(ratios[1]) if ratios[0] and ratios[1] else None


def latency(row: Task) -> Estimate:
    """Seconds an iteration of a measured task."""
    return Estimate(row.seconds, row.latency_low_s, row.latency_high_s)


def _over_baseline(row: Task) -> Estimate | None:
    if is_baseline(row):
        return Estimate(1.0, 1.0, 1.0)
    return Estimate(row.speedup, row.speedup_low, row.speedup_high) if row.speedup else None


def is_clearly_faster(first: Task, second: Task, *, alone: bool = False) -> bool:
    """Whether `first` is faster than `second`, measured in one cohort: the rule of every claim that names a winner.

    The whole interval of the gain lies above 1, and the two are not both equivalent to the baseline: of one against the
    baseline the verdict says so.

    Args:
        first, second: measured tasks.
        alone: whether the user asks about this pair alone, so that no correction for the other pairs of the run is
            due: then it is enough that the intervals of the latencies do not meet.
    """
    if alone and latency(second).over(latency(first)).exceeds(1):
        return True
    both_equal = all(is_baseline(row) or settled(row) == "equivalent" for row in (first, second))
    return not both_equal and (paired(first, second) or gain(first, second)).exceeds(1)


def leader(rows: Sequence[Task]) -> Task | None:
    """The one of `rows`, all of one cohort and function, that has a clear lead over all others; None without any."""
    timed = [row for row in rows if row.latency_s is not None]
    if len(timed) < 2:
        return None
    first = min(timed, key=lambda row: row.seconds)
    return first if all(is_clearly_faster(first, row) for row in timed if row is not first) else None
