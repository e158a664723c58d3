"""The cross-over from dense to grouped: a lane for each shape and variant, with the verdict at each group count."""

import collections
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grouped_bench.analyse.crossings import FROM, OPEN, Crossing, crossings, settled
from grouped_bench.analyse.rows import FAMILY, ascending, family, groups_of, is_ok, varying
from grouped_bench.report.drawing.axes import caption, finish, group_axis, width, wrapped_note
from grouped_bench.report.drawing.panels import NothingToDrawError, Panels, describe, groups_label, split
from grouped_bench.report.drawing.points import alt
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.drawing.svg import Sketch
from grouped_bench.report.text import cells
from grouped_bench.report.text.crossings import in_words
from grouped_bench.space.case import SETTING
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

_SETTING = (
    *("run_id", "machine", "scope", "rank", "pass", "dtype", "data_format"),
    *SETTING,
)
_SHAPE = tuple(name for name in FAMILY if name not in _SETTING)
_MOST_LANES = 54
_MOST_PANELS = 6
_LANE = 0.24
_NOTE = (
    "Filled: faster than the baseline; a line begins where it stays faster. Hollow: slower. =: equivalent. "
    "?: undecided or unstable. ×: not measured"
)


@figure(
    "crossover",
    "Smallest number of groups at which grouping is faster",
    place=3,
    see="Where a bar begins, the variant becomes faster than the dense layer.",
)
def crossover(record: Drawable, title: str) -> Sketch:
    """Raises NothingToDrawError where no shape was measured at two numbers of groups."""
    rows = record.rows
    found = [crossing for crossing in crossings(rows) if any(map(is_ok, crossing.rows))]
    if not any(settled(row) for crossing in found for row in crossing.rows):
        raise NothingToDrawError("no shape has a decided verdict among two or more group counts above 1")
    of_row = {id(crossing.rows[-1]): crossing for crossing in found}
    panels = split([crossing.rows[-1] for crossing in found], _SETTING, most=_MOST_PANELS)
    lanes = [[of_row[id(row)] for row in panel.rows] for panel in panels.shown]
    shown = [_chosen(some, _MOST_LANES // len(lanes)) for some in lanes]
    sketch, places = _places(panels, title, [len(some) for some in shown])
    every = [row for some in shown for crossing in some for row in crossing.rows]
    names = [name for name in varying(every, family(every)) if name in _SHAPE]
    for place, some in zip(places, shown, strict=True):
        _draw(place, some, names)
        group_axis(place, [groups_of(row) or 1 for row in every])
    left_out = sum(map(len, lanes)) - sum(map(len, shown))
    notes = [_NOTE] + ([f"{counted(left_out, 'more lane')} not shown"] if left_out else [])
    finish(sketch, panels, joined=False, notes=notes, x=groups_label(every), y="", legend=[])
    return Sketch(sketch, alt(title, panels, list(map(_words, lanes))))


def _chosen(lanes: list[Crossing], most: int) -> list[Crossing]:
    """The lanes of the first shapes and those that say something first, each shape's lanes together."""
    telling = sorted(lanes, key=lambda lane: lane.kind == OPEN)[:most]
    kept = {id(lane) for lane in telling}
    return sorted((lane for lane in lanes if id(lane) in kept), key=lambda lane: _shape_of(lane.rows[0]))


def _shape_of(row: Task) -> list[Any]:
    return [ascending(row[name]) for name in _SHAPE if name != "width"]


def _places(panels: Panels[Task], title: str, counts: Sequence[int]) -> tuple[Figure, list[Axes]]:
    """One panel below the other, each as high as its lanes."""
    heights = [_LANE * count + 0.3 for count in counts]
    figure = Figure(figsize=(width(), sum(heights) + 0.35 * len(counts) + 1.3), layout="constrained")
    grid = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=heights)
    places: list[Axes] = list(grid.ravel())
    for place, panel in zip(places, panels.shown, strict=True):
        place.set_title("\n".join(wrapped_note(panel.title, figure)), fontsize=9)
    caption(figure, title, panels)
    return figure, places


def _draw(place: Axes, lanes: Sequence[Crossing], names: Sequence[str]) -> None:
    place.grid(True, axis="x", color="#dddddd", linewidth=0.6)
    place.set_axisbelow(True)
    place.set_ylim(len(lanes) - 0.5, -0.5)
    place.set_yticks(range(len(lanes)), [_lane_name(lane.rows[0], names) for lane in lanes])
    for height, lane in enumerate(lanes):
        colour = mark_of(lane.rows[0]).colour
        if lane.kind == FROM:
            ends = [lane.groups or 1, groups_of(lane.rows[-1]) or 1]
            place.plot(ends, [height, height], color=colour, linewidth=3, alpha=0.5, zorder=1)
        for row in lane.rows:
            _point(place, row, height)


def _point(place: Axes, row: Task, height: int) -> None:
    mark, verdict, at = mark_of(row), settled(row), groups_of(row) or 1
    if verdict in ("faster", "slower"):
        filling = mark.colour if verdict == "faster" else "white"
        place.plot([at], [height], **{**mark.style(joined=False), "markerfacecolor": filling})
        return
    sign = "=" if verdict else "?" if is_ok(row) and row.verdict else "×"
    place.text(at, height, sign, ha="center", va="center", fontsize=9, color=mark.colour)


def _lane_name(row: Task, names: Sequence[str]) -> str:
    shape = describe(row, names)
    name = cells.shorten(cells.text_of(row.variant), 24)
    return cells.shorten(f"{shape}  {name}" if shape else name, 56)


def _words(lanes: Sequence[Crossing]) -> str:
    """`grouped_native with 4 groups or more in 2 shapes; grouped not even with 32 groups in 2 shapes`."""
    of_variant: dict[str, list[Crossing]] = collections.defaultdict(list)
    for lane in lanes:
        of_variant[cells.text_of(lane.rows[0].variant)].append(lane)
    return "; ".join(f"{name} {in_words(some)}" for name, some in of_variant.items())
