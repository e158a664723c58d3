"""Time saved against multiply-accumulates saved."""

from grouped_bench.report.drawing.axes import finish, grid, ratio_axis
from grouped_bench.report.drawing.panels import split
from grouped_bench.report.drawing.points import alt, reach, saving_words, scatter, thinned, with_savings
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.svg import Sketch, times
from grouped_bench.space.case import SETTING

_SETTING = (
    *("run_id", "machine", "scope", "rank", "pass", "dtype", "data_format"),
    *SETTING,
)


@figure(
    "theory",
    "Time saved against multiply-accumulates saved",
    place=6,
    see="On the solid line time falls as arithmetic does; below the dotted line less arithmetic takes more time.",
)
def theory(record: Drawable, title: str) -> Sketch:
    """Speed-up against the factor by which the MACs shrink; on the diagonal time falls as theory promises."""
    panels = split(with_savings(record.rows), _SETTING)
    savings = [1.0, *(row["saving"] for row in panels.rows)]
    sketch, places = grid(panels, title, height=3.2)
    notes = ["Solid line: time falls in proportion to multiply-accumulates. Dotted line: as fast as the baseline"]
    for place, panel in zip(places, panels.shown, strict=True):
        shown, note = thinned(panel.rows)
        notes += [note] if note not in notes else []
        scatter(place, shown, "saving", "speedup", alpha=0.85)
        ends = [min(savings), max(2.0, *savings)]
        place.plot(ends, ends, color="#666666", linewidth=1, zorder=1)
        place.axhline(1, color="#666666", linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        ratio_axis(place, "x", savings, times, base=2)
        ratio_axis(place, "y", [*ends, *reach(panels.rows, "speedup")], times)
    labels = ("times fewer multiply-accumulates than the baseline", "speed-up over the baseline")
    finish(sketch, panels, joined=False, notes=notes, x=labels[0], y=labels[1])
    return Sketch(sketch, alt(title, panels, [saving_words(panel) for panel in panels.shown]))
