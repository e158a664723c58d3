"""Figures of a learning run: accuracy against each cost, curves, and the filters' correlations."""

import math
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from grouped_bench.analyse.learning.summary import Filters, Summary, filters, pareto, summaries
from grouped_bench.report.drawing.svg import STYLE, Drawn, Sketch, count, seconds, svg
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Facts
from grouped_bench.store.learning import SEED, Training
from grouped_bench.units import format_count, format_seconds
from grouped_bench.variants.palette import AZURE, BLUE, BROWN, GREEN, GREY, INDIGO, PINE, VERMILION, WINE

_COSTS: dict[str, tuple[str, Callable[[float], str]]] = {
    "params": ("parameters", count),
    "macs": ("MACs of an example", count),
    "training_s": ("seconds of a training", seconds),
}
# SVG leaves out pure black, which no rule for dark screens could turn.
_INK = "#333333"
_COLOURS = (_INK, BLUE, VERMILION, GREEN, INDIGO, WINE, PINE, AZURE, BROWN, GREY)
_MARKS = "os^DvP*XdH"
_WIDE = 8.0
_NARROW = 5.0
_BAND = (0.1, 0.9)
_SEE = {
    "accuracy": "Higher and further left is better. The line joins networks that none beats at the same cost.",
    "curves": "Mean over seeds; the band holds 80% of them.",
    "filters": "Each square is a pair of filters of two adjacent layers. Groups of the wiring are blocks on the "
    "diagonal; training adds what differs between both pictures of a network.",
}
_TITLES = {
    "accuracy": "Accuracy against cost",
    "curves": "Validation loss by epoch",
    "filters": "Correlation of filters",
}


def drawings(trainings: Sequence[Training], facts: Facts, inches: float = _WIDE, end: str = "") -> list[Drawn]:
    """All figures that a run has something for.

    Args:
        trainings, facts: of the run.
        inches: how wide.
        end: of their names, where a page has them twice.
    """
    networks = summaries(trainings, facts)
    makers: dict[str, Callable[[], Sketch | None]] = {
        "accuracy": lambda: _accuracy(networks, inches),
        "curves": lambda: _curves(trainings, [one.name for one in networks], inches),
        "filters": lambda: _filters(filters(facts), inches),
    }
    found = []
    with matplotlib.rc_context(STYLE):
        for name, make in makers.items():
            sketch = make()
            if sketch is not None:
                drawing = svg(sketch.figure, f"{name}{end}")
                found.append(Drawn(name, _TITLES[name], sketch.alt, drawing, see=_SEE[name]))
    return found


def _accuracy(found: Sequence[Summary], inches: float) -> Sketch | None:
    known = [one for one in found if one.accuracy is not None]
    if not known:
        return None
    costs = [name for name in _COSTS if all(getattr(one, name) is not None for one in known)]
    figure, places = _panels(len(costs), inches, 2.6, share_y=True)
    for place, cost in zip(places, costs, strict=True):
        _against(place, known, cost)
    places[0].set_ylabel("test accuracy, %")
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=max(1, int(inches // 1.6)), fontsize=8, frameon=False
    )
    told = "; ".join(
        f"{cells.clean(one.name)}: {100 * one.accuracy.estimate:.1f}%, {format_count(one.params)} parameters, "
        f"{format_count(one.macs)} MACs" + (f", {format_seconds(one.training_s)} a training" if one.training_s else "")
        for one in known
        if one.accuracy
    )
    return Sketch(figure, f"Accuracy against cost. {told}.")


def _against(place: Axes, known: Sequence[Summary], cost: str) -> None:
    title, tick = _COSTS[cost]
    for number, one in enumerate(known):
        assert one.accuracy is not None
        middle, low, high = (100 * value for value in (one.accuracy.estimate, one.accuracy.low, one.accuracy.high))
        place.errorbar(
            [getattr(one, cost)],
            [middle],
            yerr=[[middle - low], [high - middle]],
            color=_COLOURS[number % len(_COLOURS)],
            marker=_MARKS[number % len(_MARKS)],
            linestyle="none",
            markersize=6,
            elinewidth=1,
            label=cells.shorten(cells.clean(one.name), 24),
            zorder=3,
        )
    front = pareto(known, cost)
    heights = [100 * one.accuracy.estimate for one in front if one.accuracy]
    place.plot([getattr(one, cost) for one in front], heights, color=GREY, linewidth=1, zorder=1)
    place.set_xscale("log")
    values = [getattr(one, cost) for one in known]
    low, high = min(values), max(values)
    room = max(1.15, (high / low) ** 0.12)
    place.set_xlim(low / room, high * room)
    place.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5), numticks=6))
    place.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    place.xaxis.set_minor_formatter(NullFormatter())
    place.set_xlabel(title, fontsize=9)
    place.grid(axis="y", color="#e4e4e4", linewidth=0.6)


def _curves(trainings: Sequence[Training], names: Sequence[str], inches: float) -> Sketch | None:
    figure, (place,) = _panels(1, inches, 3.2)
    told = []
    for number, name in enumerate(names):
        made = [one.validation_losses for one in trainings if one.network == name and one.phase == SEED]
        series = [one for one in made if one]
        length = max(map(len, series), default=0)
        if not length:
            continue
        curves = np.asarray([one for one in series if len(one) == length])
        epochs, colour = np.arange(1, length + 1), _COLOURS[number % len(_COLOURS)]
        low, high = np.quantile(curves, _BAND, axis=0)
        place.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        label = cells.shorten(cells.clean(name), 24)
        place.plot(epochs, curves.mean(axis=0), color=colour, linewidth=1.4, label=label)
        told.append(f"{cells.clean(name)} ends at {curves[:, -1].mean():.2f}")
    if not told:
        return None
    place.set_xlabel("epoch", fontsize=9)
    place.xaxis.set_major_locator(MaxNLocator(integer=True))
    place.set_ylabel("validation loss", fontsize=9)
    place.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    figure.legend(loc="outside lower center", ncols=max(1, int(inches // 1.6)), fontsize=8, frameon=False)
    return Sketch(figure, f"Validation loss by epoch. {'; '.join(told)}.")


def _filters(found: Sequence[Filters], inches: float) -> Sketch | None:
    if not found:
        return None
    per_row = 2 if inches < _NARROW else 4
    cells_needed = 2 * len(found)
    rows = math.ceil(cells_needed / per_row)
    wide = min(inches, inches * cells_needed / per_row)
    figure = Figure(figsize=(wide, 0.5 + rows * (wide / min(per_row, cells_needed) + 0.3)), layout="constrained")
    places = figure.subplots(rows, min(per_row, cells_needed), squeeze=False).ravel()
    shown = [(one, when, getattr(one, when).matrix) for one in found for when in ("before", "after")]
    top = max(float(np.quantile(matrix, 0.995)) for _, _, matrix in shown)
    image = None
    for place, (one, when, matrix) in zip(places, shown, strict=False):
        image = place.imshow(matrix, cmap="magma", vmin=0, vmax=top or 1.0, interpolation="nearest", aspect="auto")
        place.set_title(f"{cells.shorten(cells.clean(one.network), 18)}, {when}", fontsize=9)
        place.set_xticks([])
        place.set_yticks([])
    for place in places[len(shown) :]:
        place.remove()
    figure.colorbar(image, ax=list(places[: len(shown)]), shrink=0.8, label="absolute correlation")  # type: ignore[arg-type]
    told = [
        f"{cells.clean(one.network)}: {one.growth[0]:.2f} times inside its groups before, {one.growth[1]:.2f} after"
        for one in found
        if one.growth
    ]
    return Sketch(figure, f"Correlation of filters of two adjacent layers. {'; '.join(told)}.")


def _panels(number: int, inches: float, height: float, *, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with its panels in a row, or in a narrow one below each other."""
    rows, columns = (number, 1) if inches < _NARROW else (1, number)
    figure = Figure(figsize=(inches, 0.7 + height * rows), layout="constrained")
    return figure, list(figure.subplots(rows, columns, sharey=share_y, squeeze=False).ravel())
