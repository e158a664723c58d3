"""Findings in plain sentences, which claim nothing beyond the verdicts and their intervals."""

from collections.abc import Callable, Sequence

import pandas as pd

from grouped_bench.analyse.environment.differences import unread_variables
from grouped_bench.analyse.leads import Part
from grouped_bench.analyse.rows import VERDICTS, CohortTasks, baseline_name, cohorts, is_baseline, is_ok, plain
from grouped_bench.analyse.statistics.limits import IMPLAUSIBLE
from grouped_bench.analyse.statistics.stability import FLAGS, UNSTABLE
from grouped_bench.report.findings import claims, limits
from grouped_bench.report.findings.sentences import Finding
from grouped_bench.report.run.beside.across import across_findings
from grouped_bench.report.run.beside.devices import device_findings
from grouped_bench.report.run.beside.surroundings import environment_findings
from grouped_bench.report.run.summary import compared, counts, stop, tally
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

__all__ = ["Finding", "counts", "findings", "of_rows", "stop"]

# Functions that are the same where nothing is split, and how that is said.
_TWINS = {
    "With one group, the dense and the grouped function": ("dense", "grouped"),
    "With one path, the bottleneck and the resnext function": ("bottleneck", "resnext"),
}
_CAUSES = tuple(flag for flag in FLAGS if flag != UNSTABLE)
MOST_FINDINGS = 7
_FEWEST_CLAIMS = 4
# Of each kind, what is said of time; then what is said besides, where there is room.
_OF_TIME: tuple[Callable[[Part], list[Finding]], ...] = (
    *(claims.totals, claims.gains, claims.backends, claims.losses, claims.trends, claims.paying, claims.winning),
)
_BESIDES: tuple[Callable[[Part], list[Finding]], ...] = (limits.memory, claims.crossing)


def findings(frame: pd.DataFrame, metadata: Sequence[Facts] = ()) -> list[Finding]:
    """`of_rows` of the rows of `frame`."""
    return of_rows(plain(frame), metadata)


def of_rows(rows: Sequence[Task], metadata: Sequence[Facts] = ()) -> list[Finding]:
    """At most MOST_FINDINGS sentences: the largest effect first, then memory, then what failed and what stays open.

    Slow-downs count as much as gains. An effect is as large as its interval leaves it at least. Only variants that
    compute the same function are ranked with each other. No claim rests on an interval that contains 1.

    Args:
        rows: the rows of whole cohorts, as `rows.plain` gives them.
        metadata: the run-wide facts of each run; any may be missing.
    """
    if not any(map(is_ok, rows)):
        return [Finding("Nothing was measured, so there are no findings."), *limits.failures(rows)]
    found = cohorts(rows)
    part = Part("", found)
    of_time = [*across_findings(rows), *environment_findings(rows), *(one for kind in _OF_TIME for one in kind(part))]
    told = sorted(of_time, key=lambda one: -one.effect) + [one for kind in _BESIDES for one in kind(part)]
    notes = [
        *device_findings(rows, metadata),
        *_unread(metadata),
        *limits.failures(rows),
        *_open(found),
        *_flags(rows),
        *_twins(found),
    ]
    told = told[: max(_FEWEST_CLAIMS, MOST_FINDINGS - len(notes))] or [_nothing_decided(rows, metadata)]
    return [*told, *notes[: MOST_FINDINGS - len(told)]]


def _nothing_decided(rows: Sequence[Task], metadata: Sequence[Facts]) -> Finding:
    """What to do where no claim can be made: a run may lack what to compare with, or have more to measure."""
    if not any(map(is_baseline, rows)):
        names = cells.listed(dict.fromkeys(map(baseline_name, rows)))
        told = f"There are no verdicts, since nothing was compared: the run has no {names}. Latencies are in the table"
        return Finding(f"{told}; `--variant` adds what to compare with.")
    more = "; `--resume` continues the run" if any(facts.get("finished") is False for facts in metadata) else ""
    return Finding(f"No comparison has a decided verdict yet. Latencies are in the table{more}.")


def _unread(metadata: Sequence[Facts]) -> list[Finding]:
    """Variables that a run was asked to set and that a backend does not read."""
    return [Finding(text) for text in dict.fromkeys(text for facts in metadata for text in unread_variables(facts))]


def _twins(found: Sequence[CohortTasks]) -> list[Finding]:
    """With nothing split all our variants are one function: what differs is the implementation, or an error."""
    alike = [row for cohort in found if cohort.groups == 1 for row in compared(cohort.rows)]
    told = []
    for words, functions in _TWINS.items():
        rows = tuple(row for row in alike if row.computes in functions)
        verdicts = tally((row.verdict for row in rows), VERDICTS)
        if rows:
            count = counted(len(rows), "comparison")
            told.append(Finding(f"{words} are the same: of {count}, {verdicts}.", rows))
    return told


def _open(found: Sequence[CohortTasks]) -> list[Finding]:
    judged = [row for cohort in found for row in compared(cohort.rows)]
    undecided = tuple(row for row in judged if row.verdict == "undecided")
    if not undecided:
        return []
    text = (
        f"Undecided: {len(undecided)} of {counted(len(judged), 'comparison')} with the baseline. "
        "The intervals are too wide; this does not mean that the times are equal."
    )
    return [Finding(text, undecided)]


def _flags(rows: Sequence[Task]) -> list[Finding]:
    told = []
    moved = tuple(row for row in rows if UNSTABLE in (row.flags or ()))
    if moved:
        causes = tally(flag for row in moved for flag in row.flags or () if flag in _CAUSES)
        share = f"{len(moved)} of {counted(len(rows), 'task')}"
        text = f"Busy machine: {share} disturbed, so that their intervals are wider. Causes: {causes}."
        told.append(Finding(text, moved))
    impossible = tuple(row for row in rows if IMPLAUSIBLE in (row.flags or ()))
    if impossible:
        names = cells.listed(dict.fromkeys(cells.text_of(row.variant) for row in impossible))
        text = f"Not ranked: {names}, faster than this machine can compute it in {counted(len(impossible), 'task')}."
        told.append(Finding(text, impossible))
    known = (*FLAGS, IMPLAUSIBLE)
    others = tuple(row for row in rows if set(row.flags or ()) - set(known))
    if others:
        flags = tally(flag for row in others for flag in row.flags or () if flag not in known)
        told.append(Finding(f"Other flags: {flags}.", others))
    return told
