"""A column of the record against the number of groups: one line a variant."""

from collections.abc import Callable, Sequence

from grouped_bench.analyse.rows import family, gathered, groups_of, is_ok
from grouped_bench.report.drawing.axes import finish, grid, group_axis, ratio_axis
from grouped_bench.report.drawing.panels import groups_label, lines, split
from grouped_bench.report.drawing.points import alt, bars, line_words, positive, reach
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.drawing.svg import Sketch, byte_count
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

_DODGE = 1.04
_BARS = {"latency_s": "bars: 95% intervals", "first_call_s": "bars: least to most over processes"}


def against_groups(
    rows: Sequence[Task],
    title: str,
    column: str,
    *,
    label: str,
    write: Callable[[float], str],
    apart: Sequence[str] = (),
) -> Sketch:
    """One line a variant over the numbers of groups, with what is known of each point's spread.

    Args:
        rows: all that were measured.
        title: of the figure.
        column: what stands upwards.
        label: its name on the axis.
        write: how its values are written.
        apart: columns whose values are never in one panel, besides those of a family.
    """
    points = positive(rows, column, "groups")
    names = (*family(points), *apart)
    joined, single = _parted(points, names)
    panels = split(joined or single, names)
    sketch, places = grid(panels, title)
    told = []
    for place, panel in zip(places, panels.shown, strict=True):
        found = list(lines(panel.rows))
        for i, (first, line) in enumerate(found):
            shift = _DODGE ** (i - (len(found) - 1) / 2)
            xs, ys = [(groups_of(row) or 1) * shift for row in line], [row[column] for row in line]
            style = mark_of(first).style(joined=True)
            place.errorbar(xs, ys, yerr=bars(line, column), elinewidth=1, capsize=2, **style)
        group_axis(place, [groups_of(row) or 1 for row in panels.rows])
        ratio_axis(place, "y", reach(panels.rows, column), write, base=2 if write is byte_count else 10)
        told.append("; ".join(line_words(line, column, write) for _, line in found))
    notes = ["; ".join(filter(None, ["Points are shifted slightly so that all are visible", _BARS.get(column)]))]
    if joined and single:
        notes.append(f"Not shown: {counted(len(single), 'task')} of shapes with one number of groups")
    untold = sum(map(is_ok, rows)) - len(points)
    notes += [f"Not shown: {counted(untold, 'measured task')} without this value"] if untold else []
    finish(sketch, panels, joined=True, notes=notes, x=groups_label(panels.rows), y=label)
    return Sketch(sketch, alt(title, panels, told))


def _parted(points: Sequence[Task], names: Sequence[str]) -> tuple[list[Task], list[Task]]:
    """The rows of shapes with several numbers of groups, and those of shapes with one, which make no line."""
    joined: list[Task] = []
    single: list[Task] = []
    for shape in gathered(points, names):
        (joined if len(set(map(groups_of, shape))) > 1 else single).extend(shape)
    return joined, single
