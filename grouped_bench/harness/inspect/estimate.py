"""What a run will take, before it begins: by what each task took here before, by a first call of it, or by counts."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

from grouped_bench.harness.plan import LEAST_VISITS, Cohort, Plan
from grouped_bench.measure.rounds import DEAR_S
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Json
from grouped_bench.store.schema import COHORT_KEY

# Where nothing is known of a task: a machine of 50 GMAC/s and 10 GB/s, and a first call of a quarter second.
_MACS_A_SECOND, _BYTES_A_SECOND, _FIRST_CALL_S = 50e9, 10e9, 0.25
# What recorded runs show on average: visits of a task, and what the start of a process takes. The warm-up takes as long
# as the samples; a visit calls a dear task once.
_VISITS, _OVERHEAD_S = 3 * LEAST_VISITS, 0.1
# Of the memory pass, in which two tasks run side by side, besides a first call.
_READING_S, _AT_ONCE = 0.6, 2
_START_S = 6.0

TaskKey = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a task on this machine.

    Attributes:
        first_call_s, call_s: seconds of a call in a new process, and of a later one.
        visits: how many it took before; None where it was tried only.
        peak_bytes: of a call; None where it was not read.
    """

    first_call_s: float
    call_s: float
    visits: int | None = None
    peak_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class RunEstimate:
    """What a run will take.

    Attributes:
        seconds: of the run, at most its budget.
        peak_bytes: of the task that needs most memory.
        measured, tried: tasks that were measured here before, and of which a first call was made for this.
    """

    seconds: float
    peak_bytes: int
    measured: int = 0
    tried: int = 0


def key_of(cohort: Cohort, variant: str) -> TaskKey:
    """What names a task wherever it is recorded."""
    columns = {**cohort.setting.to_columns(), **cohort.case.to_columns()}
    return (*(columns[name] for name in COHORT_KEY), variant)


def known_of(rows: Iterable[Any]) -> dict[TaskKey, Known]:
    """What rows of this machine say of their tasks, the newest of several.

    Args:
        rows: plain rows of the record.
    """
    found = {}
    for row in sorted(rows, key=lambda row: str(row.started_at)):
        first = [seconds for seconds in row.first_calls_s or () if seconds is not None]
        if row.latency_s is not None and first:
            told = Known(math.fsum(first) / len(first), row.latency_s, row["visits"], row.peak_memory_bytes)
            found[(*(row[name] for name in COHORT_KEY), row.variant)] = told
    return found


def estimate(plan: Plan, control: Control, known: Mapping[TaskKey, Known]) -> RunEstimate:
    """What a run of `plan` will take.

    Args:
        plan, control: of the run.
        known: tasks by `key_of`; the others are reckoned by their counts.
    """
    tasks = [(cohort, name, known.get(key_of(cohort, name))) for cohort in plan.cohorts for name in cohort.variants]
    total = _START_S + math.fsum(_seconds(cohort, name, told, control) for cohort, name, told in tasks)
    found = [told for _, _, told in tasks if told is not None]
    return RunEstimate(
        total if control.budget is None else min(total, control.budget),
        max(_bytes(cohort, name, told) for cohort, name, told in tasks),
        sum(told.visits is not None for told in found),
        sum(told.visits is None for told in found),
    )


def _seconds(cohort: Cohort, name: str, told: Known | None, control: Control) -> float:
    """What a task takes in all visits and in the memory pass."""
    counts = cohort.counts(name)
    if told is None:
        call = counts.macs / _MACS_A_SECOND + counts.min_bytes / _BYTES_A_SECOND
        told = Known(_FIRST_CALL_S + call, call)
    usual = _VISITS if told.visits is None else max(told.visits, LEAST_VISITS)
    visits = min(control.visits, max(usual, control.least_visits))
    is_dear = told.call_s > DEAR_S
    sampling = told.call_s if is_dear else 2 * max(control.visit_time, LEAST_VISITS * told.call_s)
    reading = (told.first_call_s + _READING_S + told.call_s) / _AT_ONCE
    return visits * (told.first_call_s + sampling + _OVERHEAD_S) + reading


def _bytes(cohort: Cohort, name: str, told: Known | None) -> int:
    least = cohort.counts(name).min_bytes
    return max(least, told.peak_bytes or 0) if told else least


def to_dict(plan: Plan, found: RunEstimate) -> Json:
    """A plan and its estimate under the keys of `plan --format json`."""
    return {
        "schema": 1,
        "tasks": plan.to_columns(),
        "skipped": [skip.to_columns() for skip in plan.skipped],
        "estimate": dataclasses.asdict(found),
    }
