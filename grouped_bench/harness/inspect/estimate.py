"""What a run will take, before it begins: by what each task took here before, by a first call of it, or by counts."""

import dataclasses
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grouped_bench.harness.plan import LEAST_VISITS, Cohort, Plan
from grouped_bench.harness.record import RESUMED
from grouped_bench.measure.rounds import DEAR_S, VISIT_S
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.schema import COHORT_KEY

# Where nothing is known of a task: a machine of 50 GMAC/s and 10 GB/s, and a first call of a quarter second.
_MACS_A_SECOND, _BYTES_A_SECOND, _FIRST_CALL_S = 50e9, 10e9, 0.25
# What recorded runs show on average: visits of a task, and what the start of a process takes. The warm-up takes as long
# as the samples; a visit calls a dear task once.
_VISITS, _OVERHEAD_S = 3 * LEAST_VISITS, 0.1
# Of the memory pass, in which two tasks run side by side, besides a first call.
_READING_S, _AT_ONCE = 0.6, 2
_START_S = 6.0
# A run beside which much else happened tells little of another's pace.
_MOST_PACE = 4.0
# What ended a run before its tasks had all the visits that they need.
_ENDED_BEFORE = ("budget", "user")

TaskKey = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a task on this machine.

    Attributes:
        first_call_s, call_s: seconds of a call in a new process, and of a later one.
        visits: how many it took before; None where that is not known, as of a run that its budget ended.
        peak_bytes: of a call; None where it was not read.
        is_recorded: whether a run tells, rather than a first call.
        pace: by how much its run took longer than its tasks are reckoned to take: checks, searches, a busy machine.
    """

    first_call_s: float
    call_s: float
    visits: int | None = None
    peak_bytes: int | None = None
    is_recorded: bool = False
    pace: float = 1.0


@dataclasses.dataclass(frozen=True)
class RunEstimate:
    """What a run will take.

    Attributes:
        seconds: of the run, at most its budget.
        peak_bytes: of the task that needs most memory.
        measured, tried, failed: tasks that were measured here before, of which a first call was made for this, and
            that cannot run here, by a run or by a first call.
    """

    seconds: float
    peak_bytes: int
    measured: int = 0
    tried: int = 0
    failed: int = 0


def key_of(cohort: Cohort, variant: str) -> TaskKey:
    """What names a task wherever it is recorded."""
    columns = {**cohort.setting.to_columns(), **cohort.case.to_columns()}
    return (*(columns[name] for name in COHORT_KEY), variant)


def known_of(runs: Iterable[tuple[Sequence[Any], Facts]]) -> dict[TaskKey, Known | None]:
    """What runs of this machine say of their tasks, the newest of several; None of one that cannot run here.

    Args:
        runs: plain rows of the record and facts of each.
    """
    made = [_of_run(rows, facts) for rows, facts in runs]
    return {key: told for one in sorted(made, key=operator.itemgetter(0)) for key, told in one[1].items()}


def _of_run(rows: Sequence[Any], facts: Facts) -> tuple[str, dict[TaskKey, Known | None]]:
    """When a run was made, and what it says of its tasks."""
    found: dict[TaskKey, Known | None] = {}
    for row in rows:
        key = (*(row[name] for name in COHORT_KEY), row.variant)
        first = [seconds for seconds in row.first_calls_s or () if seconds is not None]
        if row.latency_s is not None and first:
            first_call_s = math.fsum(first) / len(first)
            found[key] = Known(first_call_s, row.latency_s, row["visits"], row.peak_memory_bytes, is_recorded=True)
        elif row.status == "unsupported":
            found[key] = None
    measured = {key: told for key, told in found.items() if told is not None}
    pace, is_whole = _pace(measured.values(), facts), facts.get("stopped_by") not in _ENDED_BEFORE
    for key, told in measured.items():
        found[key] = dataclasses.replace(told, pace=pace, visits=told.visits if is_whole else None)
    return max((str(row.started_at) for row in rows), default=""), found


def _pace(tasks: Iterable[Known], facts: Facts) -> float:
    """By how much a run took longer than its tasks are reckoned to take."""
    spent, visit_time = facts.get("time") or {}, facts["control"].get("visit_time", VISIT_S)
    took = float(spent.get("total_s", 0.0) - spent.get("explain_s", 0.0) - _START_S)
    reckoned = math.fsum(_reckoned(told, told.visits or 0, visit_time) for told in tasks)
    if RESUMED in facts or took <= 0 or not reckoned:  # of a run that was resumed, only the last part is timed
        return 1.0
    return min(max(took / reckoned, 1 / _MOST_PACE), _MOST_PACE)


def estimate(plan: Plan, control: Control, known: Mapping[TaskKey, Known | None]) -> RunEstimate:
    """What a run of `plan` will take.

    Args:
        plan, control: of the run.
        known: tasks by `key_of`, None for one that fails; the others are reckoned by their counts.
    """
    every = [(cohort, name, key_of(cohort, name)) for cohort in plan.cohorts for name in cohort.variants]
    tasks = [(cohort, name, known.get(key)) for cohort, name, key in every if key not in known or known[key]]
    total = _START_S + math.fsum(_seconds(cohort, name, told, control) for cohort, name, told in tasks)
    found = [told for _, _, told in tasks if told is not None]
    return RunEstimate(
        total if control.budget is None else min(total, control.budget),
        max(_bytes(tasks), default=0),
        sum(told.is_recorded for told in found),
        sum(not told.is_recorded for told in found),
        len(every) - len(tasks),
    )


def _seconds(cohort: Cohort, name: str, told: Known | None, control: Control) -> float:
    """What a task takes in all visits and in the memory pass."""
    counts = cohort.counts(name)
    if told is None:
        call = counts.macs / _MACS_A_SECOND + counts.min_bytes / _BYTES_A_SECOND
        told = Known(_FIRST_CALL_S + call, call)
    usual = _VISITS if told.visits is None else max(told.visits, LEAST_VISITS)
    visits = min(control.visits, max(usual, control.least_visits))
    return told.pace * _reckoned(told, visits, control.visit_time)


def _reckoned(told: Known, visits: int, visit_time: float) -> float:
    """What so many visits of a task and its memory pass take, by its calls alone."""
    is_dear = told.call_s > DEAR_S
    sampling = told.call_s if is_dear else 2 * max(visit_time, LEAST_VISITS * told.call_s)
    reading = (told.first_call_s + _READING_S + told.call_s) / _AT_ONCE
    return visits * (told.first_call_s + sampling + _OVERHEAD_S) + reading


def _bytes(tasks: Sequence[tuple[Cohort, str, Known | None]]) -> list[int]:
    """What each task holds: as it was read, or as many times the least as another of its variant, setting and pass."""
    factors: dict[tuple[Any, ...], float] = {}
    for cohort, name, told in tasks:
        if told is not None and told.peak_bytes:
            kind = name, cohort.setting, cohort.case.pass_
            factors[kind] = max(factors.get(kind, 1.0), told.peak_bytes / cohort.counts(name).min_bytes)
    found = []
    for cohort, name, told in tasks:
        factor = factors.get((name, cohort.setting, cohort.case.pass_), 1.0)
        read = told.peak_bytes if told is not None else None
        found.append(read or int(factor * cohort.counts(name).min_bytes))
    return found


def to_dict(plan: Plan, found: RunEstimate) -> Json:
    """A plan and its estimate under the keys of `plan --format json`."""
    return {
        "schema": 1,
        "tasks": plan.to_columns(),
        "skipped": [skip.to_columns() for skip in plan.skipped],
        "estimate": dataclasses.asdict(found),
    }
