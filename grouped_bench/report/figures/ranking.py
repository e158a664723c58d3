"""The ranking of a case: a dot for each form, the fastest first, with the interval of its latency."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from grouped_bench.analyse.answer import Answer, Line
from grouped_bench.analyse.leads import gain
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.axes import label, ratio_axis
from grouped_bench.report.drawing.names import setting_name, setting_of
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.rows import AS_IT_IS, is_wide, key, left_out, measured, names, rule, stacked
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.drawing.tints import gain_text
from grouped_bench.report.text import cells
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_seconds

_MOST_PANELS, _MOST_FORMS = 4, 10
_FURTHEST = 4.0
# Room at both ends of the axis, and the size of a dot in points.
_MARGIN, _SIZE = 1.3, 7
_SEE = (
    "The further left, the faster. Grey: Keras' own form. Hollow: not clearly different from it. Bars: intervals of "
    "the latencies. Numbers: the latency, and how many times faster (▲) or slower (▼) than Keras' own form."
)


@figure("ranking", "Forms of a case, the fastest first", place=0, see=_SEE)
def ranking(record: Drawable, title: str) -> svg.Sketch:
    """A panel a case and setting, on one scale.

    Raises:
        NothingToDrawError: Keras' own form was measured in no case.
    """
    answers = measured(record)
    lines = _in_turns(answers)
    shown = lines[:_MOST_PANELS]
    forms = [_chosen(line) for line in shown]
    sketch, places = stacked(title, [len(some) for some in forms], below=0.6)
    for place, line, some, name in zip(places, shown, forms, _titles(shown), strict=True):
        rule(place, name, [cells.shorten(cells.text_of(row.variant), 24) for row in some])
        for y, row in enumerate(some):
            _draw_form(place, y, row, line)
    times = [row.seconds for some in forms for row in some]
    low, high = min(times) / _MARGIN, max(times) * _MARGIN
    for place in places:
        ratio_axis(place, "x", [low, high * (high / low) ** (0.35 if is_wide() else 0.9)], svg.seconds)
        place.grid(True, axis="x", color="#dddddd", linewidth=0.6)
        place.set_axisbelow(True)
    label(sketch, "time of a call", "")
    notes = [f"{counted(len(lines) - len(shown), 'more case')} not shown"] if len(lines) > len(shown) else []
    key(sketch, [], [*notes, *left_out(record, answers)])
    return svg.Sketch(sketch, _alt(title, answers, shown))


def _in_turns(answers: Sequence[Answer]) -> list[Line]:
    """The lines of all answers, so that the first ones are of every answer, each answer's together."""
    turns = [(turn, place) for place, answer in enumerate(answers) for turn in range(len(answer.lines))]
    kept = sorted(sorted(turns)[:_MOST_PANELS], key=lambda one: one[::-1])
    rest = sorted(set(turns) - set(kept))
    return [answers[place].lines[turn] for turn, place in (*kept, *rest)]


def _chosen(line: Line) -> list[Task]:
    """The fastest forms, and Keras' own among them."""
    forms = list(line.forms)
    if len(forms) <= _MOST_FORMS:
        return forms
    kept = [row for row in forms if row is not line.own][: _MOST_FORMS - 1]
    return sorted([*kept, line.own], key=lambda row: row.seconds)


def _titles(lines: Sequence[Line]) -> list[str]:
    """What sets each panel apart."""
    firsts = [line.own for line in lines]
    varied = setting_of(firsts)
    cases = names(lines) if len(set(names(lines))) > 1 else [""] * len(lines)
    settings = [setting_name(row, varied) if varied else "" for row in firsts]
    return [", ".join(filter(None, pair)) for pair in zip(settings, cases, strict=True)]


def _draw_form(place: Axes, y: int, row: Task, line: Line) -> None:
    found = gain(row, line.own)
    is_own = row is line.own
    is_sure = is_own or found.excludes(1)
    colour = AS_IT_IS if is_own else mark_of(row).colour
    low, high = row.latency_low_s, row.latency_high_s
    end = row.seconds
    if low is not None and high is not None:
        start, end = max(low, row.seconds / _FURTHEST), max(row.seconds, min(high, row.seconds * _FURTHEST))
        place.plot([start, end], [y, y], color=colour, linewidth=4, alpha=0.45, solid_capstyle="butt")
    shape, filling = ("o", AS_IT_IS) if is_own else (mark_of(row).shape, colour if is_sure else "white")
    place.plot([row.seconds], [y], shape, color=colour, markerfacecolor=filling, markersize=_SIZE)
    told = format_seconds(row.seconds, 3) + ("" if is_own else f"  {gain_text(found)}")
    weight = "bold" if row is line.best else "normal"
    place.annotate(told, (end, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8, weight=weight)


def _alt(title: str, answers: Sequence[Answer], lines: Sequence[Line]) -> str:
    told = [f"{title}."]
    for line, name in zip(lines, _titles(lines), strict=True):
        forms = [f"{cells.text_of(row.variant)} {format_seconds(row.seconds, 3)}" for row in _chosen(line)]
        told.append(f"{name + ': ' if name else ''}{', '.join(forms)}.")
    more = sum(len(answer.lines) for answer in answers) - len(lines)
    return " ".join([*told, *([f"{counted(more, 'more case')}."] if more else [])])
