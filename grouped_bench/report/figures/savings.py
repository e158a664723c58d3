"""The dot plot of a network: what each layer takes as it is and in its fastest form, the greatest saving first."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from grouped_bench.analyse.answer import OPEN, Answer, Line
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.axes import label, ratio_axis, width
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.rows import (
    AS_IT_IS,
    FAINT,
    is_wide,
    key,
    left_out,
    measured,
    names,
    rule,
    stacked,
    titles,
)
from grouped_bench.report.drawing.style import Mark, mark_of
from grouped_bench.report.text import cells
from grouped_bench.report.text.factors import as_known
from grouped_bench.space.facts import Json
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_seconds

_MOST_ROWS, _LEAST_ROWS = 15, 4
_MOST_TOLD = 3
_SIZE = 7
# Inches of a letter, and of the names at the left.
_LETTER, _NAMES = 0.062, 1.6
# An end of an interval beyond these says that nothing is known.
_FURTHEST = 100.0
_NO_GAIN = "no clear gain"
_SEE = (
    "Grey: the layer as it is. Coloured: its fastest form; the bar shows how far off that time may be. Each gridline "
    "is ten times slower than the one before. Hollow: undecided."
)


@figure("savings", "Each layer as it is, and in its fastest form", place=0, see=_SEE)
def savings(record: Drawable, title: str) -> svg.Sketch:
    """A panel a setting, and in it a row a layer; those without a place of their own are summed in the last row.

    Raises:
        NothingToDrawError: no layer was measured as Keras has it.
    """
    shown = measured(record)
    most = max(_LEAST_ROWS, _MOST_ROWS // len(shown))
    rows = [_chosen(answer, most) for answer in shown]
    counts = [len(some) + (len(some) < len(answer.lines)) for some, answer in zip(rows, shown, strict=True)]
    sketch, places = stacked(title, counts, below=0.9)
    for place, answer, some, name in zip(places, shown, rows, titles(shown), strict=True):
        _draw(place, answer, some, _titled(name, answer))
    low, high = _reach(shown, rows)
    for place in places:
        ratio_axis(place, "x", [low, high * (high / low) ** _room(rows)], svg.seconds)
        if not is_wide():
            place.xaxis.set_major_locator(LogLocator(numticks=5))
        place.grid(True, axis="x", color="#dddddd", linewidth=0.6)
        place.set_axisbelow(True)
    label(sketch, _axis(shown[0]), "")
    key(sketch, _entries(rows), left_out(record, shown))
    return svg.Sketch(sketch, _alt(title, shown, rows))


def _room(rows: Sequence[Sequence[Line]]) -> float:
    """Beyond the greatest time, the share of the axis that the words at the dots need."""
    longest = max([len(_label(line)) for some in rows for line in some] + [len(_NO_GAIN)])
    share = min(0.6, _LETTER * longest / (width() - _NAMES))
    return share / (1 - share)


def _chosen(answer: Answer, most: int) -> list[Line]:
    """The lines to draw one by one: those with a faster form, then the dearest of the others."""
    others = sorted((line for line in answer.lines if line.best is None), key=lambda line: -line.seconds)
    faster = sorted(answer.faster, key=lambda line: -line.saved.value)
    if len(answer.lines) <= _LEAST_ROWS:
        return [*faster, *others]
    return [*faster, *others[: max(0, _LEAST_ROWS - len(faster))]][:most]


def _rest(answer: Answer, shown: Sequence[Line]) -> list[Line]:
    return [line for line in answer.lines if not any(line is one for one in shown)]


def _titled(name: str, answer: Answer) -> str:
    if not name:
        return ""
    saved = f": {format_seconds(answer.seconds)} → {format_seconds(answer.after)}" if answer.faster else ""
    return f"{name}{saved}"


def _draw(place: Axes, answer: Answer, lines: Sequence[Line], title: str) -> None:
    rest = _rest(answer, lines)
    labels = names(lines) + ([counted(len(rest), "more layer")] if rest else [])
    rule(place, title, labels)
    for y, line in enumerate(lines):
        _draw_line(place, y, line)
    if rest:
        _draw_rest(place, len(lines), rest)


def _draw_line(place: Axes, y: int, line: Line) -> None:
    other = line.best or next((row for row in line.forms if row is not line.own), None)
    if other is not None:
        low, value, high = _ends(line, other)
        mark = mark_of(other)
        place.plot([value, line.seconds], [y, y], color=FAINT, linewidth=2, zorder=1)
        place.plot([low, high], [y, y], color=mark.colour, linewidth=4, alpha=0.45, zorder=2, solid_capstyle="butt")
        _dot(place, value, y, mark, is_sure=line.best is not None)
    place.plot([line.seconds], [y], "o", color=AS_IT_IS, markersize=_SIZE, zorder=3)
    _tell(place, max(line.seconds, other.seconds * line.times if other else 0.0), y, _label(line))


def _ends(line: Line, other: Task) -> tuple[float, float, float]:
    """What all convolutions of the line take by `other`, between the ends of its interval."""
    value = line.seconds / line.gain.value if line.best else other.seconds * line.times
    low, high = (end and end * line.times for end in (other.latency_low_s, other.latency_high_s))
    if line.best is not None and line.gain.low and line.gain.high:
        low, high = line.seconds / line.gain.high, line.seconds / line.gain.low
    nearest, furthest = value / _FURTHEST, value * _FURTHEST
    return min(max(low or value, nearest), value), value, max(min(high or value, furthest), value)


def _dot(place: Axes, x: float, y: int, mark: Mark, *, is_sure: bool) -> None:
    filling = mark.colour if is_sure else "white"
    style: Json = {"marker": mark.shape, "color": mark.colour, "markerfacecolor": filling, "markersize": _SIZE}
    place.plot([x], [y], linestyle="none", zorder=4, **style)


def _draw_rest(place: Axes, y: int, rest: Sequence[Line]) -> None:
    """The sum of the other lines, as they are and with their changes."""
    before = math.fsum(line.seconds for line in rest)
    after = math.fsum(line.seconds / line.gain.value for line in rest)
    if any(line.best for line in rest):
        place.plot([after, before], [y, y], color=FAINT, linewidth=2, zorder=1)
        place.plot([after], [y], "o", color="#444444", markersize=_SIZE - 2, zorder=3)
    place.plot([before], [y], "o", color=AS_IT_IS, markersize=_SIZE, zorder=2)
    told = f"{counted(sum(bool(line.best) for line in rest), 'gain')}"
    _tell(place, before, y, told if any(line.best for line in rest) else _NO_GAIN)


def _label(line: Line) -> str:
    if line.best is not None:
        return as_known(line.gain)
    return "undecided" if line.state == OPEN else "nothing to gain"


def _tell(place: Axes, x: float, y: int, text: str) -> None:
    place.annotate(text, (x, y), xytext=(7, 0), textcoords="offset points", va="center", fontsize=8)


def _reach(shown: Sequence[Answer], rows: Sequence[Sequence[Line]]) -> tuple[float, float]:
    """The least and the greatest time that is drawn."""
    times = [line.seconds for some in rows for line in some]
    for some in rows:
        for line in some:
            others = [line.best] if line.best else [row for row in line.forms[:2] if row is not line.own]
            times += [end for row in others for end in _ends(line, row)]
    for answer, some in zip(shown, rows, strict=True):
        times.append(math.fsum(line.seconds for line in _rest(answer, some)))
    known = [time for time in times if time > 0]
    return min(known), max(known)


def _axis(answer: Answer) -> str:
    what = "a training step" if answer.first.pass_ == "training" else "a call"
    if not answer.is_network:
        return f"time of {what}"
    return (
        f"time of all convolutions of the layer in {what}" if is_wide() else f"all convolutions of the layer in {what}"
    )


def _entries(rows: Sequence[Sequence[Line]]) -> list[Line2D]:
    """Grey for the own form, and each variant that is drawn."""
    drawn = [line.best for some in rows for line in some if line.best is not None]
    drawn += [line.forms[0] for some in rows for line in some if line.best is None and line.forms[0] is not line.own]
    marks = {cells.text_of(row.variant): mark_of(row) for row in drawn}
    style: Json = {"linestyle": "none", "markersize": _SIZE}
    own = Line2D([], [], marker="o", color=AS_IT_IS, label="as it is", **style)
    variants = [
        Line2D([], [], marker=mark.shape, color=mark.colour, label=name, **style) for name, mark in marks.items()
    ]
    return [own, *variants]


def _alt(title: str, shown: Sequence[Answer], rows: Sequence[Sequence[Line]]) -> str:
    told = [f"{title}."]
    for answer, some, name in zip(shown, rows, titles(shown), strict=True):
        words = [_words(line, label) for line, label in zip(some, names(some), strict=True)][:_MOST_TOLD]
        told.append(f"{name + ': ' if name else ''}{'; '.join(words)}; {counted(len(answer.lines), 'layer')} in all.")
    return " ".join(told)


def _words(line: Line, name: str) -> str:
    before = f"{name} {format_seconds(line.seconds)} as it is"
    if line.best is None:
        return f"{before}, {_label(line)}"
    after = f"{format_seconds(line.seconds / line.gain.value)} by {cells.text_of(line.best.variant)}"
    return f"{before}, {after}, {as_known(line.gain)} faster"
