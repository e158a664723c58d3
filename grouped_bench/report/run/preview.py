"""A run at a glance, for a notebook and an interactive session: its headline, and a line a case or task."""

import textwrap
from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from grouped_bench.analyse.answer import BEST, Answer, Line, answers
from grouped_bench.analyse.network.parts import PART
from grouped_bench.analyse.rows import case_title, cohorts, is_ok, plain, setting_title, varying
from grouped_bench.report.drawing.panels import describe
from grouped_bench.report.run.headline import headline
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import run_name
from grouped_bench.report.text.factors import as_known
from grouped_bench.report.text.names import told_apart
from grouped_bench.report.text.sheet import Sheet, grid
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted, format_seconds

Rows = tuple[tuple[str, ...], ...]
_MOST_ANSWERS, _MOST_ROWS, _MOST_LINES = 3, 8, 20
_NARROWEST, _WIDEST, _NAME_WIDTHS = 80, 120, (60, 50, 40, 30, 20, 12)
_LONGEST_VARIANT = 20
_OF_CASES = ("case", "as it is", "fastest", "faster")
_OF_TASKS = ("case", "variant", "latency", "speed-up")
_DOORS = "More: frame, findings, samples, metadata; gb.show([run]) has the tables, run.report(path) the page."


def preview(frame: pd.DataFrame, metadata: Facts) -> Sheet:
    """A few cases of a run, or tasks where none has an answer, with its headlines as the lines of the title.

    Args:
        frame: the columns of `store.schema`, of one run.
        metadata: its run-wide facts.
    """
    rows = plain(frame)
    found = [answer for answer in answers(rows) if answer.lines]
    of_cases = [line for answer in found for line in answer.lines]
    headers, shown = (_OF_CASES, _of_cases(of_cases)) if found else (_OF_TASKS, _of_tasks(rows))
    left_out = len(of_cases or rows) - len(shown)
    more = [f"{counted(left_out, 'more case' if found else 'more task')} not shown."] if left_out else []
    size = f"{counted(len(rows), 'task')} in {counted(len(cohorts(rows)), 'case')}"
    title = "\n".join([f"Run {run_name(metadata)}: {size}.", *map(_sentence, found[:_MOST_ANSWERS])])
    return Sheet(title, headers, shown, (*more, _DOORS))


def as_text(sheet: Sheet, columns: int) -> str:
    """The sheet in at most 20 lines, as wide as a terminal of so many columns."""
    wide = min(max(columns, _NARROWEST), _WIDEST)
    head = [line for part in sheet.title.split("\n") for line in textwrap.wrap(part, wide, max_lines=2)]
    first, others = [row[0] for row in sheet.rows], [row[1:] for row in sheet.rows]
    grids = (
        grid([(name, *rest) for name, rest in zip(told_apart(first, width), others, strict=True)], sheet.headers)
        for width in _NAME_WIDTHS
    )
    table = next((lines for lines in grids if max(map(cells.display_width, lines)) <= wide), [])
    notes = [line for note in sheet.notes for line in textwrap.wrap(note, wide)]
    return "\n".join([*head, *table, *notes][:_MOST_LINES])


def as_html(sheet: Sheet) -> str:
    """The sheet as a part of an HTML page."""
    first, *others = (Markup("<p>{}</p>").format(part) for part in sheet.title.split("\n"))
    body = Markup("").join(_row("td", row) for row in sheet.rows)
    table = Markup("<table><thead>{}</thead><tbody>{}</tbody></table>").format(_row("th", sheet.headers), body)
    notes = Markup("").join(map(Markup("<p>{}</p>").format, sheet.notes))
    return str(Markup("<div><strong>{}</strong>{}{}{}</div>").format(first, Markup("").join(others), table, notes))


def _row(tag: str, texts: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(Markup("").join(Markup(f"<{tag}>{{}}</{tag}>").format(one) for one in texts))


def _sentence(answer: Answer) -> str:
    where = cells.clean(f"{answer.first.pass_.capitalize()}, {setting_title(answer.first)}")
    return f"{where}: {cells.clean(headline(answer).effect)}"


def _of_cases(found: Sequence[Line]) -> Rows:
    """A line a case: how it is computed as it is, in which form fastest, and how many times as fast that is."""
    names = varying([line.own for line in found], COHORT_KEY)
    return tuple((_name(line.own, names), _timed(line.own), *_best(line)) for line in found[:_MOST_ROWS])


def _best(line: Line) -> tuple[str, str]:
    if line.best is not None:
        return _timed(line.best), as_known(line.gain)
    return ("the same", "") if line.state == BEST else ("undecided", "")


def _of_tasks(rows: Sequence[Task]) -> Rows:
    names = varying(rows, COHORT_KEY)
    shown = sorted(rows, key=lambda row: not is_ok(row))[:_MOST_ROWS]
    return tuple((_name(row, names), _variant(row), *_measured(row)) for row in shown)


def _measured(row: Task) -> tuple[str, str]:
    return (cells.latency(row), cells.speedup(row)) if is_ok(row) else (cells.text_of(row.status), "")


def _name(row: Task, names: Sequence[str]) -> str:
    """What distinguishes the case of `row` from the others, which differ in `names`."""
    if not row.label:
        return describe(row, names) or cells.clean(case_title(row))
    apart = describe(row, [name for name in names if name in PART])
    return ", ".join(filter(None, [cells.text_of(row.label), apart]))


def _timed(row: Task) -> str:
    return f"{_variant(row)} {format_seconds(row.seconds)}"


def _variant(row: Task) -> str:
    return cells.shorten(cells.text_of(row.variant), _LONGEST_VARIANT)
