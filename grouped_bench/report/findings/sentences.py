"""The sentences of findings, each with the rows that support it."""

import dataclasses

from grouped_bench.analyse.leads import Part
from grouped_bench.report.drawing.panels import describe
from grouped_bench.report.text import cells
from grouped_bench.store.schema import Task
from grouped_bench.units import counted


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence, and the rows of the record that it rests on; a sentence on a whole run has none."""

    text: str
    rows: tuple[Task, ...] = ()


def in_cases(count: int, total: int) -> str:
    """` in both cases`, ` in all 4 cases`, ` in 2 of 4 cases`, ` in none of 4 cases`; nothing where one case is all."""
    if count == total:
        return {1: "", 2: " in both cases"}.get(total, f" in all {counted(total, 'case')}")
    return f" in {count or 'none'} of {counted(total, 'case')}"


def at(part: Part, row: Task) -> str:
    """Where `row` stands among its part: `32 groups`, and its shape where shapes differ."""
    return ", ".join(filter(None, [cells.splits(row), describe(row, part.varying_shape)]))
