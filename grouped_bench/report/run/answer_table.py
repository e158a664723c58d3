"""The table of an answer: cases with their best forms, the forms of a single case, or settings side by side."""

import collections
from collections.abc import Callable, Iterable, Sequence

import tabulate

from grouped_bench.analyse.answer import BEST, FASTER, OPEN, Answer, Line
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.leads import gain, is_clearly_faster
from grouped_bench.analyse.rows import case_title, varying
from grouped_bench.report.drawing.panels import describe
from grouped_bench.report.text import cells, ink
from grouped_bench.report.text.factors import as_known
from grouped_bench.report.text.forms import own_form_of
from grouped_bench.space.case import SETTING
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted, format_seconds, significant

_MOST_CASES = 8
_NARROWEST_NAME = 12
_SETTING = (*SETTING, "dtype", "data_format", "pass")
_WORDS = {FASTER: "faster too", BEST: "nothing to gain", OPEN: "undecided"}
_OF_NETWORKS = ("setting", "as it is", "best forms", "faster")
_OF_SWEEPS = ("setting", "best total", "faster in", "the best form", "faster")

# A row: its cells, and what gives the whole line its colour.
Row = tuple[tuple[str, ...], Callable[[str], str]]


def table(found: Sequence[Answer], room: int, width: int) -> list[str]:
    """At most `room` rows below a header: cases, the forms of a single case, or one row a setting."""
    lines = [line for answer in found for line in answer.lines]
    if not found:
        return []
    if len(lines) == 1:
        return _forms(lines[0], min(room, _MOST_CASES), width)
    if len(found) == 1 or (len(lines) <= _MOST_CASES and not found[0].is_network):
        return _cases(joined(found), min(room, _MOST_CASES + 1), width)
    return _settings(_ordered(found), min(room, _MOST_CASES), width)


def joined(found: Sequence[Answer]) -> Answer:
    """What is said of several settings: of a network's the first alone, since their times do not add up."""
    if len(found) == 1 or found[0].is_network:
        return _ordered(found)[0]
    lines = sorted((line for one in found for line in one.lines), key=lambda line: -line.gain.value)
    return Answer(tuple(lines), tuple(row for one in found for row in one.unmeasured), False)


def _ordered(found: Sequence[Answer]) -> list[Answer]:
    """Best first in each pass: by what all cases take in their best forms."""
    passes = list(dict.fromkeys(answer.first.pass_ for answer in found))
    return sorted(found, key=lambda answer: (passes.index(answer.first.pass_), answer.after))


def _cases(answer: Answer, room: int, width: int) -> list[str]:
    """A line for each case with a faster form, the greatest saving first, then the open ones; the others summed."""
    noun = "layer" if answer.is_network else "case"
    names = varying([line.own for line in answer.lines], COHORT_KEY)
    worth = [line for state in (FASTER, OPEN) for line in answer.lines if line.state == state]
    kept = len(worth) if len(worth) <= room - (len(worth) < len(answer.lines)) else room - 1
    rows: list[Row] = [(_case(line, names), ink.good if line.best else ink.faint) for line in worth[:kept]]
    told = _grid(rows, (noun, "as it is", "best form", "time", "faster"), width, spare=3) if rows else []
    rest = [line for line in answer.lines if line not in worth[:kept]]
    return [*told, *_sum(rest, noun if not rows else f"more {noun}", answer.is_network, width)]


def _case(line: Line, names: Sequence[str]) -> tuple[str, ...]:
    """What the case takes as it is and in its best form; of an open one in the one that was fastest."""
    best = line.best or line.forms[0]
    name, own = _name(line, names), format_seconds(line.seconds, 2)
    if best is line.own:
        return name, own, cells.DASH, cells.DASH, "undecided"
    said = _faster(gain(best, line.own))
    return (
        name,
        own,
        best.variant,
        format_seconds(best.seconds * line.times, 2),
        said if line.best else f"undecided, {said}",
    )


def _name(line: Line, names: Sequence[str]) -> str:
    named = line.own.label if line.own.multiplicity is not None and line.own.label else _described(line.own, names)
    return cells.clean(named or case_title(line.own)) + (f" ×{line.times}" if line.times > 1 else "")


def _sum(lines: Sequence[Line], noun: str, is_network: bool, width: int) -> list[str]:
    """`5 more layers: nothing to gain (0.1 s together)`."""
    if not lines:
        return []
    states = collections.Counter(line.state for line in lines)
    told = [(f"{states[state]} " if len(states) > 1 else "") + _WORDS[state] for state in _WORDS if states[state]]
    together = f" ({format_seconds(sum(line.seconds for line in lines), 2)} together)" if is_network else ""
    return [ink.faint(cells.shorten(f"{counted(len(lines), noun)}: {', '.join(told)}{together}", width))]


def _forms(line: Line, room: int, width: int) -> list[str]:
    """The forms of a single case, fastest first, each against what Keras has."""
    own = line.own
    rows: list[Row] = []
    for row in line.forms[:room]:
        if row is own:
            rows.append(((row.variant, format_seconds(row.seconds, 3), "as it is"), str))
            continue
        better = gain(row, own)
        is_slower = better.value < 1
        estimate = better.turned() if is_slower else better
        told = f"{_faster(estimate)} {'slower' if is_slower else 'faster'}"
        sure = is_clearly_faster(own, row) if is_slower else is_clearly_faster(row, own)
        style = ink.faint if not sure else ink.bad if is_slower else ink.good
        rows.append(((row.variant, format_seconds(row.seconds, 3), told), style))
    return _grid(rows, ("form", "time", f"against {own_form_of(own)}"), width)


def _settings(found: Sequence[Answer], room: int, width: int) -> list[str]:
    """A line for each setting, best first: of a network its sums, of a sweep in how many cases a form is faster."""
    is_network = found[0].is_network
    names = varying([answer.first for answer in found], (*_SETTING, *(("batch_size",) if is_network else ())))
    rows: list[Row] = []
    for answer in found if len(found) <= room else found[: room - 1]:
        texts = _network(answer) if is_network else _most(answer)
        rows.append(((_described(answer.first, names), *texts), ink.good if answer.faster else ink.faint))
    more = len(found) - len(rows)
    headers = _OF_NETWORKS if is_network else _OF_SWEEPS
    told = _grid(rows, headers, width, spare=None if is_network else 1)
    return told + ([ink.faint(counted(more, "more setting"))] if more else [])


def _network(answer: Answer) -> tuple[str, ...]:
    times = format_seconds(answer.seconds, 2), format_seconds(answer.after, 2)
    return *times, _faster(answer.gain) if answer.faster else cells.DASH


def _most(answer: Answer) -> tuple[str, ...]:
    """What all cases take in their best forms, in how many one is faster, and the most."""
    count = format_seconds(answer.after, 2), f"{len(answer.faster)} of {counted(len(answer.lines), 'case')}"
    if not answer.faster:
        return *count, cells.DASH, cells.DASH
    line = max(answer.faster, key=lambda line: line.gain.low or 0.0)
    return *count, line.best.variant if line.best else "", _faster(line.gain)


def _described(row: Task, names: Sequence[str]) -> str:
    """`describe`, where a variable's name says by itself what it is."""
    return describe(row, names).replace("env ", "", 1) if row.env else describe(row, names)


def _faster(estimate: Estimate) -> str:
    """A factor and how sure it is: `57× [51–64]`, or the bound that holds."""
    told = as_known(estimate)
    if estimate.low is None or estimate.high is None or not told[:1].isdigit():
        return told
    low, high = (significant(end, 2) for end in (estimate.low, estimate.high))
    return f"{told} [{low}–{high}]"


def _grid(rows: Sequence[Row], headers: tuple[str, ...], width: int, *, spare: int | None = None) -> list[str]:
    """A plain table, each line in its style. Where it is too wide the column `spare` goes, then names are cut."""
    texts = [headers, *(row for row, _ in rows)]
    name_width = max(cells.display_width(row[0]) for row in texts)
    lines = _lines(texts, name_width)
    if spare is not None and _width(lines) > width:
        texts = [(*row[:spare], *row[spare + 1 :]) for row in texts]
    while _width(lines := _lines(texts, name_width)) > width and name_width > _NARROWEST_NAME:
        name_width -= 1
    styles = [ink.faint, *(style for _, style in rows)]
    return [style(cells.shorten(line, width)) for line, style in zip(lines, styles, strict=True)]


def _lines(texts: Sequence[tuple[str, ...]], name_width: int) -> list[str]:
    cut = [(cells.shorten(row[0], name_width), *row[1:]) for row in texts]
    return [line.rstrip() for line in tabulate.tabulate(cut, tablefmt="plain", disable_numparse=True).splitlines()]


def _width(lines: Iterable[str]) -> int:
    return max(map(cells.display_width, lines))
