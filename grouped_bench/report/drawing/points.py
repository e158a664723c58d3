"""The points of a figure: which rows have them, their intervals, their Pareto front, and their words."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes

from grouped_bench.analyse.rows import cohorts, extended, groups_of, is_baseline, is_ok
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.panels import NothingToDrawError, Panel, Panels, T, lines
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.text import cells
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, significant

INTERVALS = {
    "latency_s": ("latency_low_s", "latency_high_s"),
    "speedup": ("speedup_low", "speedup_high"),
    "first_call_s": ("first_call_low_s", "first_call_high_s"),
}
_CLOUD = 300
# Further off an end of an interval says little, and would make the rest small.
_FURTHEST = 10.0
_MOST_POINTS = 600
_MOST_TOLD = 3


def positive(rows: Iterable[T], *names: str) -> list[T]:
    """The ok rows in which every one of `names` is above 0, as a logarithmic axis needs it.

    Raises:
        NothingToDrawError: there is none.
    """
    points = [row for row in rows if is_ok(row) and all(row[name] is not None and row[name] > 0 for name in names)]
    if not points:
        raise NothingToDrawError(f"no task with status ok has {cells.listed(names)}")
    return points


def bars(rows: Iterable[Task], column: str) -> list[list[float]]:
    """Lengths of the error bars below and above; 0, which draws none, where the interval is not known."""
    spans = [(row[column], _span(row, column)) for row in rows]
    return [
        [max(0.0, value - low) for value, (low, _) in spans],
        [max(0.0, high - value) for value, (_, high) in spans],
    ]


def reach(rows: Iterable[Task], column: str) -> list[float]:
    """Values and interval ends of `column` that an axis must hold."""
    return [end for row in rows for end in (row[column], *_span(row, column)) if end > 0]


def scatter(place: Axes, rows: Sequence[Task], x: str, y: str, *, alpha: float) -> None:
    """Draw points with the intervals of `y`, one series a variant; a large cloud becomes an image, which is smaller.

    Args:
        place: one panel.
        rows: all with a value in both columns.
        x, y: columns.
        alpha: opacity, from 0 to 1.
    """
    for first, some in lines(rows):
        style = {**mark_of(first).style(joined=False), "rasterized": len(rows) > _CLOUD}
        xs, ys = [row[x] for row in some], [row[y] for row in some]
        lengths = bars(some, y) if y in INTERVALS else None
        place.errorbar(xs, ys, yerr=lengths, elinewidth=1, alpha=alpha, **style)


def thinned(rows: Sequence[Task], always: Iterable[Task] = ()) -> tuple[list[Task], str]:
    """At most some hundreds of `rows`, evenly chosen, and those in `always`; a note where some are left out."""
    if len(rows) <= _MOST_POINTS:
        return list(rows), ""
    step = math.ceil(len(rows) / _MOST_POINTS)
    kept = {id(row): row for row in (*rows[::step], *always)}
    return list(kept.values()), f"At most {_MOST_POINTS} points per panel, evenly chosen, and the front"


def pareto(rows: Iterable[Task], cost: str = "params") -> list[Task]:
    """The rows that no other beats in `cost` without losing in latency, the cheapest first."""
    front: list[Task] = []
    for row in sorted(rows, key=lambda row: (row[cost], row.latency_s)):
        if not front or row.seconds < front[-1].seconds:
            front.append(row)
    return front


def unbeaten(rows: Iterable[Task]) -> list[Task]:
    """The rows to which no other is at least equal in latency, parameters and memory."""
    names = ("params", "latency_s", "peak_memory_bytes")
    front: list[Task] = []
    for row in sorted(rows, key=lambda row: tuple(row[name] for name in names)):
        if not any(all(other[name] <= row[name] for name in names) for other in front):
            front.append(row)
    return front


@dataclasses.dataclass(frozen=True, slots=True)
class FirstCalls(Task):
    """A task with the median, least and most of its first calls."""

    first_call_s: float = 0.0
    first_call_low_s: float = 0.0
    first_call_high_s: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Saving(Task):
    """A task with how many times fewer multiply-accumulates it has than the baseline."""

    saving: float = 1.0


def with_first_calls(rows: Iterable[Task]) -> list[FirstCalls]:
    """Tasks with their first calls.

    Raises:
        NothingToDrawError: no row that ended ok has first calls.
    """
    found = []
    for row in rows:
        calls = [call for call in row.first_calls_s or () if call]
        if is_ok(row) and calls:
            ends = {"first_call_low_s": min(calls), "first_call_high_s": max(calls)}
            found.append(extended(FirstCalls, row, first_call_s=statistics.median(calls), **ends))
    if not found:
        raise NothingToDrawError("no task with status ok has first_calls_s")
    return found


def with_savings(rows: Iterable[Task]) -> list[Saving]:
    """All tasks but the baseline's, with what each saves.

    Raises:
        NothingToDrawError: no row has a speed-up and a baseline with known multiply-accumulates.
    """
    found = []
    for cohort in cohorts(rows):
        base = next((row.macs for row in cohort.rows if is_baseline(row) and row.macs), None)
        others = [row for row in cohort.rows if is_ok(row) and not is_baseline(row) and row.macs and row.speedup]
        found += [extended(Saving, row, saving=base / row.macs) for row in others if base]
    if not found:
        raise NothingToDrawError("no task with status ok has both a speed-up and a baseline")
    return found


def alt(title: str, panels: Panels[Task], told: Sequence[str], *, most: int = _MOST_TOLD) -> str:
    """What a figure shows, as text for those who cannot see it.

    Args:
        title: of the figure.
        panels: as drawn.
        told: words for each panel, without a full stop.
        most: panels that are described; the others are counted.
    """
    start = f"{title}. {panels.common}." if panels.common else f"{title}."
    named = [
        f"{panel.title}: {words}" if panel.title else words for panel, words in zip(panels.shown, told, strict=True)
    ]
    more = [f"{counted(len(told) - most, 'more panel')}"] if len(told) > most else []
    return " ".join([start, *(f"{words}." for words in [*named[:most], *more, *filter(None, [panels.left_out])])])


def line_words(line: Sequence[Task], column: str, write: Callable[[float], str]) -> str:
    """Where a line begins and ends: `grouped_native from 26 ms at 1 group to 3.7 ms at 32`.

    Args:
        line: tasks of one variant, by number of groups.
        column: the vertical axis.
        write: a value of the column as text.
    """
    first, last = line[0], line[-1]
    name, start = cells.text_of(first.variant), f"{write(first[column])} at {cells.splits(first)}"
    return f"{name} {start}" if len(line) == 1 else f"{name} from {start} to {write(last[column])} at {groups_of(last)}"


def front_words(front: Sequence[Task], cost: str) -> str:
    """The ends of a Pareto front."""
    write: dict[str, Callable[[Any], str]] = {"params": cells.params, "peak_memory_bytes": cells.memory}
    what = {"params": " parameters"}.get(cost, "")
    ends = [front[0]] if len(front) == 1 else [front[0], front[-1]]
    named = [f"{cells.text_of(row.variant)} with {cells.splits(row)} ({write[cost](row)}{what}, "
             f"{svg.seconds(row.seconds)})" for row in ends]  # fmt: skip
    return f"Pareto front from {' to '.join(named)}" if len(named) > 1 else f"Pareto front is {named[0]} alone"


def saving_words(panel: Panel[Saving]) -> str:
    """How many points keep what theory promises."""
    saving = [row for row in panel.rows if row.saving > 1]
    if not saving:
        return f"{counted(len(panel.rows), 'point')}, none with fewer multiply-accumulates than the baseline"
    kept = sum(row.factor >= row.saving for row in saving)
    slower = sum(row.verdict == "slower" for row in saving)
    points = counted(len(saving), "point")
    most = significant(max(row.saving for row in saving), 2)
    return (
        f"{points} with fewer multiply-accumulates, up to {most}×: {kept} on or above the diagonal, "
        f"{slower} slower than the baseline"
    )


def _span(row: Task, column: str) -> tuple[float, float]:
    """The ends of the interval; further off than _FURTHEST they say that nothing is known, and no axis holds them."""
    value = row[column]
    low, high = (row[name] for name in INTERVALS.get(column, (column, column)))
    nearest, furthest = value / _FURTHEST, value * _FURTHEST
    return (
        value if low is None else min(max(low, nearest), furthest),
        value if high is None else min(max(high, nearest), furthest),
    )
