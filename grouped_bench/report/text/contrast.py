"""The facts in which runs that are shown together differ, as text."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from grouped_bench.analyse.environment.differences import Absent, differences
from grouped_bench.report.text import cells
from grouped_bench.units import counted

_MOST_FACTS = 60
_MOST_LINES = 2


@dataclasses.dataclass(frozen=True)
class Contrast:
    """The names of runs, and in rows the facts in which they differ, each with its text in every run."""

    runs: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    is_certain: bool

    @property
    def shown(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The rows for people, at most _MOST_FACTS."""
        return self.rows[:_MOST_FACTS]

    @property
    def left_out(self) -> int:
        """Number of rows that are not shown."""
        return len(self.rows) - len(self.shown)

    @property
    def headline(self) -> str:
        """The sentence that stands above the facts."""
        return f"These runs {'differ' if self.is_certain else 'may differ'} in facts that can change an answer"


def contrast(metadata: Sequence[Mapping[str, Any]]) -> Contrast | None:
    """The facts in which runs differ; None where they differ in none."""
    found = differences(metadata)
    rows = tuple((cells.clean(one.fact), tuple(_text(one.fact, value) for value in one.values)) for one in found)
    return Contrast(tuple(map(run_name, metadata)), rows, found[0].is_certain) if found else None


def lines(found: Contrast, width: int) -> list[str]:
    """A sentence that names the runs, then a line a fact; long values end in … after _MOST_LINES."""
    names = cells.listed(f"run {number} is {name}" for number, name in enumerate(found.runs, 1))
    told = textwrap.wrap(f"{found.headline}; {names}:", width)
    for fact, texts in found.shown:
        line = f"{cells.shorten(fact, width)}: {_where(texts, _MOST_LINES * width)}"
        told += textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="    ")
    return told + ([f"  and {counted(found.left_out, 'more fact')}"] if found.left_out else [])


def run_name(facts: Mapping[str, Any]) -> str:
    """The id of the run with these run-wide facts."""
    return cells.clean(facts.get("run_id", "run without an id"))


def _text(fact: str, value: Any) -> str:
    return value.value if isinstance(value, Absent) else cells.fact_text(fact, value) or "empty"


def _where(texts: Sequence[str], width: int) -> str:
    """`yes in runs 1 and 3; no in run 2`."""
    runs: dict[str, list[int]] = {}
    for number, text in enumerate(texts, 1):
        runs.setdefault(text, []).append(number)
    return "; ".join(
        f"{cells.shorten(text, width)} in {'run' if len(numbers) == 1 else 'runs'} {cells.listed(numbers)}"
        for text, numbers in runs.items()
    )
