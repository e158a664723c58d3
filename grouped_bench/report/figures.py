"""The figures, one decorated function each: rows of the record in, a sketch and its words out."""

import dataclasses
import io
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grouped_bench.errors import OutputError
from grouped_bench.report import cells, heat
from grouped_bench.report.files import replace
from grouped_bench.report.marks import mark_of
from grouped_bench.report.panels import (
    NothingToDrawError,
    family,
    finish,
    grid,
    group_axis,
    groups_label,
    lines,
    ratio_axis,
    split,
)
from grouped_bench.report.points import (
    alt,
    bars,
    front_words,
    line_words,
    pareto,
    positive,
    reach,
    saving_words,
    with_savings,
)
from grouped_bench.report.rows import Row, groups_of, is_ok, plain
from grouped_bench.units import format_bytes, format_count, format_seconds, significant

_SETTING = (
    *("run_id", "machine", "scope", "rank", "pass", "dtype", "data_format"),
    *("backend", "execution", "device", "cache"),
)
_DODGE = 1.04
_CLOUD = 300
_DPI = 160
STYLE: dict[Any, Any] = {  # the stubs name every key of Matplotlib's by its own literal
    "svg.fonttype": "none",
    "svg.hashsalt": "grouped-bench",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
_NO_DATE = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_TAG = re.compile(r"<[^>]*>")
_ID = re.compile(r'((?:\bid|xlink:href|href)="#?|url\(#)(?=[\w.-]+["\)])')


@dataclasses.dataclass(frozen=True)
class Sketch:
    """A figure, and in words what is seen on it."""

    figure: Figure
    alt: str


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A figure as SVG with text as text, or the reason why there is none."""

    name: str
    title: str
    alt: str = ""
    svg: str = ""
    reason: str = ""


Draw = Callable[[Sequence[Row], str], Sketch]
REGISTRY: dict[str, tuple[str, Draw]] = {}


def figure(name: str, title: str) -> Callable[[Draw], Draw]:
    """Register a function of all rows and the title that gives a Sketch: it joins every page and folder.

    The function raises `NothingToDrawError` with the reason where the rows have nothing for it.
    """

    def register(draw: Draw) -> Draw:
        REGISTRY[name] = (title, draw)
        return draw

    return register


def draw(frame: pd.DataFrame) -> list[Drawn]:
    """Every registered figure of `frame` as SVG text, the same to the byte for the same frame."""
    rows = plain(frame)
    return [_drawn(name, rows) for name in REGISTRY]


def save(frame: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write every figure that has something to show as `<name>.svg` and `<name>.png`; the paths written.

    Raises:
        OutputError: `folder` cannot be made or written.
    """
    rows, folder = plain(frame), Path(folder)
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in REGISTRY:
            for suffix, content in _files(name, rows).items():
                written.append(folder / f"{name}.{suffix}")
                replace(written[-1], content)
    except OSError as problem:
        raise OutputError(
            "figures need a folder that can be written",
            received=f"{folder} ({problem.strerror or problem})",
            remedy="Name another folder with --figures",
        ) from problem
    return written


@figure("latency", "Latency against groups")
def latency_against_groups(rows: Sequence[Row], title: str) -> Sketch:
    """One line a variant, with the 95 % intervals of its latencies."""
    return _against_groups(rows, title, "latency_s", label="latency of one iteration", write=_seconds)


@figure("speedup", "Speed-up over the baseline, by groups and channels")
def speedup_heat_map(rows: Sequence[Row], title: str) -> Sketch:
    """A heat map a variant; its colour says no more than the verdict."""
    return Sketch(*heat.speedup(rows, title))


@figure("memory", "Peak memory against groups")
def memory_against_groups(rows: Sequence[Row], title: str) -> Sketch:
    """One line a variant; what the allocator told and what was resident are never in one panel."""
    label, apart = "peak memory of one call", ("memory_source",)
    return _against_groups(rows, title, "peak_memory_bytes", label=label, write=_bytes, apart=apart)


@figure("tradeoff", "Latency against parameters")
def latency_against_parameters(rows: Sequence[Row], title: str) -> Sketch:
    """Every variant at every number of groups, and those that none beats in both latency and parameters."""
    points = positive(rows, "latency_s", "params")
    panels = split(points, family(points))
    sketch, places = grid(panels, title)
    fronts = [pareto(panel.rows) for panel in panels.shown]
    for place, panel, front in zip(places, panels.shown, fronts, strict=True):
        _scatter(place, panel.rows, "params", "latency_s")
        _draw_front(place, front)
        ratio_axis(place, "x", [row["params"] for row in panels.rows], _count)
        ratio_axis(place, "y", reach(panels.rows, "latency_s"), _seconds)
    notes = (
        "Grey line: Pareto front of the medians (fastest for the parameters), with numbers of groups",
        "Unlike functions or numbers of groups are different layers, not faster ways to the same one",
    )
    finish(sketch, panels, joined=False, notes=notes, x="parameters", y="latency of one iteration")
    return Sketch(sketch, alt(title, panels, [front_words(front, _seconds) for front in fronts]))


@figure("theory", "Time saved against multiply-accumulates saved")
def time_against_macs(rows: Sequence[Row], title: str) -> Sketch:
    """Speed-up against the factor by which the MACs shrink; on the diagonal time falls as theory promises."""
    panels = split(with_savings(rows), _SETTING)
    savings = [1.0, *(row["saving"] for row in panels.rows)]
    sketch, places = grid(panels, title, height=3.2)
    for place, panel in zip(places, panels.shown, strict=True):
        _scatter(place, panel.rows, "saving", "speedup")
        ends = [min(savings), max(2.0, *savings)]
        place.plot(ends, ends, color="#666666", linewidth=1, zorder=1)
        place.axhline(1, color="#666666", linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        ratio_axis(place, "x", savings, _times, base=2)
        ratio_axis(place, "y", [*ends, *reach(panels.rows, "speedup")], _times)
    note = "Solid line: time falls as the multiply-accumulates do. Dotted line: as fast as the baseline"
    labels = ("times fewer multiply-accumulates than the baseline", "speed-up over the baseline")
    finish(sketch, panels, joined=False, notes=(note,), x=labels[0], y=labels[1])
    return Sketch(sketch, alt(title, panels, [saving_words(panel) for panel in panels.shown]))


def _against_groups(
    rows: Sequence[Row],
    title: str,
    column: str,
    *,
    label: str,
    write: Callable[[float], str],
    apart: Sequence[str] = (),
) -> Sketch:
    points = positive(rows, column, "groups")
    panels = split(points, (*family(points), *apart))
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
        ratio_axis(place, "y", reach(panels.rows, column), write, base=2 if write is _bytes else 10)
        told.append("; ".join(line_words(line, column, write) for _, line in found))
    notes = ["Points are set slightly apart to be seen" + "; bars: 95 % intervals" * (column == "latency_s")]
    untold = sum(map(is_ok, rows)) - len(points)
    notes += [f"Not shown: {cells.counted(untold, 'measured task')} for which it is not known"] if untold else []
    finish(sketch, panels, joined=True, notes=notes, x=groups_label(panels.rows), y=label)
    return Sketch(sketch, alt(title, panels, told))


def _scatter(place: Axes, rows: Sequence[Row], x: str, y: str) -> None:
    """The points of each variant in one stroke; a cloud of them becomes an image, which is smaller than its points."""
    variants: dict[tuple[Any, Any], list[Row]] = {}
    for row in rows:
        variants.setdefault((row["variant"], row["computes"]), []).append(row)
    for alike in variants.values():
        xs, ys = [row[x] for row in alike], [row[y] for row in alike]
        style = mark_of(alike[0]).style(joined=False)
        place.errorbar(xs, ys, yerr=bars(alike, y), elinewidth=1, alpha=0.85, rasterized=len(rows) > _CLOUD, **style)


def _draw_front(place: Axes, front: Sequence[Row]) -> None:
    xs, ys = [row["params"] for row in front], [row["latency_s"] for row in front]
    place.plot(xs, ys, color="#999999", linewidth=3, alpha=0.6, zorder=1, drawstyle="steps-post")
    near: dict[str, Any] = {
        "textcoords": "offset points",
        "xytext": (5, -8),
        "fontsize": 7,
        "color": "#333333",
    }
    for row in front:
        place.annotate(str(groups_of(row)), (row["params"], row["latency_s"]), **near)


def _drawn(name: str, rows: Sequence[Row]) -> Drawn:
    title, draw = REGISTRY[name]
    with matplotlib.rc_context(STYLE):
        try:
            sketch = draw(rows, title)
        except NothingToDrawError as reason:
            return Drawn(name, title, reason=str(reason))
        return Drawn(name, title, sketch.alt, _svg(sketch.figure, name))


def _files(name: str, rows: Sequence[Row]) -> dict[str, bytes]:
    """Content by suffix; nothing where there is nothing to draw."""
    title, draw = REGISTRY[name]
    with matplotlib.rc_context(STYLE):
        try:
            sketch = draw(rows, title)
        except NothingToDrawError:
            return {}
        return files_of(sketch.figure, name)


def files_of(figure: Figure, name: str) -> dict[str, bytes]:
    """A figure drawn in STYLE as content by suffix, the same to the byte for the same figure."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # Of a name in letters that the font lacks; the SVG keeps it as text.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=_DPI, metadata={"Software": None})
        return {"svg": _svg(figure, name).encode("utf-8"), "png": image.getvalue()}


def _svg(figure: Figure, name: str) -> str:
    """SVG whose ids begin with `name`, so that several fit in one page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", dpi=_DPI, metadata=_NO_DATE)
    return _TAG.sub(lambda tag: _ID.sub(rf"\g<1>{name}-", tag[0]), text.getvalue())


def _seconds(value: float) -> str:
    return _tidy(format_seconds(value, 2))


def _bytes(value: float) -> str:
    return _tidy(format_bytes(value, 2))


def _count(value: float) -> str:
    return _tidy(format_count(value, 2))


def _times(value: float) -> str:
    return _tidy(f"{significant(value, 2)}×")


def _tidy(text: str) -> str:
    """Ticks stand on round numbers: `2.0 ms` is `2 ms` there, `0.10×` is `0.1×`."""
    return re.sub(r"(?:\.0+|(\.\d*?[1-9])0+)(?=\D|$)", r"\1", text)
