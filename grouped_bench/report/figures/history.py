"""Latency over the runs of a history: a panel a task, its levels, and where it steps from one to another."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator

from grouped_bench.analyse.compare.basis import RAW
from grouped_bench.analyse.history.history import LEAST_POINTS, PlacedRun, Series
from grouped_bench.analyse.rows import FAMILY, task_of, varying
from grouped_bench.report.drawing.axes import finish, grid
from grouped_bench.report.drawing.panels import NothingToDrawError, Panel, Panels, describe
from grouped_bench.report.drawing.points import alt
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.drawing.svg import Sketch
from grouped_bench.report.history import by_how_much, short
from grouped_bench.report.text import cells
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_seconds

MOST_PANELS = 12
# What distinguishes series: all of a case and setting, the variant and the machine, never the run.
_NAMES = ("variant", "computes", *(name for name in FAMILY if name != "run_id"), "groups", "cardinality")
_MOST_TICKS = 5
_CROWD = 60
# Steps nearer than this share of a panel would have their words on each other.
_NEAR, _ROWS_OF_WORDS = 0.15, 3
_LEAST_SPAN = 0.06
_WIDEST_TICK = cells.COMMIT_DIGITS + 1


@figure(
    "history",
    "Latency over runs",
    place=9,
    see="A dashed line is a step: from there on the task is slower (+) or faster (−).",
)
def history(record: Drawable, title: str) -> Sketch:
    """Raises NothingToDrawError where no task was measured by LEAST_POINTS runs of one machine."""
    past = record.history
    series = [one for one in past.series if len(one.points) >= LEAST_POINTS] if past else []
    if past is None or not series:
        raise NothingToDrawError(f"no task was measured by at least {LEAST_POINTS} runs of one machine")
    shown = series[:MOST_PANELS]
    panels = _panels(series, shown)
    sketch, places = grid(panels, title, height=1.9, share_y=False)
    order = {moment: place for place, moment in enumerate(past.moments)}
    seen = sorted({order[point.moment] for one in shown for point in one.points})
    for place, one in zip(places, shown, strict=True):
        _draw(place, one, [order[point.moment] for point in one.points])
        _run_axis(place, past.moments, seen)
    raw = any(one.basis == RAW for one in shown)
    notes = [
        "Horizontal: level between steps. Dashed: a step, slower (+) or faster (−)",
        "Bars: 95% intervals of a run",
        *(["Raw: not divided by a reference workload, so a slower machine shows as a step"] if raw else []),
    ]
    finish(sketch, panels, joined=True, notes=notes, x="runs, by commit date", y="latency", legend=[])
    return Sketch(sketch, alt(title, panels, list(map(_words, shown)), most=MOST_PANELS))


def _panels(series: Sequence[Series], shown: Sequence[Series]) -> Panels[Task]:
    rows: list[Task] = [task_of(one.columns) for one in shown]
    names = [name for name in _NAMES if name == "variant" or varying(rows, [name])]
    titles = [
        describe(row, names) + (", raw" if one.basis == RAW else "") for row, one in zip(rows, shown, strict=True)
    ]
    panels = tuple(Panel(title, (row,)) for title, row in zip(titles, rows, strict=True))
    left_out = (
        f"{len(shown)} of {counted(len(series), 'task')} shown, those with steps first"
        if len(shown) < len(series)
        else ""
    )
    return Panels(panels, describe(rows[0], [name for name in _NAMES if name not in names], brief=True), left_out)


def _draw(place: Axes, one: Series, xs: Sequence[int]) -> None:
    seconds = [point.seconds for point in one.points]
    crowded = len(xs) > _CROWD
    # A line from point to point, where there are many, hides what is to be seen.
    style = mark_of(task_of(one.columns)).style(joined=not crowded)
    style |= {"markersize": 2.5 if crowded else 4.5, "linewidth": 0.8, "rasterized": len(xs) > 5 * _CROWD}
    low, high = _limits(one)
    lengths = [
        [value - max(low, point.low or value) for value, point in zip(seconds, one.points, strict=True)],
        [min(high, point.high or value) - value for value, point in zip(seconds, one.points, strict=True)],
    ]
    for first, last, level in one.levels:
        place.plot([xs[first] - 0.4, xs[last] + 0.4], [level] * 2, color="#444444", linewidth=1.6, zorder=3)
    place.errorbar(xs, seconds, yerr=lengths, elinewidth=0.6, alpha=0.55 if crowded else 0.85, **style)
    _mark_steps(place, one, xs)
    place.set_ylim(low, high)
    place.yaxis.set_major_locator(MaxNLocator(4))
    place.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_seconds(value, 3) if value > 0 else ""))


def _mark_steps(place: Axes, one: Series, xs: Sequence[int]) -> None:
    """A line at each step, its words above, in another row where the one before is near."""
    rows, last = 0, -math.inf
    for step in one.steps:
        x = (xs[step.place - 1] + xs[step.place]) / 2
        rows = (rows + 1) % _ROWS_OF_WORDS if x - last < _NEAR * (xs[-1] - xs[0]) else 0
        last = x
        place.axvline(x, color="#333333", linewidth=1, linestyle=(0, (4, 2)), zorder=1)
        change = 100 * (step.ratio.estimate - 1)
        place.annotate(
            f"{change:+.1f}%".replace("-", "−"),
            (x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, -1 - 10 * rows),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )


def _limits(one: Series) -> tuple[float, float]:
    """Ends of the axis: all latencies, no less than a few per cent, and room above for words."""
    seconds = [point.seconds for point in one.points]
    low, high = min(seconds), max(seconds)
    middle = math.sqrt(low * high)
    low, high = min(low, middle * (1 - _LEAST_SPAN / 2)), max(high, middle * (1 + _LEAST_SPAN / 2))
    room = high - low
    return low - 0.15 * room, high + (0.15 + 0.2 * min(len(one.steps), _ROWS_OF_WORDS)) * room


def _run_axis(place: Axes, moments: Sequence[PlacedRun], seen: Sequence[int]) -> None:
    """Ticks at some of the runs, each with its commit and date."""
    parts = min(_MOST_TICKS, len(seen)) - 1
    ticks = [seen[round(part * (len(seen) - 1) / parts)] for part in range(parts + 1)]
    names = [f"{cells.shorten(short(moments[at]), _WIDEST_TICK)}\n{moments[at].date:%Y-%m-%d}" for at in ticks]
    place.xaxis.set_major_locator(FixedLocator(ticks))
    place.xaxis.set_major_formatter(FixedFormatter(names))
    place.set_xlim(seen[0] - 1, seen[-1] + 1)
    place.tick_params(axis="x", labelsize=7)


def _words(one: Series) -> str:
    """`40 runs, 3.7 ms at first and 3.9 ms at last; 5.1% slower [4.2–6.0] at 0123456789`."""
    first, last = (format_seconds(one.points[place].seconds, 3) for place in (0, -1))
    steps = [f"{by_how_much(step.ratio)} at {short(step.after)}" for step in one.steps] or ["no step"]
    return f"{counted(len(one.points), 'run')}, {first} at first and {last} at last; {'; '.join(steps)}"
