"""What speed costs: latency against parameters and against memory, and the tasks that no other beats in all three."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from grouped_bench.analyse.rows import family, gathered, groups_of
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.axes import finish, grid, is_narrow, ratio_axis
from grouped_bench.report.drawing.panels import Panel, Panels, split
from grouped_bench.report.drawing.points import alt, front_words, pareto, positive, reach, scatter, thinned, unbeaten
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Json
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

_MOST_FAMILIES = 3
_COST = {"params": ("parameters", svg.count), "peak_memory_bytes": ("peak memory", svg.byte_count)}
_NOTES = (
    "Grey line: Pareto front of the medians (fastest for the cost), with the number of groups or paths",
    "Points of different functions or group counts are different layers, not faster forms of one layer",
)
_RINGS = "Ringed: no other point of the row is as good in latency, parameters and memory together"


@figure(
    "tradeoff",
    "Latency against parameters and memory",
    place=5,
    see="Lower and further left is better; ringed points are beaten by none in all three.",
)
def tradeoff(record: Drawable, title: str) -> svg.Sketch:
    """A row of panels a family: latency against parameters, and against memory where that is known closely."""
    points = positive(record.rows, "latency_s", "params")
    costs = ["params", *(["peak_memory_bytes"] if any(map(_has_memory, points)) else [])]
    known = [row for shape in gathered(points, family(points)) if any(map(_has_memory, shape)) for row in shape]
    shown = known or points
    families = split(shown, family(shown), most=_MOST_FAMILIES * (2 if len(costs) == 1 else 1))
    panels, columns = _beside(families, costs)
    sketch, places = grid(panels, title, share_x="col" if len(costs) > 1 else "all")
    notes = [*_NOTES, _RINGS] if len(costs) > 1 else list(_NOTES)
    unknown = len(points) - len(shown)
    notes += [f"Not shown: {counted(unknown, 'task')} of cases whose memory is not known closely"] if unknown else []
    for place, panel, cost in zip(places, panels.shown, columns, strict=True):
        note = _draw(place, panel.rows, cost)
        notes += [note] if note not in notes else []
        base = 2 if cost == "peak_memory_bytes" else 10
        ratio_axis(place, "x", [row[cost] for row in panels.rows if row[cost]], _COST[cost][1], base=base)
        ratio_axis(place, "y", reach(panels.rows, "latency_s"), svg.seconds)
    finish(sketch, panels, joined=False, notes=notes, x="parameters", y="latency of one iteration")
    for place, cost in list(zip(places, columns, strict=True))[0 if is_narrow() else -2 :]:
        place.set_xlabel(_COST[cost][0], fontsize=8)
    return svg.Sketch(sketch, alt(title, families, [_words(panel, costs) for panel in families.shown]))


def _beside(families: Panels[Task], costs: Sequence[str]) -> tuple[Panels[Task], list[str]]:
    """A panel for each family and cost, and the cost of each; for memory, only tasks that know it precisely."""
    shown, columns = [], []
    for panel in families.shown:
        for cost in costs:
            rows = panel.rows if cost == "params" else tuple(filter(_has_memory, panel.rows))
            shown.append(Panel(panel.title, rows))
            columns.append(cost)
    return dataclasses.replace(families, shown=tuple(shown)), columns


def _draw(place: Axes, rows: Sequence[Task], cost: str) -> str:
    """Points, front and rings in one panel; the note on points that are not shown."""
    front = pareto(rows, cost)
    rings = unbeaten(filter(_has_memory, rows))
    shown, note = thinned(rows, always=[*front, *rings])
    scatter(place, shown, cost, "latency_s", alpha=0.85)
    _draw_front(place, front, cost)
    at: Callable[[str], list[Any]] = lambda name: [row[name] for row in rings]  # noqa: E731
    ring: Json = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "markeredgecolor": "#555555"}
    place.plot(at(cost), at("latency_s"), linestyle="none", zorder=1.5, **ring)
    return note


def _has_memory(row: Task) -> bool:
    return bool(row.peak_memory_bytes) and not cells.is_coarse(row)


def _draw_front(place: Axes, front: Sequence[Task], cost: str) -> None:
    xs, ys = [row[cost] for row in front], [row.seconds for row in front]
    place.plot(xs, ys, color="#999999", linewidth=3, alpha=0.6, zorder=1, drawstyle="steps-post")
    near: Json = {"textcoords": "offset points", "xytext": (6, -9), "fontsize": 7.5, "color": "#333333"}
    for row in front:
        place.annotate(str(groups_of(row)), (row[cost], row.latency_s), **near)


def _words(panel: Panel[Task], costs: Sequence[str]) -> str:
    told = [front_words(pareto(panel.rows, "params"), "params")]
    known = [row for row in panel.rows if _has_memory(row)]
    if len(costs) > 1 and known:
        told += ["in memory the " + front_words(pareto(known, costs[1]), costs[1])]
        told += [f"{counted(len(unbeaten(known)), 'task')} unbeaten in latency, parameters and memory together"]
    return "; ".join(told)
