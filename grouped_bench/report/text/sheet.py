"""A table of texts that stands beside the cohorts' tables, and how a terminal shows it."""

import dataclasses
import textwrap
from collections.abc import Sequence

import tabulate

from grouped_bench.report.text import cells
from grouped_bench.report.text.names import told_apart

_NAME_WIDTHS = (40, 30, 24, 18, 12)


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table of texts with a title and the sentences below it; where it is too wide the column `spare` goes."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    spare: int | None = None


def lines(sheet: Sheet, width: int) -> list[str]:
    """The sheet for a terminal: a table, or where that is too wide a paragraph a row."""
    title = textwrap.wrap(sheet.title, width)
    smaller = sheet if sheet.spare is None else _without(sheet, sheet.spare)
    grids = (_grid(one, name_width) for one in dict.fromkeys((sheet, smaller)) for name_width in _NAME_WIDTHS)
    fitting = (grid for grid in grids if max(map(cells.display_width, grid)) <= width)
    told = next(fitting, None) or [line for row in smaller.rows for line in _paragraph(smaller.headers, row, width)]
    return [*title, *told, *(line for note in sheet.notes for line in textwrap.wrap(note, width))]


def _without(sheet: Sheet, column: int) -> Sheet:
    headers, *rows = ((*row[:column], *row[column + 1 :]) for row in (sheet.headers, *sheet.rows))
    return dataclasses.replace(sheet, headers=headers, rows=tuple(rows), spare=None)


def grid(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> list[str]:
    """Lines of a plain table, every cell as it is."""
    return tabulate.tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True).splitlines()


def _grid(sheet: Sheet, name_width: int) -> list[str]:
    named = told_apart([row[0] for row in sheet.rows], name_width)
    return grid([(name, *row[1:]) for name, row in zip(named, sheet.rows, strict=True)], sheet.headers)


def _paragraph(headers: Sequence[str], row: Sequence[str], width: int) -> list[str]:
    told = f"{row[0]}: " + "; ".join(f"{name} {text}" for name, text in zip(headers[1:], row[1:], strict=True))
    return textwrap.wrap(told, width, initial_indent="  ", subsequent_indent="    ")
