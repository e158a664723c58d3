"""The sentences of findings, each with the rows that support it."""

import dataclasses

from grouped_bench.analyse.leads import Part
from grouped_bench.analyse.rows import varying
from grouped_bench.report.drawing.panels import describe
from grouped_bench.report.text import cells
from grouped_bench.space.case import SETTING
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

# By what a case and its place may differ besides its shape and its groups.
_SETTING = (
    *("rank", "scope", "dtype", "data_format", "pass"),
    *SETTING,
    *("machine", "run_id"),
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence, and the rows of the record that it rests on; a sentence on a whole run has none.

    `effect` is the logarithm of the factor that it claims at least, 0 where it claims none.
    """

    text: str
    rows: tuple[Task, ...] = ()
    effect: float = 0.0


def in_cases(count: int, total: int) -> str:
    """` in both cases`, ` in all 4 cases`, ` in 2 of 4 cases`, ` in none of 4 cases`; nothing where one case is all."""
    if count == total:
        return {1: "", 2: " in both cases"}.get(total, f" in all {counted(total, 'case')}")
    return f" in {count or 'none'} of {counted(total, 'case')}"


def at(part: Part, row: Task) -> str:
    """Where `row` stands among its part: `32 groups`, its shape where shapes differ, and its setting likewise."""
    return ", ".join(filter(None, [cells.splits(row), describe(row, part.varying_shape), setting(part, row)]))


def setting(part: Part, row: Task) -> str:
    """Pass and setting of `row`, as far as they differ in its part."""
    return describe(row, varying(part.rows, _SETTING))
