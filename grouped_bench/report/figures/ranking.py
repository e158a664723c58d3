"""The ranking of a case: a bar for each form, the fastest first, with the interval of its latency."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from grouped_bench.analyse.answer import Answer, Line
from grouped_bench.analyse.leads import gain
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.axes import label
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
_SEE = (
    "The shorter, the faster. Grey: Keras' own form. Pale: not clearly different from it. Lines: intervals of the "
    "latencies. Numbers: the latency, and how many times faster (▲) or slower (▼) than Keras' own form."
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
            _bar(place, y, row, line)
    high = max(row.seconds for some in forms for row in some)
    for place in places:
        place.set_xlim(0, high * (1.35 if is_wide() else 1.9))
        place.xaxis.set_major_locator(MaxNLocator(5 if is_wide() else 3))
        place.xaxis.set_major_formatter(FuncFormatter(lambda value, _: svg.seconds(value) if value else "0"))
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


def _bar(place: Axes, y: int, row: Task, line: Line) -> None:
    found = gain(row, line.own)
    is_own = row is line.own
    is_sure = is_own or found.exceeds(1) or (found.high is not None and found.high < 1)
    colour = AS_IT_IS if is_own else mark_of(row).colour
    place.barh([y], [row.seconds], height=0.62, color=colour, alpha=0.85 if is_sure else 0.35)
    low, high = row.latency_low_s, row.latency_high_s
    end = row.seconds
    if low is not None and high is not None:
        end = max(row.seconds, min(high, row.seconds * _FURTHEST))
        place.plot([min(max(low, 0), row.seconds), end], [y, y], color="#1b1b1b", linewidth=1.1, solid_capstyle="butt")
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
