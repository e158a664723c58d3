"""The figures of the evidence page, in the style of the report's: drawn from what was kept, as SVG."""

import math
from pathlib import Path
from typing import Any

import evidence
import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grouped_bench.report.drawing.svg import STYLE, svg
from grouped_bench.store.files.temporary import replace
from grouped_bench.variants.palette import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILION

# Large slow-downs are found alike: a thin line lies on a wide one, so that both are seen.
_LEVELS = ((BLUE, "o", 1.5), (GREEN, "s", 1.5), (ORANGE, "^", 4.5), (VERMILION, "D", 1.2))
_TOOLS = ((BLACK, "o"), (SKY, "D"), (VERMILION, "s"))


def save(figure: Figure, path: Path) -> None:
    """Write `figure` to `path`, an SVG file, the same to the byte for the same findings."""
    with matplotlib.rc_context(STYLE):
        replace(path, svg(figure, path.stem).encode())


def power_curve(found: evidence.Findings) -> Figure:
    """Share of trials found against seconds a pair: a line a slow-down, with 95% Clopper–Pearson bands."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 3.8), layout="constrained")
        place = figure.subplots()
        levels = [level for level in found["levels"] if level["trials"]]
        for level, (colour, shape, width) in zip(levels, _LEVELS, strict=False):
            times = [trial["found_s"] for trial in found["trials"] if trial["slow_down"] == level["slow_down"]]
            points = curve(times, found["followed_s"])
            seconds = [point["seconds"] for point in points]
            shares, label = [point["share"] for point in points], f"{level['slow_down']:.0%} slower"
            style: dict[str, Any] = {"color": colour, "linewidth": width, "marker": shape, "markevery": slice(1, -1)}
            place.step(seconds, shares, where="post", label=f"{label}, {level['trials']} trials", markersize=4, **style)
            bands = ([point[end] for point in points] for end in ("low", "high"))
            place.fill_between(seconds, *bands, step="post", color=colour, alpha=0.12, linewidth=0)
        place.set(xlim=(0, found["followed_s"]), ylim=(0, 1.02), xlabel="seconds a pair", ylabel="share found")
        place.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        place.legend(frameon=False, fontsize=8, loc="lower right")
        _rule(place)
    return figure


def curve(times: list[float | None], until: float) -> list[dict[str, Any]]:
    """The share found by each moment at which it rises, from 0 to `until` seconds; None was never found."""
    found = sorted(seconds for seconds in times if seconds is not None and seconds <= until)
    moments = [0.0, *dict.fromkeys(found), until]
    return [{"seconds": s, **evidence.proportion(sum(t <= s for t in found), len(times))} for s in moments]


def peer_errors(found: evidence.Findings) -> Figure:
    """What each tool said of the twins, comparison by comparison: the truth is 0."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        place = figure.subplots()
        tools = [(name, tool) for name, tool in found["tools"].items() if tool["comparisons"]]
        for row, ((_, tool), (colour, shape)) in enumerate(zip(tools, _TOOLS, strict=False)):
            errors = [math.expm1(log) for log in tool["log_ratios"]]
            heights = [row + 0.3 * (number / max(1, len(errors) - 1) - 0.5) for number in range(len(errors))]
            place.plot(errors, heights, color=colour, marker=shape, markersize=4, linestyle="none", alpha=0.7)
        place.axvline(0, color="#666666", linewidth=1, zorder=0)
        for end in (-found["claim"], found["claim"]):
            place.axvline(end, color="#666666", linewidth=1, linestyle=(0, (1, 2)), zorder=0)
        place.set(yticks=range(len(tools)), yticklabels=[name for name, _ in tools], xlabel="twin against itself")
        place.set_ylim(len(tools) - 0.5, -0.5)
        place.xaxis.set_major_formatter(lambda value, _: f"{value:+.0%}" if value else "0")
        _rule(place)
    return figure


def _rule(place: Axes) -> None:
    place.grid(color="#dddddd", linewidth=0.6)
    place.set_axisbelow(True)
