"""The lines below a table: tasks by status, verdicts, and how each run stopped."""

import collections
from collections.abc import Iterable, Sequence
from typing import Any

from grouped_bench.analyse.environment import machines
from grouped_bench.analyse.rows import VERDICTS, cohorts, is_baseline, is_ok
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Facts
from grouped_bench.store import schema
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

STOPS = {
    "settled": "stopped when every verdict was settled",
    "visits": "stopped when its visits were used up",
    "budget": "stopped when its budget was spent",
    "failed": "stopped when every task had failed",
    "user": "was stopped by the user",
}


def counts(rows: Sequence[Task], metadata: Sequence[Facts], *, of: int | None = None) -> list[str]:
    """The closing lines of a table: tasks by status, verdicts, skips, and how each run stopped.

    Args:
        rows: the rows that are shown.
        metadata: the run-wide facts of each run.
        of: number of rows they were selected from, if fewer are shown.
    """
    total = len(rows)
    shown = f"{total:,} of {counted(of, 'task')}" if of not in (None, total) else counted(total, "task")
    statuses = tally((row.status for row in rows), schema.STATUSES)
    verdicts = tally((row.verdict for row in compared(rows)), VERDICTS)
    lines = [f"{shown} in {counted(len(cohorts(rows)), 'cohort')}: {statuses}." if total else f"{shown}."]
    if verdicts:
        lines.append(f"Against the baseline: {verdicts}.")
    if any(map(cells.is_coarse, rows)):
        lines.append("~: memory read from the resident set, which varies by tens of KiB; do not compare it closely.")
    lines += [f"Measured on {where}." for where in machines.of_known_class(metadata)]
    return lines + [line for facts in metadata for line in _run_lines(facts, several=len(metadata) > 1)]


def stop(facts: Facts) -> str:
    """How a run ended, as words that follow `The run`."""
    why = facts.get("stopped_by")
    if why is not None:
        return STOPS.get(why, f"stopped by {cells.clean(why)}")
    if facts.get("finished") is not False:
        return "does not say how it stopped"
    visits = facts.get("visits")
    return f"is not finished: {counted(visits, 'visit')} so far" if isinstance(visits, int) else "is not finished"


def compared(rows: Iterable[Task]) -> list[Task]:
    """The ok rows that have a verdict against their baseline."""
    return [row for row in rows if is_ok(row) and not is_baseline(row) and row.verdict is not None]


def tally(values: Iterable[Any], order: Sequence[str] = ()) -> str:
    """`3 faster, 1 slower`: known words in their order, then unknown ones by name; nulls are not counted."""
    tally = collections.Counter(cells.text_of(value) for value in values if value is not None)
    names = [name for name in order if tally[name]] + sorted(set(tally) - set(order))
    return ", ".join(f"{tally[name]:,} {name}" for name in names)


def _run_lines(facts: Facts, *, several: bool) -> list[str]:
    name = f"Run {cells.clean(facts.get('run_id', 'without an id'))}" if several else "The run"
    lines = [f"{name} {stop(facts)}."]
    if isinstance(rounds := facts.get("thinned"), int):
        kept = f"{counted(rounds, 'round')} per visit"
        lines.append(f"{name} is a baseline: it keeps {kept} and the medians of all, but not how samples spread.")
    skipped = len(facts.get("skipped") or ())
    return lines + ([f"{name} skipped {counted(skipped, 'case')} of its space, with reasons."] if skipped else [])
