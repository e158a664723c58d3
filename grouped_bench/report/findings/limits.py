"""Limits other than time: memory that decides, and tasks that could not be measured."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence

from grouped_bench.analyse.crossings import settled
from grouped_bench.analyse.leads import Part, leader
from grouped_bench.analyse.reasons.reasons import explain_reason
from grouped_bench.analyse.reasons.refusals import Refusal
from grouped_bench.analyse.rows import baseline_name, by_function, cohorts, is_baseline, is_ok
from grouped_bench.report.findings.sentences import Finding, at
from grouped_bench.report.text import cells
from grouped_bench.store import schema
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, significant

# Allocators count blocks that they round up: less than this is no difference to choose by.
_CLEARLY_MORE = 1.1
_OUT_OF_MEMORY = ("oom", "predicted_oom")
_MOST_REASONS = 3
_LONGEST_REASON = 160


@dataclasses.dataclass(frozen=True)
class _Dearer:
    """Two rows that may be chosen between: `more` takes clearly more memory than `less`."""

    more: Task
    less: Task

    @property
    def ratio(self) -> float:
        return (self.more.peak_memory_bytes or 0) / (self.less.peak_memory_bytes or math.inf)


def memory(part: Part) -> list[Finding]:
    """Where the fastest way takes clearly more memory than another, or one that is no slower or faster does."""
    leads: dict[tuple[str, str], list[_Dearer]] = collections.defaultdict(list)
    equals: dict[tuple[str, str], list[_Dearer]] = collections.defaultdict(list)
    for cohort in part.cohorts:
        for rows in by_function(cohort.rows):
            for pair in _costly_leads(rows):
                leads[pair.more.variant, pair.less.variant].append(pair)
        for pair in _costly_equals(cohort.rows):
            equals[pair.more.variant, pair.less.variant].append(pair)
    told = [_lead_words(part, pairs) for pairs in leads.values()]
    return told + [_equal_words(part, pairs) for pairs in equals.values()]


def _costly_leads(rows: Sequence[Task]) -> list[_Dearer]:
    """The leader of one function beside the fastest other that takes clearly less memory."""
    first = leader(rows)
    others = [row for row in rows if row is not first and first is not None and _is_dearer(first, row)]
    return [_Dearer(first, others[0])] if first is not None and others else []


def _costly_equals(rows: Iterable[Task]) -> list[_Dearer]:
    """Variants that are equivalent to the baseline in time, and not in memory."""
    every = list(rows)
    base = next((row for row in every if is_baseline(row) and is_ok(row)), None)
    equal = [row for row in every if settled(row) == "equivalent"]
    if base is None:
        return []
    pairs = [pair for row in equal for pair in ((row, base), (base, row))]
    return [_Dearer(more, less) for more, less in pairs if _is_dearer(more, less)]


def _is_dearer(more: Task, less: Task) -> bool:
    """Whether both are known from one close source, and apart by more than its rounding."""
    if any(cells.is_coarse(row) for row in (more, less)) or more.memory_source != less.memory_source:
        return False
    high, low = more.peak_memory_bytes, less.peak_memory_bytes
    return bool(high and low and high >= _CLEARLY_MORE * low)


def _lead_words(part: Part, pairs: Sequence[_Dearer]) -> Finding:
    first = pairs[0]
    text = (
        f"The fastest variant is not the leanest in {counted(len(pairs), 'case')}: "
        f"{cells.text_of(first.more.variant)} takes more memory than {cells.text_of(first.less.variant)}"
    )
    return Finding(f"{text}, {_most(part, pairs)}.", _rows(pairs))


def _equal_words(part: Part, pairs: Sequence[_Dearer]) -> Finding:
    more, less = (cells.text_of(row.variant) for row in (pairs[0].more, pairs[0].less))
    other = less if more == baseline_name(pairs[0].more) else more
    base = baseline_name(pairs[0].more)
    text = f"{other} and {base} are equivalent in time in {counted(len(pairs), 'case')}, but {more} takes"
    return Finding(f"{text} more memory, {_most(part, pairs)}.", _rows(pairs))


def _most(part: Part, pairs: Sequence[_Dearer]) -> str:
    worst = max(pairs, key=lambda pair: pair.ratio)
    amounts = f"{cells.memory(worst.more)} against {cells.memory(worst.less)}"
    up_to = "up to " if len(pairs) > 1 else ""
    return f"{up_to}{significant(worst.ratio, 2)}×: {amounts} ({at(part, worst.more)})"


def _rows(pairs: Iterable[_Dearer]) -> tuple[Task, ...]:
    return tuple(row for pair in pairs for row in (pair.more, pair.less))


def failures(rows: Sequence[Task]) -> list[Finding]:
    """What was not measured: by status with its commonest reasons, and known refusals with their remedies.

    First of all where memory ended it.
    """
    found: dict[str, list[Task]] = collections.defaultdict(list)
    for row in rows:
        if not is_ok(row):
            found[row.status or ""].append(row)
    order = (*_OUT_OF_MEMORY, *schema.STATUSES)
    statuses = sorted(found, key=lambda status: order.index(status) if status in order else len(order))
    told = _out_of_memory(rows)
    if not statuses:
        return told
    failed = tuple(row for status in statuses for row in found[status])
    reasons = "; ".join(_reasons(status, found[status]) for status in statuses)
    text = f"Not measured: {len(failed)} of {counted(len(rows), 'task')}. Reasons: {reasons}."
    return [*told, Finding(" ".join([text, *_refusals(failed)]), failed)]


def _reasons(status: str, rows: Sequence[Task]) -> str:
    tally = collections.Counter(_reason(row) for row in rows if not _refusal(row)).most_common()
    told = [f"{reason} ({count})" if count < len(rows) else reason for reason, count in tally[:_MOST_REASONS] if reason]
    rest = len(tally) - _MOST_REASONS
    told += [counted(rest, "more reason")] if rest > 0 else []
    return f"{len(rows)} {cells.text_of(status or None)}" + (f", {', '.join(told)}" if told else "")


def _refusals(failed: Iterable[Task]) -> Iterator[str]:
    """Cause, remedy and an example of the words of each known refusal, the commonest first."""
    same: dict[Refusal, list[Task]] = collections.defaultdict(list)
    for row in failed:
        if refusal := _refusal(row):
            same[refusal].append(row)
    ordered = sorted(same.values(), key=len, reverse=True)
    for rows in ordered[:_MOST_REASONS]:
        yield f"{counted(len(rows), 'task')}: {cells.reason(rows[0])}."
    if len(ordered) > _MOST_REASONS:
        yield f"{counted(len(ordered) - _MOST_REASONS, 'more cause')}."


def _refusal(row: Task) -> Refusal | None:
    return explain_reason(row.reason, row)


def _reason(row: Task) -> str:
    text = "" if row.reason is None else cells.clean(row.reason)
    return cells.shorten(text, _LONGEST_REASON).rstrip(".")


def _out_of_memory(rows: Sequence[Task]) -> list[Finding]:
    """Which variants had too little memory where others of the same function did not."""
    lost: dict[str, list[Task]] = collections.defaultdict(list)
    for cohort in cohorts(rows):
        fitting = {row.computes for row in cohort.rows if is_ok(row)}
        for row in cohort.rows:
            if row.status in _OUT_OF_MEMORY and row.computes in fitting:
                lost[row.variant].append(row)
    if not lost:
        return []
    named = cells.listed(f"{cells.text_of(name)} in {counted(len(some), 'case')}" for name, some in lost.items())
    text = f"Out of memory where other variants of the same function fit: {named}."
    return [Finding(text, tuple(row for some in lost.values() for row in some))]
