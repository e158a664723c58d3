"""Findings in plain sentences, which claim nothing beyond the verdicts and their intervals."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from grouped_bench.analyse.environment.differences import unread_variables
from grouped_bench.analyse.leads import Part
from grouped_bench.analyse.rows import VERDICTS, CohortTasks, cohorts, is_ok, plain, varying, verdict_of
from grouped_bench.analyse.stability import FLAGS, UNSTABLE, is_unstable
from grouped_bench.report.findings import claims, limits
from grouped_bench.report.findings.sentences import Finding
from grouped_bench.report.run.summary import compared, counts, stop, tally
from grouped_bench.report.run.surroundings import environment_findings
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import contrast
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
_SETTING = (
    *("machine", "backend", "backend_version", "execution", "device", "cache", "env", "threads"),
    *("dtype", "scope", "rank", "pass"),
)
_MOST_CLAIMS = 12
# The most useful first: of each kind, what every setting says.
_KINDS: tuple[Callable[[Part], list[Finding]], ...] = (
    *(claims.fastest, claims.paying, claims.crossing, claims.idle, limits.memory, claims.losing, claims.winning),
)


def findings(frame: pd.DataFrame, metadata: Sequence[Facts] = ()) -> list[Finding]:
    """`of_rows` of the rows of `frame`."""
    return of_rows(plain(frame), metadata)


def of_rows(rows: Sequence[Task], metadata: Sequence[Facts] = ()) -> list[Finding]:
    """Sentences on what is fastest, where grouping pays, what memory decides, what failed and what stays open.

    Cohorts of different settings and passes are kept apart, and runs that differ in what can change an answer. Only
    variants that compute the same function are ranked with each other. No claim rests on an undecided or unstable row.

    Args:
        rows: the rows of whole cohorts, as `rows.plain` gives them.
        metadata: the run-wide facts of each run; any may be missing.
    """
    if not any(map(is_ok, rows)):
        return [Finding("Nothing was measured, so there are no findings."), *limits.failures(rows)]
    told = [*environment_findings(rows), *_claims(_parts(rows, metadata))]
    found = cohorts(rows)
    if not told:
        told = [_nothing_decided(metadata)]
    return [*told, *_unread(metadata), *limits.failures(rows), *_twins(found), *_open(found), *_flags(rows)]


def _nothing_decided(metadata: Sequence[Facts]) -> Finding:
    """What to do where no claim can be made: a run that has not ended can be continued."""
    more = "; `--resume` continues the run" if any(facts.get("finished") is False for facts in metadata) else ""
    return Finding(f"No comparison has a decided verdict yet. Latencies are in the table{more}.")


def _unread(metadata: Sequence[Facts]) -> list[Finding]:
    """Variables that a run was asked to set and that a backend does not read."""
    return [Finding(text) for text in dict.fromkeys(text for facts in metadata for text in unread_variables(facts))]


def _claims(parts: Sequence[Part]) -> list[Finding]:
    """What is claimed of each part, those that say the same together, and no more than can be read."""
    same: dict[str, list[tuple[Part, Finding]]] = {}
    for kind in _KINDS:
        for part in parts:
            for finding in kind(part):
                same.setdefault(finding.text, []).append((part, finding))
    told = [_merged(text, pairs) for text, pairs in same.items()]
    left_out = len(told) - _MOST_CLAIMS
    if left_out <= 1:
        return told
    more = f"{counted(left_out, 'more finding')}: select fewer settings or passes to see them."
    return [*told[:_MOST_CLAIMS], Finding(more)]


def _merged(text: str, pairs: Iterable[tuple[Part, Finding]]) -> Finding:
    pairs = list(pairs)
    names = [part.name for part, _ in pairs if part.name]
    rows = tuple(row for _, finding in pairs for row in finding.rows)
    return Finding(f"{cells.listed(names)}: {text}" if names else text, rows)


def _parts(rows: Sequence[Task], metadata: Sequence[Facts]) -> list[Part]:
    apart = (*_SETTING, "run_id") if len(metadata) > 1 and contrast(metadata) else _SETTING
    names = varying(rows, apart)
    found: dict[tuple[Any, ...], list[CohortTasks]] = {}
    for cohort in cohorts(rows):
        found.setdefault(tuple(cohort.rows[0][name] for name in names), []).append(cohort)
    return [Part(_part_name(part[0].rows[0], names), part) for part in found.values()]


def _part_name(row: Task, names: Iterable[str]) -> str:
    words = {"rank": "Conv{}D", "cache": "{} cache", "threads": "{} threads", "run_id": "run {}"}
    return " ".join(words.get(name, "{}").format(cells.text_of(row[name])) for name in names)


def _twins(found: Sequence[CohortTasks]) -> list[Finding]:
    """With nothing split all our variants are one function: what differs is the implementation, or an error."""
    alike = [row for cohort in found if cohort.groups == 1 for row in compared(cohort.rows)]
    told = []
    for words, functions in _TWINS.items():
        rows = tuple(row for row in alike if row.computes in functions)
        verdicts = tally(map(verdict_of, rows), VERDICTS)
        if rows:
            count = counted(len(rows), "comparison")
            told.append(Finding(f"{words} are the same: of {count}, {verdicts}.", rows))
    return told


def _open(found: Sequence[CohortTasks]) -> list[Finding]:
    judged = [row for cohort in found for row in compared(cohort.rows)]
    undecided = tuple(row for row in judged if verdict_of(row) == "undecided")
    if not undecided:
        return []
    text = (
        f"Undecided: {len(undecided)} of {counted(len(judged), 'comparison')} with the baseline. "
        "The intervals are too wide; this does not mean that the times are equal."
    )
    return [Finding(text, undecided)]


def _flags(rows: Sequence[Task]) -> list[Finding]:
    told = []
    moved = tuple(filter(is_unstable, rows))
    if moved:
        causes = tally(flag for row in moved for flag in row.flags or () if flag in _CAUSES)
        text = (
            f"Unstable: {len(moved)} of {counted(len(rows), 'task')}. The machine changed speed during them, so their "
            f"speed-ups support no claim. Causes: {causes}."
        )
        told.append(Finding(text, moved))
    others = tuple(row for row in rows if set(row.flags or ()) - set(FLAGS))
    if others:
        flags = tally(flag for row in others for flag in row.flags or () if flag not in FLAGS)
        told.append(Finding(f"Other flags: {flags}.", others))
    return told
