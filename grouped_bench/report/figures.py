"""The figures, one decorated function each: rows of the record in, a sketch and its words out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

from grouped_bench.analyse.history import History
from grouped_bench.errors import OutputError
from grouped_bench.report import cells, heat, lanes, roofs, tradeoffs, trends
from grouped_bench.report.axes import finish, grid, group_axis, ratio_axis
from grouped_bench.report.files import replace
from grouped_bench.report.marks import mark_of
from grouped_bench.report.panels import NothingToDrawError, family, groups_label, lines, split
from grouped_bench.report.points import (
    alt,
    bars,
    line_words,
    positive,
    reach,
    saving_words,
    scatter,
    thinned,
    with_first_calls,
    with_savings,
)
from grouped_bench.report.rows import Row, groups_of, is_ok, plain
from grouped_bench.report.sketches import STYLE, Drawn, Sketch, byte_count, files_of, seconds, svg, times

__all__ = ["REGISTRY", "STYLE", "Drawn", "Sketch", "draw", "figure", "files_of", "save"]

Metadata = Sequence[dict[str, Any]]
_SETTING = (
    *("run_id", "machine", "scope", "rank", "pass", "dtype", "data_format"),
    *("backend", "execution", "device", "cache", "env", "threads"),
)
_DODGE = 1.04
_BARS = {"latency_s": "bars: 95 % intervals", "first_call_s": "bars: from the least to the most of its processes"}
Draw = Callable[[Sequence[Row], str], Sketch]
REGISTRY: dict[str, tuple[str, Draw]] = {}


def figure(name: str, title: str) -> Callable[[Draw], Draw]:
    """Register a function of all rows and the title that gives a Sketch: it joins every page and folder.

    A row has the columns of the schema, and what `roofs.with_peaks` and `trends.with_history` add. The function raises
    `NothingToDrawError` with the reason where the rows have nothing for it.
    """

    def register(draw: Draw) -> Draw:
        REGISTRY[name] = (title, draw)
        return draw

    return register


def draw(frame: pd.DataFrame, metadata: Metadata = (), past: History | None = None) -> list[Drawn]:
    """Every registered figure of `frame` as SVG text, the same to the byte for the same frame.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        metadata: the run-wide facts of each run, which may have measured the machine's peak.
        past: the history of the runs, where it is known already.
    """
    rows = _rows(frame, metadata, past)
    return [_drawn(name, rows) for name in REGISTRY]


def save(frame: pd.DataFrame, folder: str | Path, metadata: Metadata = ()) -> list[Path]:
    """Write every figure that has something to show as `<name>.svg` and `<name>.png`; the paths written.

    Raises:
        OutputError: `folder` cannot be made or written.
    """
    rows, folder = _rows(frame, metadata), Path(folder)
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
    return _against_groups(rows, title, "latency_s", label="latency of one iteration", write=seconds)


@figure("speedup", "Speed-up over the baseline, by groups")
def speedup_heat_map(rows: Sequence[Row], title: str) -> Sketch:
    """A heat map a variant; its colour says no more than the verdict."""
    return Sketch(*heat.speedup(rows, title))


@figure("crossover", "From which number of groups on grouping is faster")
def crossover(rows: Sequence[Row], title: str) -> Sketch:
    """A lane a shape and variant, with the verdict at each number of groups."""
    return lanes.crossover(rows, title)


@figure("memory", "Peak memory against groups")
def memory_against_groups(rows: Sequence[Row], title: str) -> Sketch:
    """One line a variant; what the allocator told and what was resident are never in one panel."""
    label, apart = "peak memory of one call", ("memory_source",)
    return _against_groups(rows, title, "peak_memory_bytes", label=label, write=byte_count, apart=apart)


@figure("tradeoff", "Latency against parameters and memory")
def latency_against_costs(rows: Sequence[Row], title: str) -> Sketch:
    """Every variant at every number of groups, and those that none beats."""
    return tradeoffs.tradeoff(rows, title)


@figure("theory", "Time saved against multiply-accumulates saved")
def time_against_macs(rows: Sequence[Row], title: str) -> Sketch:
    """Speed-up against the factor by which the MACs shrink; on the diagonal time falls as theory promises."""
    panels = split(with_savings(rows), _SETTING)
    savings = [1.0, *(row["saving"] for row in panels.rows)]
    sketch, places = grid(panels, title, height=3.2)
    notes = ["Solid line: time falls as the multiply-accumulates do. Dotted line: as fast as the baseline"]
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


@figure("roofline", "Achieved operations under the machine's roof")
def roofline(rows: Sequence[Row], title: str) -> Sketch:
    """Every task's place under the measured peak and bandwidth."""
    return roofs.roofline(rows, title)


@figure("first_call", "First call against groups")
def first_call_against_groups(rows: Sequence[Row], title: str) -> Sketch:
    """One line a variant: what tracing, compiling and the first call cost, which a short life never earns back."""
    label = "trace, compile and first call"
    return _against_groups(with_first_calls(rows), title, "first_call_s", label=label, write=seconds)


@figure("history", "Latency over runs")
def latency_over_runs(rows: Sequence[Row], title: str) -> Sketch:
    """A panel a task with its steps, where several runs measured it."""
    return trends.trend(rows, title)


def _rows(frame: pd.DataFrame, metadata: Metadata, past: History | None = None) -> list[Row]:
    """The rows of `frame` with all that figures read of them."""
    return trends.with_history(roofs.with_peaks(plain(frame), metadata), past or trends.history(frame, metadata))


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
        ratio_axis(place, "y", reach(panels.rows, column), write, base=2 if write is byte_count else 10)
        told.append("; ".join(line_words(line, column, write) for _, line in found))
    notes = ["; ".join(filter(None, ["Points are set slightly apart to be seen", _BARS.get(column)]))]
    untold = sum(map(is_ok, rows)) - len(points)
    notes += [f"Not shown: {cells.counted(untold, 'measured task')} for which it is not known"] if untold else []
    finish(sketch, panels, joined=True, notes=notes, x=groups_label(panels.rows), y=label)
    return Sketch(sketch, alt(title, panels, told))


def _sketch(name: str, rows: Sequence[Row]) -> Sketch:
    """The figure `name`, its title in the words of the rows: blocks have paths, and are measured by cardinality."""
    title, draw = REGISTRY[name]
    sketch = draw(rows, worded(title, rows))
    for place in sketch.figure.axes:
        # What lies inside the axes takes no part in laying them out, which is most of the time that drawing takes.
        for artist in (*place.texts, *place.patches, *place.lines, *place.collections):
            artist.set_in_layout(False)
    return sketch


def worded(title: str, rows: Sequence[Row]) -> str:
    """`title` for these rows: where all that were measured are blocks, their cardinality stands for groups."""
    scopes = {bool(row["cardinality"]) for row in rows if is_ok(row)}
    if scopes != {True}:
        return title
    return title.replace("number of groups", "cardinality").replace("groups", "cardinality")


def _drawn(name: str, rows: Sequence[Row]) -> Drawn:
    with matplotlib.rc_context(STYLE):
        title = worded(REGISTRY[name][0], rows)
        try:
            sketch = _sketch(name, rows)
        except NothingToDrawError as reason:
            return Drawn(name, title, reason=str(reason))
        return Drawn(name, title, sketch.alt, svg(sketch.figure, name))


def _files(name: str, rows: Sequence[Row]) -> dict[str, bytes]:
    """Content by suffix; nothing where there is nothing to draw."""
    with matplotlib.rc_context(STYLE):
        try:
            sketch = _sketch(name, rows)
        except NothingToDrawError:
            return {}
        return files_of(sketch.figure, name)
