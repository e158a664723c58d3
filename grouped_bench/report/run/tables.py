"""A frame of the record as text: a table for people, Markdown, CSV or JSON."""

import dataclasses
import functools
import itertools
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

import click
import pandas as pd
import tabulate

from grouped_bench.analyse.rows import is_baseline, plain
from grouped_bench.errors import SpaceError
from grouped_bench.report.run import exports
from grouped_bench.report.run.blocks import Section
from grouped_bench.report.run.exports import Request
from grouped_bench.report.run.sheets import sheets
from grouped_bench.report.run.where import NAMES, select
from grouped_bench.report.text import cells, factors, ink
from grouped_bench.report.text.contrast import contrast
from grouped_bench.report.text.contrast import lines as contrast_lines
from grouped_bench.report.text.sheet import lines as sheet_lines
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import Task
from grouped_bench.units import significant

SORTS = {"latency": "latency_s", "memory": "peak_memory_bytes"}
# An interval that is so many times as wide leaves nothing to read.
_TELLS_NOTHING = 100.0


def _against(row: Task) -> str:
    """The row against its baseline: `7.0× [6.8–7.2] faster`, `33× [31–35] slower`, `undecided [0.90–1.20]`."""
    value, low, high, word = row.speedup, row.speedup_low, row.speedup_high, row.verdict
    if is_baseline(row):
        return "baseline"
    if value is None:
        return cells.DASH
    if word is None or word in ("faster", "slower"):
        return factors.factor(value, low, high)
    if not low or not high or high > low * _TELLS_NOTHING:
        return cells.text_of(word)
    return f"{cells.text_of(word)} [{significant(low, 2)}–{significant(high, 2)}]"


# The verdict stands in the words of the factor.
_MEASURES: dict[str, Callable[[Task], str]] = {
    "latency": cells.latency,
    "against baseline": _against,
    "memory": cells.memory,
    "params": cells.params,
}
_FIRST_LEFT_OUT = ("memory", "params")
_NARROWEST_NAME = 8
_LONGEST_REASON = 6


def render(
    frame: pd.DataFrame,
    metadata: Sequence[Facts],
    *,
    by: str | None = None,
    sort: str | None = None,
    where: str | None = None,
    format: str = "table",
    width: int = 80,
    styled: bool = False,
) -> str:
    """The rows of `frame` as text.

    Each cohort is a heading and a table. Variants of one function stand together, fastest first; rows
    that are not ok come last and are never ranked. With `by`, headings are the values of that column, and
    rows carry the columns that distinguish them. `sort` orders ascending, speed-ups descending; inside a
    cohort it never mixes functions.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        metadata: the run-wide facts of each run; any may be missing.
        by: column whose values become the headings.
        sort: `latency`, `speedup`, `memory` or a column.
        where: expression over the columns, as `groups > 1 and variant == 'grouped'`.
        format: `table`, `markdown`, `csv` or `json`.
        width: columns that no line of a `table` exceeds.
        styled: whether a `table` has a terminal's weight and colour.

    Raises:
        SpaceError: unknown format or column, or an expression that is none.
    """
    if format not in _FORMATS:
        raise SpaceError(
            "The format must be one of " + ", ".join(_FORMATS), received=format, remedy="Choose one of them"
        )
    key = _column(SORTS.get(sort, sort) if sort else None, "--sort")
    by = _column(by, "--by")
    every = plain(frame)
    rows = select(every, where)
    # A network without some of its layers would be another one.
    whole = sheets(every, metadata) if len(rows) == len(every) else []
    text = _FORMATS[format](Request(rows, every, metadata, by, key, width, whole))
    return text if styled else click.unstyle(text)


def _column(name: str | None, option: str) -> str | None:
    if name is not None and name not in NAMES:
        raise SpaceError(
            f"{option} takes a column other than the raw samples",
            received=name,
            remedy="List the columns with `grouped-bench list columns`",
        )
    return name


def _terminal(request: Request) -> str:
    """The tables, findings and closing lines, styled; no line is wider than asked."""
    width, found = request.width, request.blocks()
    layout = _layout(found, request)
    lines: list[str] = []

    def add(texts: Iterable[str], style: Callable[[str], str] = str) -> None:
        lines.extend(style(cells.shorten(text, width).rstrip()) for text in texts)

    if apart := contrast(request.metadata):
        add([*contrast_lines(apart, width), ""])
    for block in found:
        for heading, style in ((block.heading, ink.strong), (block.detail, ink.faint)):
            add(textwrap.wrap(cells.clean(heading), width, max_lines=4, placeholder=" …"), style)
        add(layout.lines(block, width), ink.verdict)
        add(_failures(block, width), ink.warning)
        add([*_choices(block, width), ""])
    if layout.left_out and any(block.rows for block in found):
        add([f"Not shown for lack of width: {cells.listed(layout.left_out)}."])
    for sheet in request.sheets:
        add([*sheet_lines(sheet, width), ""])
    told = request.findings()
    add(["Findings"] if told else [], ink.strong)
    for finding in told:
        add(textwrap.wrap(cells.clean(finding.text), width, initial_indent="- ", subsequent_indent="  "))
    add([""] if told else [])
    for line in request.closing():
        add(textwrap.wrap(cells.clean(line), width))
    return "\n".join(lines) + "\n"


def _failures(block: Section, width: int) -> Iterator[str]:
    """Two lines or more a row that was not measured: what it is and its status, then the reason."""
    for row in block.failed:
        marks = _label(row, [name for name in block.apart if name not in ("computes", "macs")])
        name = cells.text_of(row.variant) + (f" ({marks})" if marks else "")
        status = cells.text_of(row.status)
        yield f"{cells.shorten(name, max(_NARROWEST_NAME, width - len(status) - 2))}  {status}"
        if row.reason is not None:
            told = textwrap.wrap(cells.reason(row), width - 2, max_lines=_LONGEST_REASON, placeholder=" …")
            yield from (f"  {line}" for line in told)


def _choices(block: Section, width: int) -> list[str]:
    """Which choices the figures of a block hold for."""
    made = dict.fromkeys((row.variant, row.choice) for row in block.rows if row.choice is not None)
    told = f"Chosen: {'; '.join(' '.join(map(cells.text_of, one)) for one in made)}" if made else ""
    return textwrap.wrap(told, width, subsequent_indent="  ")


def _label(row: Task, names: Iterable[str]) -> str:
    return ", ".join(f"{name} {cells.column_text(row, name)}" for name in names)


def _numbered(header: str, rule: str, lines: Sequence[str], labels: Sequence[str], width: int) -> list[str]:
    """A table whose rows are not in the order of their labels: each row has the number of its label, told below it."""
    numbers = {label: str(number) for number, label in enumerate(dict.fromkeys(labels), 1)}
    room = len(str(len(numbers)))
    told = [f"{'#':>{room}} {header}", f"{'':{room}} {rule}"]
    told += [f"{numbers[label]:>{room}} {line}" for label, line in zip(labels, lines, strict=True)]
    indent = " " * (room + 3)
    for label, number in numbers.items():
        told += textwrap.wrap(f"{number:>{room}} {label}", width, subsequent_indent=indent)
    return told


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Which columns a table has, what stands between the rows instead, and how narrow it is set."""

    measures: dict[str, Callable[[Task], str]]
    labelled: bool
    gap: int
    left_out: tuple[str, ...] = ()
    name_width: int = 40

    def lines(self, block: Section, width: int) -> list[str]:
        """The table of a block, its labels wrapped to `width`."""
        if not block.rows:
            return []
        header, rule, *lines = self._grid(block)
        if not self.labelled:
            return [header, rule, *lines]
        labels = [_label(row, block.apart) for row in block.rows]
        if len(list(itertools.groupby(labels))) > len(set(labels)):
            return _numbered(header, rule, lines, labels, width)
        told = ["  " + header, "  " + rule]
        for i, line in enumerate(lines):
            if i == 0 or labels[i] != labels[i - 1]:
                told += textwrap.wrap(labels[i], width, subsequent_indent="    ")
            told.append("  " + line)
        return told

    def _grid(self, block: Section) -> list[str]:
        headers, *grid = self._texts(block)
        right = [header in ("memory", "params") for header in headers]
        text = tabulate.tabulate(
            grid,
            headers=headers,
            tablefmt=_format(self.gap),
            disable_numparse=True,
            colalign=["right" if to_right else "left" for to_right in right],
        )
        return text.splitlines()

    def _texts(self, block: Section) -> list[list[str]]:
        """The headers and cells of a block's table."""
        apart = () if self.labelled else block.apart
        rows = [
            [
                cells.text_of(row.variant),
                *(cells.column_text(row, name) for name in apart),
                *(write(row) for write in self.measures.values()),
            ]
            for row in block.rows
        ]
        short = [[cells.shorten(text, self.name_width) for text in row] for row in rows]
        return [["variant", *apart, *self.measures], *short]

    def width(self, found: Iterable[Section]) -> int:
        """Columns that the widest table of `found` takes."""
        return max((self._width(block) for block in found if block.rows), default=0)

    def _width(self, block: Section) -> int:
        texts = self._texts(block)
        widths = [max(map(cells.display_width, column)) for column in zip(*texts[1:], strict=True)]
        return _width_of(tuple(texts[0]), tuple(widths), self.gap) + (2 if self.labelled else 0)


@functools.cache
def _width_of(headers: tuple[str, ...], widths: tuple[int, ...], gap: int) -> int:
    """Columns that a table takes whose cells are as wide as `widths`; many have the same."""
    text = tabulate.tabulate([["x" * width for width in widths]], headers=headers, tablefmt=_format(gap))
    return max(map(cells.display_width, text.splitlines()))


def _layout(found: Sequence[Section], request: Request) -> _Layout:
    """The fullest layout whose table fits; beyond the last, names are shortened."""
    measures = dict(_MEASURES)
    sort = request.sort
    if sort and sort not in _SHOWN and not any(sort in block.apart for block in found):
        measures[sort] = lambda row: cells.column_text(row, sort)
    left_out = tuple(name for name in _FIRST_LEFT_OUT if _SHOWN.get(sort or "") != name)
    fewer = {name: write for name, write in measures.items() if name not in left_out}
    candidates = [_Layout(measures, False, 2), _Layout(measures, True, 2), _Layout(measures, True, 1)]
    if request.by:
        candidates[1:1] = [_Layout(measures, False, 1), _Layout(fewer, False, 2, left_out)]
    candidates += [_Layout(fewer, True, 1, left_out)]
    for layout in candidates:
        if layout.width(found) <= request.width:
            return layout
    return _narrowed(found, candidates[-2:], request.width)


def _narrowed(found: Sequence[Section], candidates: Sequence[_Layout], width: int) -> _Layout:
    for layout in candidates:
        for name_width in range(layout.name_width, _NARROWEST_NAME - 1, -2):
            narrow = dataclasses.replace(layout, name_width=name_width)
            if narrow.width(found) <= width:
                return narrow
    return dataclasses.replace(candidates[-1], name_width=_NARROWEST_NAME)


_SHOWN = {
    "variant": "variant",
    "latency_s": "latency",
    "speedup": "against baseline",
    "peak_memory_bytes": "memory",
    "params": "params",
}


def _format(gap: int) -> tabulate.TableFormat:
    row = tabulate.DataRow("", " " * gap, "")
    rule = tabulate.Line("", "-", " " * gap, "")
    return tabulate.TableFormat(None, rule, None, None, row, row, 0, None)


_FORMATS: dict[str, Callable[[Request], str]] = {
    "table": _terminal,
    "markdown": exports.markdown,
    "csv": exports.comma_separated,
    "json": exports.as_json,
}
