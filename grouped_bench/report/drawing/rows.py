"""What figures of rows share: a panel a setting, rows from the top down, and one scale for all panels."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grouped_bench.analyse.answer import Answer, Line
from grouped_bench.report.drawing.axes import width, wrapped
from grouped_bench.report.drawing.names import case_name, setting_name, setting_of, shape_of
from grouped_bench.report.drawing.panels import NothingToDrawError
from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.text.names import told_apart
from grouped_bench.units import counted

# Neither faster nor slower: how things are.
AS_IT_IS, FAINT = "#8a8a8a", "#c8c8c8"
_ROW, _FRAME, _TITLE = 0.235, 0.14, 0.26
_MOST_PANELS = 6
_LONGEST_NAME = {True: 44, False: 23}
# Inches: what is narrower is for a hand or a column.
_WIDE = 6.0


def is_wide() -> bool:
    """Whether a figure may be as wide as a page."""
    return width() >= _WIDE


def measured(record: Drawable) -> list[Answer]:
    """The answers of a record with a case to show, the greatest effect first, as in the headline.

    Raises:
        NothingToDrawError: Keras' own form was measured in no case.
    """
    found = record.answers
    if not found:
        raise NothingToDrawError("Keras' own form was not measured in any case")
    return sorted(found, key=lambda answer: -answer.effect)[:_MOST_PANELS]


def left_out(record: Drawable, shown: Sequence[Answer]) -> list[str]:
    """A note on the settings that are not among `shown`."""
    more = len(record.answers) - len(shown)
    return [f"{counted(more, 'more setting')} not shown"] if more else []


def titles(shown: Sequence[Answer]) -> list[str]:
    """What sets each of some answers apart; of one nothing does."""
    firsts = [answer.first for answer in shown]
    varied = setting_of(firsts)
    return [setting_name(row, varied) if varied else "" for row in firsts]


def names(lines: Sequence[Line], among: Sequence[Line] | None = None) -> list[str]:
    """A short name for each case, with how often it stands in its network.

    Args:
        lines: to be named.
        among: those that they are to be told from; themselves unless given.
    """
    varied = shape_of([line.own for line in among or lines])
    longest = _LONGEST_NAME[is_wide()]
    told = told_apart([case_name(line.own, varied, brief=not is_wide()) for line in lines], longest)
    return [f"{name} ×{line.times}" if line.times > 1 else name for name, line in zip(told, lines, strict=True)]


def stacked(title: str, counts: Sequence[int], *, below: float) -> tuple[Figure, list[Axes]]:
    """A figure with one panel below the other, each as high as its rows.

    Args:
        title: of the figure.
        counts: rows of each panel.
        below: inches for the axis, the legend and the notes.
    """
    heights = [_ROW * count + _FRAME for count in counts]
    height = sum(heights) + _TITLE * len(counts) + below
    figure = Figure(figsize=(width(), height), layout="constrained")
    axes = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=heights)
    figure.suptitle("\n".join(wrapped(title, int(11 * width()))), fontsize=10)
    return figure, list(axes.ravel())


def rule(place: Axes, title: str, labels: Sequence[str]) -> None:
    """A row for each label, the first at the top."""
    place.set_title(title, fontsize=9, loc="left")
    place.set_ylim(len(labels) - 0.5, -0.5)
    place.set_yticks(range(len(labels)), labels)
    place.tick_params(axis="y", length=0)
    place.spines["left"].set_visible(False)


def key(figure: Figure, entries: Sequence[Any], notes: Sequence[str]) -> None:
    """Legend and notes below the panels."""
    lines = [line for note in notes for line in wrapped(f"{note}.", int(14 * width()))]
    box = figure.legend(
        handles=list(entries),
        loc="outside lower left",
        ncols=max(1, min(len(entries), int(width() / 1.9))),
        fontsize=8,
        frameon=False,
        title="\n".join(lines) or None,
        title_fontsize=8,
    )
    box.get_title().set_multialignment("left")
    box.set_alignment("left")
