"""The map of winners: a row a case, a column a variant, each cell coloured by how it compares with Keras' own form."""

import collections
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from grouped_bench.analyse.answer import Answer, Line
from grouped_bench.analyse.leads import gain
from grouped_bench.analyse.rows import case_title, cohorts, is_ok
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.axes import width
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.rows import is_wide, key, left_out, measured, names, rule, stacked, titles
from grouped_bench.report.drawing.tints import gain_text, tint
from grouped_bench.report.text import cells
from grouped_bench.report.text.factors import as_known
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_seconds

_MOST_ROWS, _LEAST_ROWS = 18, 2
_OWN = "Keras"
_SHORT = {"unsupported": "fails", "predicted_oom": "oom", "interrupted": "cut off"}
# Inches that the name of a variant needs to stand upright.
_LETTER, _LONGEST = 0.075, 24
_CELL, _NAMES = 0.62, {True: 2.2, False: 1.3}
_MOST_TOLD = 4
_SEE = (
    "Blue: faster than Keras' own form. Orange: slower. The paler, the smaller or the less sure; ? is undecided. "
    "Framed: the winner of the row."
)


@figure("winners", "Each variant against Keras' own form, in every case", place=0, see=_SEE)
def winners(record: Drawable, title: str) -> svg.Sketch:
    """A panel a setting. Only variants of the same function are compared.

    Raises:
        NothingToDrawError: Keras' own form was measured in no case, or no other form was.
    """
    shown = measured(record)
    most = max(_LEAST_ROWS, _MOST_ROWS // len(shown))
    order = [case_title(line.own) for line in shown[0].lines]
    rows = [sorted(answer.lines[:most], key=lambda line: _place(line, order)) for answer in shown]
    every = [line for some in rows for line in some]
    variants = _columns(every)
    sketch, places = stacked(title, [len(some) for some in rows], below=0.8)
    failed = _failed(record.rows)
    for place, some, name in zip(places, rows, titles(shown), strict=True):
        rule(place, name, names(some, every))
        place.set_xlim(-0.5, len(variants) - 0.5)
        for y, line in enumerate(some):
            for x, variant in enumerate(variants):
                _cell(place, x, y, line, variant, failed)
        place.tick_params(axis="x", length=0, labelbottom=False)
        place.spines["bottom"].set_visible(False)
    _head(places[0], variants)
    fewer = sum(len(answer.lines) for answer in shown) - sum(map(len, rows))
    notes = [f"{counted(fewer, 'more case')} not shown: those with the smallest gains"] if fewer else []
    key(sketch, [], [*notes, *left_out(record, shown)])
    return svg.Sketch(sketch, _alt(title, shown, rows))


def _place(line: Line, order: Sequence[str]) -> int:
    """The place of a case in the first panel, so that all panels have it there."""
    title = case_title(line.own)
    return order.index(title) if title in order else len(order)


def _columns(lines: Sequence[Line]) -> list[str]:
    """Keras' own form, then as many variants as there is room for, the most frequent winners first."""
    wins = collections.Counter(line.best.variant for line in lines if line.best)
    seen = collections.Counter(row.variant for line in lines for row in line.forms if row is not line.own)
    room = int((width() - _NAMES[is_wide()]) / _CELL)
    return [_OWN, *sorted(seen, key=lambda name: (-wins[name], -seen[name], name))][: max(2, room)]


def _head(place: Axes, variants: Sequence[str]) -> None:
    """The names of the columns, above the first panel."""
    names = [cells.shorten(cells.text_of(name), _LONGEST) for name in variants]
    fits = max(map(len, names)) * _LETTER <= (width() - _NAMES[is_wide()]) / len(names)
    place.set_xticks(range(len(variants)), names)
    place.tick_params(axis="x", labeltop=True, length=0)
    if not fits:
        place.set_xticks(range(len(variants)), names, rotation=30, ha="left", rotation_mode="anchor")


def _failed(rows: Sequence[Task]) -> dict[tuple[int, str], Task]:
    """What was not measured, by a row of its cohort and its variant."""
    found = {}
    for cohort in cohorts(rows):
        for row in cohort.rows:
            if not is_ok(row):
                found.update({(id(other), row.variant): row for other in cohort.rows})
    return found


def _cell(place: Axes, x: int, y: int, line: Line, variant: str, failed: dict[tuple[int, str], Task]) -> None:
    row = line.own if variant == _OWN else next((form for form in line.forms if form.variant == variant), None)
    corner = (x - 0.5, y - 0.5)
    if row is None:
        lost = failed.get((id(line.own), variant))
        if lost is not None:
            place.add_patch(Rectangle(corner, 1, 1, facecolor="none", edgecolor="#c8c8c8", hatch="////", linewidth=0))
            _write(place, x, y, _SHORT.get(lost.status, cells.shorten(cells.text_of(lost.status), 8)))
        return
    if row is line.own and variant != _OWN:
        return
    if row is line.own:
        place.add_patch(Rectangle(corner, 1, 1, facecolor="#8a8a8a", alpha=0.18, linewidth=0))
        _write(place, x, y, format_seconds(row.seconds, 2), bold=line.best is None)
        return
    found = gain(row, line.own)
    place.add_patch(Rectangle(corner, 1, 1, facecolor=tint(found), linewidth=0))
    if row is line.best:
        inner = (corner[0] + 0.04, corner[1] + 0.07)
        place.add_patch(Rectangle(inner, 0.92, 0.86, facecolor="none", edgecolor="#1b1b1b", linewidth=1.4))
    _write(place, x, y, gain_text(found), bold=row is line.best)


def _write(place: Axes, x: int, y: int, text: str, *, bold: bool = False) -> None:
    place.text(x, y, text, ha="center", va="center", fontsize=7.5, weight="bold" if bold else "normal")


def _alt(title: str, shown: Sequence[Answer], rows: Sequence[Sequence[Line]]) -> str:
    told = [f"{title}."]
    for answer, some, name in zip(shown, rows, titles(shown), strict=True):
        labels = names(some, [line for part in rows for line in part])
        words = [
            f"{label}: {cells.text_of(line.best.variant)} {as_known(line.gain)} faster"
            if line.best
            else f"{label}: no clear winner"
            for line, label in zip(some, labels, strict=True)
        ]
        more = len(answer.lines) - _MOST_TOLD
        rest = [counted(more, "more case")] if more > 0 else []
        told.append(f"{name + ': ' if name else ''}{'; '.join([*words[:_MOST_TOLD], *rest])}.")
    return " ".join(told)
