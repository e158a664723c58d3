"""The roofline: what each task achieved under the machine's measured peak and bandwidth."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes

from grouped_bench.analyse.rows import extended
from grouped_bench.report.drawing import svg
from grouped_bench.report.drawing.axes import finish, grid, ratio_axis
from grouped_bench.report.drawing.panels import NothingToDrawError, Panel, split
from grouped_bench.report.drawing.points import alt, positive, scatter, thinned
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.text import cells
from grouped_bench.space.case import SETTING
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_percent, significant

PEAKS = {"peak_flops_per_s": "flops_per_s", "peak_bytes_per_s": "bytes_per_s"}
_OF_PEAK = ("backend", "env", "threads", "device", "dtype")
_PANEL = ("run_id", "machine", *SETTING, "dtype", "pass")
_GIGA = 1e9
# What no machine has, and no axis can hold.
_LEAST, _MOST = 1.0, 1e21
# Of the roof, drawn below it, so that a task's own share can be read off.
_SHARES = (0.1, 0.01, 0.001)
_FAINT = "#767676"
_NOTES = (
    "Black: the roof of the machine's measured peak and bandwidth. Dashed: shares of it. Least traffic is every tensor "
    "once: a point above the roof found data in a cache, or needed fewer operations than counted",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Roofed(Task):
    """A task with the peak and bandwidth that its run measured for its backend, device and dtype."""

    peak_flops_per_s: float = 0.0
    peak_bytes_per_s: float = 0.0

    @property
    def flops_a_byte(self) -> float:
        """Operations a byte of the least traffic."""
        return 2 * self.macs / self.min_bytes

    @property
    def gflops(self) -> float:
        """Achieved operations a second."""
        return 2 * self.macs / self.seconds / _GIGA

    @property
    def share_of_roof(self) -> float:
        """Achieved operations over those that peak and bandwidth allow."""
        roof = min(self.peak_flops_per_s, self.peak_bytes_per_s * self.flops_a_byte)
        return _GIGA * self.gflops / roof


def with_peaks(rows: Iterable[Task], metadata: Sequence[Facts]) -> list[Roofed]:
    """Those of `rows` whose run measured both peaks, with them."""
    measured: dict[tuple[Any, ...], dict[str, float]] = {}
    for facts in metadata:
        for peak in _dicts(facts.get("peaks")):
            found = {name: _number(peak.get(key)) for name, key in PEAKS.items()}
            key = tuple(map(repr, (facts.get("run_id"), *(peak.get(name) for name in _OF_PEAK))))
            measured.setdefault(key, {name: value for name, value in found.items() if value})
    return [extended(Roofed, row, **peaks) for row in rows if len(peaks := measured.get(_key(row), {})) == len(PEAKS)]


def _key(row: Task) -> tuple[str, ...]:
    return tuple(map(repr, (row.run_id, *(row[name] for name in _OF_PEAK))))


def _dicts(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    """A file may be a stranger's: a number in reason, or nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if _LEAST <= value <= _MOST else None


@figure(
    "roofline",
    "Achieved operations under the machine's roof",
    place=7,
    see="The further below the black line, the more of the machine is idle.",
)
def roofline(record: Drawable, title: str) -> svg.Sketch:
    """Achieved operations a second against operations a byte, a panel a setting, each under its own roof."""
    roofed = with_peaks(record.rows, record.metadata)
    if not roofed:
        raise NothingToDrawError("this run did not measure the machine's peak")
    panels = split(positive(roofed, "latency_s", "macs", "min_bytes"), _PANEL)
    sketch, places = grid(panels, title, height=3.2)
    notes = list(_NOTES)
    for place, panel in zip(places, panels.shown, strict=True):
        shown, note = thinned(panel.rows)
        notes += [note] if note not in notes else []
        scatter(place, shown, "flops_a_byte", "gflops", alpha=0.6)
    xs = [row.flops_a_byte for row in panels.rows]
    ridges = [row.peak_flops_per_s / row.peak_bytes_per_s for row in panels.rows]
    peaks = [row.peak_flops_per_s / _GIGA for row in panels.rows]
    ys = [*(row.gflops for row in panels.rows), *peaks, *(_SHARES[0] * peak for peak in peaks)]
    for place, panel in zip(places, panels.shown, strict=True):
        ratio_axis(place, "x", [*xs, *ridges], svg.number)
        ratio_axis(place, "y", ys, svg.number)
        _draw_roof(place, panel.rows[0])
    labels = ("operations per byte of least traffic (FLOP/B)", "achieved, GFLOP/s")
    finish(sketch, panels, joined=False, notes=notes, x=labels[0], y=labels[1])
    return svg.Sketch(sketch, alt(title, panels, [_words(panel) for panel in panels.shown]))


def _draw_roof(place: Axes, row: Roofed) -> None:
    peak, bandwidth = row.peak_flops_per_s / _GIGA, row.peak_bytes_per_s / _GIGA
    low, high = place.get_xlim()
    xs = sorted({low, min(max(peak / bandwidth, low), high), high})
    roof = [min(peak, bandwidth * x) for x in xs]
    place.plot(xs, roof, color="black", linewidth=1.6, zorder=1)
    for share in _SHARES:
        if share * roof[-1] > place.get_ylim()[0]:
            place.plot(xs, [share * y for y in roof], color=_FAINT, linewidth=0.8, linestyle="dashed", zorder=1)
            near: Json = {"ha": "right", "va": "bottom", "fontsize": 7, "color": _FAINT}
            place.annotate(format_percent(share), (xs[-1], share * roof[-1]), **near)
    told = f"roof {_rate(peak)} GFLOP/s, {_rate(bandwidth)} GB/s"
    place.set_title("\n".join(filter(None, [place.get_title(), told])), fontsize=9)


def _rate(value: float) -> str:
    return significant(value, 2) if math.isfinite(value) and value < 1e6 else f"{value:.2g}"


def _words(panel: Panel[Roofed]) -> str:
    first, best = panel.rows[0], max(panel.rows, key=lambda row: row.share_of_roof)
    least = min(panel.rows, key=lambda row: row.share_of_roof)
    roof = f"roof of {_rate(first['peak_flops_per_s'] / _GIGA)} GFLOP/s and "
    roof += f"{_rate(first['peak_bytes_per_s'] / _GIGA)} GB/s; "
    if len(panel.rows) == 1:
        return f"{roof}{_share(best)}"
    return f"{roof}{counted(len(panel.rows), 'task')}, from {_share(least)} to {_share(best)}"


def _share(row: Task) -> str:
    name = f"{cells.text_of(row.variant)} at {cells.splits(row)}"
    return f"{format_percent(row['share_of_roof'], 2)} of it ({name})"
