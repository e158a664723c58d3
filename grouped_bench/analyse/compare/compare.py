"""Base against head, task by task and metric by metric: what became worse, by how much, and how certain that is."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from grouped_bench.analyse.compare.basis import (
    BOTH,
    MIXED,
    NORMALISED,
    PAIRED,
    RELATIVE,
    Basis,
    are_relative,
    bases_of,
    is_elsewhere,
    place_of,
)
from grouped_bench.analyse.compare.measurements import NOT_REACHED, Measurement, Side
from grouped_bench.analyse.statistics import stats, tasks
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.analyse.statistics.tasks import Value

# In the order of their weight: the worst of a task's metrics is the task's, the worst of all tasks' the comparison's.
VERDICTS = ("regression", "inconclusive", "improvement", "unchanged", "not judged")
REGRESSION, INCONCLUSIVE, IMPROVEMENT, UNCHANGED, NOT_JUDGED = VERDICTS
# Share by which a metric may become worse; None: it is reported and never judged.
DEFAULTS: Mapping[str, float | None] = {
    "status": 0.0,
    "latency": 0.05,
    "memory": 0.05,
    "first_call": None,
    "params": 0.0,
}
METRICS = tuple(DEFAULTS)
# Those that are judged by an interval, and so by chance.
_SAMPLED = ("latency", "first_call")
# Readings of one task's memory repeat within this or 3 % (bench/memory.py).
LEAST_BYTES = 2**20
# What another machine holds of a task is the same only where a backend counts it.
_COUNTED = ("allocator", "compiler", "counted")
FEW = f"fewer than {stats.LEAST_PROCESSES} processes on a side"
NO_REFERENCE = "no reference workload was timed beside it"
NOT_TIMED = "nothing was timed on both sides"
ELSEWHERE = "measured on another machine"
# Of base's tasks those that head must have at least, if the comparison is to show anything.
LEAST_COVERED = 0.5


@dataclasses.dataclass(frozen=True)
class Change:
    """One metric of a task in base and head.

    `base` and `head` are seconds, bytes, a count or a status; `ratio` is head over base, with its interval where there
    is one: of latencies by `basis`. `reason` says what a verdict does not.
    """

    metric: str
    base: float | str | None
    head: float | str | None
    verdict: str
    ratio: Interval | float | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Compared:
    """A task that both sides have."""

    base: Measurement
    head: Measurement
    changes: tuple[Change, ...]
    basis: str = NORMALISED

    @property
    def verdict(self) -> str:
        """The worst of its metrics'."""
        return worst(change.verdict for change in self.changes)

    @property
    def has_worked(self) -> bool:
        """Whether it worked on both sides, so that there is more to compare than statuses."""
        return _have_worked(self.base, self.head)

    def leaves_open(self, limit: float | None) -> bool:
        """Whether its latency is unchanged, and has an interval that reaches beyond the threshold."""
        found = [change.ratio for change in self.changes if change.metric == "latency" and change.verdict == UNCHANGED]
        return limit is not None and any(isinstance(one, Interval) and one.high > 1 + limit for one in found)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All tasks of two sides; `bases` says for each backend and execution how latencies were set against each other.

    `apart` says in which of what decides kernels the sides differ, `is_elsewhere` whether in their machines.
    `is_same_run` is whether base and head are one run, `allow_gone` whether head may lack most of base's tasks.
    """

    tasks: tuple[Compared, ...]
    new: tuple[Measurement, ...]
    gone: tuple[Measurement, ...]
    thresholds: Mapping[str, float | None]
    bases: Mapping[str, Basis]
    apart: tuple[str, ...] = ()
    is_elsewhere: bool = False
    is_same_run: bool = False
    allow_gone: bool = False

    @property
    def by_basis(self) -> Mapping[Basis, Sequence[str]]:
        """Each basis with the backends and executions that it is of."""
        found: dict[Basis, list[str]] = {}
        for place, basis in self.bases.items():
            found.setdefault(basis, []).append(place)
        return found

    @property
    def has_worked(self) -> bool:
        """Whether a task worked on both sides."""
        return any(task.has_worked for task in self.tasks)

    @property
    def rules_nothing_out(self) -> bool:
        """Whether tasks worked on both sides, and every interval reaches beyond the threshold."""
        limit = self.thresholds.get("latency")
        return self.has_worked and all(task.leaves_open(limit) for task in self.tasks if task.has_worked)

    @property
    def open_tasks(self) -> tuple[Compared, ...]:
        """Those that are worse or not decided, which more visits may decide otherwise."""
        return tuple(task for task in self.tasks if task.verdict in (REGRESSION, INCONCLUSIVE))

    @property
    def basis(self) -> str:
        """How latencies were set against each other: the one way of all tasks, or MIXED."""
        names = {basis.name for basis in self.bases.values()} or {NORMALISED}
        return names.pop() if len(names) == 1 else MIXED

    @property
    def why(self) -> str:
        """For what reason."""
        of_each = [f"{', '.join(places)} {basis.name}: {basis.why}" for basis, places in self.by_basis.items()]
        return next(iter(self.bases.values())).why if len(of_each) == 1 else "; ".join(of_each)

    @property
    def covers_too_little(self) -> bool:
        """Whether head has fewer of base's tasks than a comparison needs."""
        return not self.allow_gone and len(self.tasks) < LEAST_COVERED * (len(self.tasks) + len(self.gone))

    @property
    def verdict(self) -> str:
        """The worst of the tasks'; what shows nothing is inconclusive.

        Nothing is shown by a run and itself, by few of base's tasks, without a latency where one should be judged, or
        where every interval reaches beyond the threshold.
        """
        found = worst(task.verdict for task in self.tasks) if self.tasks else INCONCLUSIVE
        if found == REGRESSION:
            return found
        shows_latency = self.thresholds.get("latency") is None or (self.has_worked and not self.rules_nothing_out)
        return INCONCLUSIVE if self.is_same_run or self.covers_too_little or not shows_latency else found


def worst(verdicts: Iterable[str]) -> str:
    """The gravest of `verdicts`."""
    return min(verdicts, key=VERDICTS.index, default=UNCHANGED)


def compare(
    base: Side,
    head: Side,
    thresholds: Mapping[str, float | None] = DEFAULTS,
    *,
    paired: bool = False,
    changed: Sequence[str] = (),
) -> Comparison:
    """The comparison of two sides.

    Args:
        base, head: the tasks of each, by key.
        thresholds: share by metric, `DEFAULTS` for those not named; None reports a metric without judging it.
        paired: whether the visits of both sides were made side by side, in one order.
        changed: facts of the environment in which the sides differ. Those that slow a reference workload down as they
            do its task keep the two from being divided.
    """
    limits = {**DEFAULTS, **thresholds}
    common = [key for key in head if key in base]
    bases = bases_of([(base[key], head[key]) for key in common], changed, paired=paired)
    measured = sum(_have_worked(base[key], head[key]) for key in common)
    count = measured * sum(limits[metric] is not None for metric in _SAMPLED)
    return Comparison(
        tuple(_compared(base[key], head[key], limits, bases[place_of(head[key])].name, count) for key in common),
        tuple(one for key, one in head.items() if key not in base),
        tuple(one for key, one in base.items() if key not in head),
        limits,
        bases,
    )


def _compared(
    base: Measurement, head: Measurement, limits: Mapping[str, float | None], basis: str, count: int
) -> Compared:
    return Compared(base, head, tuple(_changes(base, head, limits, basis, count)), basis)


def _have_worked(base: Measurement, head: Measurement) -> bool:
    return base.status == head.status == "ok"


def _changes(
    base: Measurement, head: Measurement, limits: Mapping[str, float | None], basis: str, count: int
) -> Iterator[Change]:
    yield _status(base, head, limits["status"])
    if _have_worked(base, head):
        yield _latency(base, head, limits["latency"], basis, count)
        yield _memory(base, head, limits["memory"])
        yield _first_call(base, head, limits["first_call"], count)
    yield _params(base, head, limits["params"])


def _status(base: Measurement, head: Measurement, limit: float | None) -> Change:
    """What worked and now fails is worse; what a run did not reach, in one side or both, shows nothing."""
    before, after = base.status, head.status
    verdict = UNCHANGED
    if NOT_REACHED in (before, after):
        verdict = INCONCLUSIVE
    elif before != after and "ok" in (before, after):
        verdict = REGRESSION if before == "ok" else IMPROVEMENT
    return Change("status", before, after, _if_judged(limit, verdict), reason=head.reason or base.reason)


def _latency(base: Measurement, head: Measurement, limit: float | None, basis: str, count: int) -> Change:
    before, after = (_median([one.value for one in side.latencies]) for side in (base, head))
    apart = basis in RELATIVE and not are_relative(base, head)
    old_logs, new_logs = ([], []) if apart else (_logs(side, basis) for side in (base, head))
    if basis in (PAIRED, BOTH):
        ratios = _paired(old_logs, new_logs, basis)
        found = stats.paired_interval(ratios, count)
        estimate = math.exp(float(np.mean(ratios))) if ratios else None
    else:
        old, new = (tasks.by_process(_counted(logs, basis)) for logs in (old_logs, new_logs))
        found = stats.change_interval(old, new, count)
        estimate = math.exp(float(np.mean(new) - np.mean(old))) if old and new else None
    if found is not None:
        return Change("latency", before, after, _judged(found, limit), found)
    timed = bool(base.latencies and head.latencies) and basis in RELATIVE
    why = FEW if estimate is not None else NO_REFERENCE if timed else NOT_TIMED
    return Change("latency", before, after, _if_judged(limit, INCONCLUSIVE), estimate, why)


def _logs(side: Measurement, basis: str) -> Sequence[Value]:
    """One logarithm a visit."""
    return side.relative if basis in RELATIVE else [Value(math.log(one.value), one.visit) for one in side.latencies]


def _counted(values: Sequence[Value], basis: str) -> Sequence[Value]:
    """Those that count: of latencies themselves the calm ones.

    What disturbs a visit holds the reference workload in the same rounds up as well.
    """
    return values if basis in RELATIVE else tasks.counted(values)


def _paired(base: Sequence[Value], head: Sequence[Value], basis: str) -> list[float]:
    """Log ratio of head over base of each pair of processes that ran side by side, which have one number."""
    before = {one.visit.process: one for one in base}
    pairs = [(before[new.visit.process], new) for new in head if new.visit.process in before]
    # What disturbed either disturbed the pair.
    ratios = [Value(new.value - old.value, new.visit if old.visit.calm else old.visit) for old, new in pairs]
    return tasks.by_process(_counted(ratios, basis))


def _judged(found: Interval, limit: float | None) -> str:
    """What an interval of head over base says: worse or better only where all of it lies beyond the threshold."""
    if limit is None:
        return NOT_JUDGED
    most = 1 + limit
    if found.low > most:
        return REGRESSION
    if found.high < 1 / most:
        return IMPROVEMENT
    return INCONCLUSIVE if found.estimate > most else UNCHANGED


def _if_judged(limit: float | None, verdict: str) -> str:
    return NOT_JUDGED if limit is None else verdict


def _memory(base: Measurement, head: Measurement, limit: float | None) -> Change:
    before, after = base.memory_bytes, head.memory_bytes
    if before is None or after is None:
        return Change("memory", before, after, NOT_JUDGED, reason="not read on both sides")
    if base.memory_source != head.memory_source:
        why = f"read from {base.memory_source} before and from {head.memory_source} now, which cannot be compared"
        return Change("memory", before, after, NOT_JUDGED, reason=why)
    if is_elsewhere(base, head) and base.memory_source not in _COUNTED:
        return _exact("memory", before, after, None, reason=ELSEWHERE)
    if limit is not None and abs(after - before) <= LEAST_BYTES:
        return _exact("memory", before, after, math.inf)
    return _exact("memory", before, after, limit)


def _params(base: Measurement, head: Measurement, limit: float | None) -> Change:
    if base.params is None or head.params is None:
        return Change("params", base.params, head.params, NOT_JUDGED, reason="not counted on both sides")
    return _exact("params", base.params, head.params, limit)


def _exact(metric: str, before: int, after: int, limit: float | None, reason: str | None = None) -> Change:
    """A count that needs no interval."""
    verdict = _if_judged(limit, UNCHANGED)
    if limit is not None and after > before * (1 + limit):
        verdict = REGRESSION
    elif limit is not None and before > after * (1 + limit):
        verdict = IMPROVEMENT
    return Change(metric, before, after, verdict, after / before if before else None, reason)


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def _first_call(base: Measurement, head: Measurement, limit: float | None, count: int) -> Change:
    before, after = (_median(side.first_calls) for side in (base, head))
    old, new = ([math.log(one) for one in side.first_calls if one > 0] for side in (base, head))
    if not old or not new:
        return Change("first_call", before, after, NOT_JUDGED, reason=NOT_TIMED)
    reason = ELSEWHERE if is_elsewhere(base, head) else None
    judged = None if reason else limit
    found = stats.change_interval(old, new, count)
    if found is not None:
        return Change("first_call", before, after, _judged(found, judged), found, reason)
    estimate = math.exp(float(np.mean(new) - np.mean(old)))
    return Change("first_call", before, after, _if_judged(judged, INCONCLUSIVE), estimate, reason or FEW)
