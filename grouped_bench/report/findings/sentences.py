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


def of_cases(count: int, total: int) -> str:
    """`both cases`, `all 4 cases`, `2 of 4 cases`, `none of 4 cases`; with one case `the one case` or `no case`."""
    if total == 1:
        return "the one case" if count else "no case"
    if count == total:
        return "both cases" if total == 2 else f"all {counted(total, 'case')}"
    return f"{count or 'none'} of {counted(total, 'case')}"


def at(part: Part, row: Task) -> str:
    """Where `row` stands among its part: `32 groups`, and its shape where shapes differ."""
    return ", ".join(filter(None, [cells.splits(row), describe(row, part.varying_shape)]))
