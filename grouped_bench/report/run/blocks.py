"""Which rows stand under which heading, and in what order."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from grouped_bench.analyse.rows import ascending, by_function, cohorts, is_ok, varying
from grouped_bench.report.text import cells
from grouped_bench.store import schema
from grouped_bench.store.schema import Task

_DESCENDING = ("speedup", "speedup_low", "speedup_high")


@dataclasses.dataclass(frozen=True)
class Section:
    """Rows under one heading: those measured, in the order to show them, and those that were not."""

    heading: str
    detail: str
    rows: tuple[Task, ...]
    failed: tuple[Task, ...]
    apart: tuple[str, ...]

    def functions(self) -> list[list[Task]]:
        """`rows` parted by the function they compute, in their order."""
        found: dict[str, list[Task]] = {}
        for row in self.rows:
            found.setdefault(row.computes, []).append(row)
        return list(found.values())


def blocks(rows: Sequence[Task], *, by: str | None = None, sort: str | None = None) -> list[Section]:
    """`rows` under their headings: one block a cohort, or one a value of column `by`."""
    return _blocks_by(rows, by, sort) if by else _blocks_of_cohorts(rows, sort)


def _blocks_of_cohorts(rows: Sequence[Task], sort: str | None) -> list[Section]:
    several = len({row.run_id for row in rows}) > 1
    found = []
    for cohort in cohorts(rows):
        functions = by_function(cohort.rows)
        if sort:
            functions = sorted((sorted_by(part, sort) for part in functions), key=lambda part: _key(part[0], sort))
        detail = cohort.setting_title
        if several:
            detail += f", {cohort.rows[0].machine}, run {cohort.rows[0].run_id}"
        ordered = tuple(row for part in functions for row in part)
        failed = tuple(row for row in cohort.rows if not is_ok(row))
        apart = ("computes", "macs") if cohort.rows[0].scope == "block" else ("computes",)
        found.append(Section(cohort.case_title, detail, ordered, failed, apart))
    return found


def _blocks_by(rows: Sequence[Task], by: str, sort: str | None) -> list[Section]:
    found: dict[Any, list[Task]] = {}
    for row in rows:
        found.setdefault(row[by], []).append(row)
    apart = _apart(rows, by)
    values = sorted(found, key=ascending)
    return [_block_by(f"{by} {cells.column_text(found[value][0], by)}", found[value], apart, sort) for value in values]


def _block_by(heading: str, rows: list[Task], apart: tuple[str, ...], sort: str | None) -> Section:
    ordered = [row for cohort in cohorts(rows) for part in by_function(cohort.rows) for row in part]
    ordered = sorted_by(ordered, sort) if sort else ordered
    return Section(heading, "", tuple(ordered), tuple(row for row in rows if not is_ok(row)), apart)


def _apart(rows: Sequence[Task], by: str) -> tuple[str, ...]:
    """The columns in which rows under one heading may differ, beside the variant; what says the same is shown once."""
    names = [*varying(rows, ("run_id", *schema.COHORT_KEY)), "computes"]
    untold = {by, *schema.sources(by)}
    if {row.in_channels == row.out_channels for row in rows} == {True}:
        untold.add("out_channels")
    if {"size", "kernel_size"} & {*untold, *names}:
        untold.add("rank")
    # Steps of one in two axes and in three do not differ besides the rank.
    untold |= {name for name in ("stride", "dilation") if len({_extent(row[name]) for row in rows}) == 1}
    return tuple(name for name in names if name not in untold)


def _extent(value: Any) -> Any:
    """The one number of extents that are all alike."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def sorted_by(rows: Iterable[Task], sort: str) -> list[Task]:
    """`rows` by column `sort`: ascending, speed-ups descending, nulls last."""
    return sorted(rows, key=lambda row: _key(row, sort))


def _key(row: Task, sort: str) -> tuple[bool, str, Any]:
    value = row[sort]
    return ascending(-value if sort in _DESCENDING and value is not None else value)
