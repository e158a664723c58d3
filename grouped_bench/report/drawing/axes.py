"""How panels are drawn: their grid, titles, legend, and the rules of their axes."""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from grouped_bench.report.drawing.panels import Panels
from grouped_bench.report.drawing.style import legend_entries
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

_LEAST_SPAN = 5.0
_MOST_NAMED = 24
_LINE = 0.14
# Inches. Narrower than the first, panels stand below each other, as flat as a printed page asks.
_TWO_PANELS, _USUAL_PANEL, _WIDEST_PANEL = 5.5, 4.0, 6.0
_LOWEST_PANEL, _HIGHEST_FIGURE, _AROUND = 1.2, 9.0, 1.3
_BESIDE_PANEL = 0.75  # what the ticks' labels take
_POINTS_AN_INCH, _WIDTH_OF_LETTER = 72, 0.58


def grid(
    panels: Panels[Task],
    title: str,
    *,
    columns: int = 2,
    height: float = 2.7,
    share_x: Literal["all", "col"] = "all",
    share_y: bool = True,
) -> tuple[Figure, list[Axes]]:
    """A figure with a pair of axes for each panel, and these axes in the order of the panels.

    Args:
        panels: at least one.
        title: of the figure.
        columns: panels side by side, at most.
        height: inches of one row of panels.
        share_x: `all` for one horizontal scale, so that panels can be compared, or `col` for one in each column.
            In a narrow figure, which has one column, each panel then has its own.
        share_y: whether all panels have one vertical scale.
    """
    columns = 1 if is_narrow() else min(columns, len(panels.shown))
    lines = math.ceil(len(panels.shown) / columns)
    wide = width() if columns > 1 else min(width(), _WIDEST_PANEL)
    if is_narrow():
        fitting = (_HIGHEST_FIGURE - _AROUND) / lines
        height = max(_LOWEST_PANEL, min(height * wide / _USUAL_PANEL, fitting))
    figure = Figure(figsize=(wide, height * lines + _AROUND), layout="constrained")
    shared = False if is_narrow() and share_x == "col" else share_x
    axes = figure.subplots(lines, columns, sharex=shared, sharey=share_y, squeeze=False).ravel()
    for empty in axes[len(panels.shown) :]:
        empty.remove()
    shown = list(axes[: len(panels.shown)])
    for place, panel in zip(shown, panels.shown, strict=True):
        letters = min(42 if columns > 1 else 72, _letters(wide / columns - _BESIDE_PANEL, 9))
        place.set_title("\n".join(wrapped(panel.title, letters)), fontsize=9)
        place.grid(True, color="#dddddd", linewidth=0.6)
        place.set_axisbelow(True)
    caption(figure, title, panels)
    return figure, shown


def caption(figure: Figure, title: str, panels: Panels[Task]) -> None:
    """The figure's own title, and under it what all its panels have in common."""
    letters = min(90, _letters(figure.get_figwidth(), 10))
    figure.suptitle("\n".join([*wrapped(title, letters), *wrapped(panels.common, letters)]), fontsize=10)


def finish(
    figure: Figure,
    panels: Panels[Task],
    *,
    joined: bool,
    notes: Iterable[str],
    x: str,
    y: str,
    legend: Sequence[Line2D] | None = None,
) -> None:
    """Add the axis titles, and below the panels the notes and the legend.

    Args:
        figure, panels: as drawn.
        joined: whether the legend's marks are joined by lines.
        notes: sentences without their full stops; empty ones are left out.
        x, y: titles of the axes.
        legend: its entries; None for one a variant.
    """
    label(figure, x, y)
    entries = legend_entries(panels.rows, joined=joined) if legend is None else legend
    unnamed = (
        f"{counted(len(entries) - _MOST_NAMED, 'more variant')} not named below" if len(entries) > _MOST_NAMED else ""
    )
    entries = entries[:_MOST_NAMED]
    notes = filter(None, [*notes, panels.left_out, unnamed])
    told = "\n".join(line for note in notes for line in wrapped_note(f"{note}.", figure))
    columns = min(3, max(1, int(figure.get_figwidth() / 2)))
    figure.set_figheight(figure.get_figheight() + _LINE * (len(entries) / columns + told.count("\n")))
    box = figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=max(1, min(columns, len(entries))),
        fontsize=8,
        frameon=False,
        title=told,
        title_fontsize=8,
    )
    box.get_title().set_multialignment("center")


def label(figure: Figure, x: str, y: str) -> None:
    """Name the horizontal axes of the lowest panels and the vertical ones of the panels at the left.

    Args:
        figure: with its panels.
        x, y: titles of the axes.
    """
    spots = [(place, spot) for place in figure.axes if (spot := place.get_subplotspec()) is not None]
    columns = max(spot.colspan.stop for _, spot in spots)
    letters = _letters(figure.get_figwidth() / columns - _BESIDE_PANEL, 8)
    for place, _ in spots[-columns:]:
        place.tick_params(labelbottom=True)
        place.set_xlabel("\n".join(wrapped(x, letters)), fontsize=8)
    if is_narrow():
        figure.supylabel(y, fontsize=8)
        return
    for place, spot in spots:
        if spot.is_first_col():
            place.set_ylabel(y, fontsize=8)


def group_axis(axes: Axes, groups: Iterable[int]) -> None:
    """A logarithmic axis to base 2 with a tick at each number of groups that was measured."""
    values = sorted(set(groups))
    axes.set_xscale("log", base=2)
    axes.set_xlim(values[0] / 1.4, values[-1] * 1.4)
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def ratio_axis(
    axes: Axes, side: str, values: Iterable[float], write: Callable[[float], str], *, base: int = 10
) -> None:
    """A logarithmic axis that is wide enough for two labelled ticks.

    Args:
        axes: one panel.
        side: `x` or `y`.
        values: what the axis must hold, all above 0.
        write: the label of a tick.
        base: of the ticks, 2 or 10.
    """
    low, high = _span(list(values))
    axis: Axis = axes.xaxis if side == "x" else axes.yaxis
    if side == "x":
        axes.set_xscale("log", base=base)
        axes.set_xlim(low, high)
    else:
        axes.set_yscale("log", base=base)
        axes.set_ylim(low, high)
    axis.set_major_locator(_locator(low, high, base))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def _span(values: list[float]) -> tuple[float, float]:
    low, high = min(values) / 1.5, max(values) * 1.5
    spread = max(1.0, math.sqrt(_LEAST_SPAN * low / high))
    return low / spread, high * spread


def _locator(low: float, high: float, base: int) -> LogLocator:
    if base == 2:
        return LogLocator(base=2, numticks=8)
    dense = math.log10(high / low) < 2.5
    return LogLocator(base=10, subs=(1, 2, 5) if dense else (1,), numticks=12)


def width() -> float:
    """Inches that a figure may take, which stand in the style that it is drawn in."""
    return float(matplotlib.rcParams["figure.figsize"][0])


def is_narrow() -> bool:
    """Whether a figure has no room for two panels side by side."""
    return width() < _TWO_PANELS


def wrapped_note(text: str, figure: Figure) -> list[str]:
    """The lines of a note below the panels."""
    return wrapped(text, min(105, _letters(figure.get_figwidth(), 8)))


def _letters(inches: float, points: int) -> int:
    """How many letters of a size fit into a width."""
    return int(inches * _POINTS_AN_INCH / points / _WIDTH_OF_LETTER)


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` letters."""
    return textwrap.wrap(text, width, break_on_hyphens=False)
