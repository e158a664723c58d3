"""Small multiples: which rows may share a panel, what each panel is called, and how its axes are ruled."""

import dataclasses
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from grouped_bench.report.cells import clean, column_text, shorten
from grouped_bench.report.marks import legend_entries
from grouped_bench.report.rows import Row, groups_of, varying
from grouped_bench.store import schema

MOST_PANELS = 6
_TOLD_FIRST = (
    "variant",
    "computes",
    "rank",
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "dilation",
    "size",
)
_TOLD_LAST = ("machine", "run_id")
FAMILY = (*(name for name in schema.COHORT_KEY if name not in ("groups", "cardinality")), *_TOLD_LAST)
_LEAST_SPAN = 5.0
_WORDS: dict[str, Callable[[str], str]] = {
    "rank": lambda text: f"Conv{text}D",
    "kernel_size": lambda text: f"k{text}",
    "size": lambda text: f"on {text}",
    "batch_size": lambda text: f"batch {text}",
    "bias": lambda text: {"yes": "bias", "no": "no bias"}.get(text, text),
    "cache": lambda text: f"{text} cache",
    "run_id": lambda text: f"run {text}",
    "variant": str,
    "computes": lambda text: f"({text})",
    "memory_source": lambda text: f"{text} memory",
    **dict.fromkeys(("scope", "pass", "dtype", "padding", "data_format"), str),
    **dict.fromkeys(("backend", "execution", "device", "machine"), str),
}
_UNSAID_ALWAYS = ("stride", "dilation")
_UNSAID = {
    "run_id": "",
    "cache": "hot",
    "stride": "1",
    "dilation": "1",
    "padding": "same",
    "bias": "no",
    "data_format": "channels_last",
}


class NothingToDrawError(Exception):
    """The reason why a frame has nothing for a figure to show."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """Rows that are alike in all that the figure does not show, and the words that tell them apart."""

    title: str
    rows: tuple[Row, ...]


@dataclasses.dataclass(frozen=True)
class Panels:
    """The panels to draw, what all of them have in common, and what was left out."""

    shown: tuple[Panel, ...]
    common: str
    left_out: str

    @property
    def rows(self) -> list[Row]:
        """The rows of all panels shown."""
        return [row for panel in self.shown for row in panel.rows]


def split(rows: Sequence[Row], names: Sequence[str], *, most: int = MOST_PANELS, always: Sequence[str] = ()) -> Panels:
    """`rows` in panels of equal `names`, at most `most`: the fullest, each pass and rank in turn.

    A panel is called by the names in which panels differ, and by those in `always`.
    """
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    kept = _chosen(list(found.values()), most)
    firsts = [panel[0] for panel in found.values()]
    differing = [name for name in names if name in always or varying(firsts, [name])]
    panels = tuple(Panel(describe(panel[0], differing), tuple(panel)) for panel in kept)
    alike = [name for name in names if name not in differing]
    left_out = f"{len(kept)} of {len(found)} panels shown, those with the most points" if len(kept) < len(found) else ""
    return Panels(panels, describe(rows[0], alike, brief=True), left_out)


def _chosen(found: list[list[Row]], most: int) -> list[list[Row]]:
    largest = sorted(range(len(found)), key=lambda i: (-len(found[i]), i))
    turns: dict[tuple[Any, Any], int] = {}
    order = []
    for i in largest:
        kind = (found[i][0]["pass"], found[i][0]["rank"])
        turns[kind] = turns.get(kind, 0) + 1
        order.append((turns[kind], i))
    return [found[i] for i in sorted(i for _, i in sorted(order)[:most])]


def describe(row: Row, names: Iterable[str], *, brief: bool = False) -> str:
    """The row's values of `names` in words; `brief` leaves the usual ones unsaid."""
    order = (
        *_TOLD_FIRST,
        *(name for name in schema.COHORT_KEY if name not in _TOLD_FIRST),
        "memory_source",
        *_TOLD_LAST,
    )
    names = sorted(names, key=order.index)
    unsaid = _UNSAID if brief else _UNSAID_ALWAYS
    texts = [_words(row, name, names) for name in names if not (name in unsaid and _usual(row, name))]
    return shorten(clean(" ".join(filter(None, texts))), 160)


def _words(row: Row, name: str, names: Sequence[str]) -> str:
    if row[name] is None or (name == "scope" and row[name] == "layer"):
        return ""
    if name == "in_channels":
        return f"{column_text(row, name)}→{column_text(row, 'out_channels')}"
    if name == "out_channels":
        return "" if "in_channels" in names else f"→{column_text(row, name)}"
    text = column_text(row, name)
    return _WORDS[name](text) if name in _WORDS else f"{name} {text}"


def _usual(row: Row, name: str) -> bool:
    return name == "run_id" or set(column_text(row, name).split("x")) == {_UNSAID[name]}


def grid(panels: Panels, title: str, *, columns: int = 2, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """A figure with one pair of axes a panel; scales are shared, so that panels can be compared."""
    columns = min(columns, len(panels.shown))
    lines = math.ceil(len(panels.shown) / columns)
    figure = Figure(figsize=(8.0 if columns > 1 else 6.0, height * lines + 1.3), layout="constrained")
    axes = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for empty in axes[len(panels.shown) :]:
        empty.remove()
    shown = list(axes[: len(panels.shown)])
    for place, panel in zip(shown, panels.shown, strict=True):
        place.set_title("\n".join(_wrapped(panel.title, 48 if columns > 1 else 72)), fontsize=9)
        place.grid(True, color="#dddddd", linewidth=0.6)
        place.set_axisbelow(True)
    caption(figure, title, panels)
    return figure, shown


def caption(figure: Figure, title: str, panels: Panels) -> None:
    """The figure's own title, and under it what all its panels have in common."""
    figure.suptitle("\n".join([title, *_wrapped(panels.common, 90)]), fontsize=10)


def finish(figure: Figure, panels: Panels, *, joined: bool, notes: Iterable[str], x: str, y: str) -> None:
    """Axis titles, the legend below, and the notes that keep the figure from saying too much."""
    label(figure, x, y)
    entries = legend_entries(panels.rows, joined=joined)
    told = "\n".join(line for note in filter(None, [*notes, panels.left_out]) for line in _wrapped(f"{note}.", 105))
    legend = figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=min(3, len(entries)),
        fontsize=8,
        frameon=False,
        title=told,
        title_fontsize=8,
    )
    legend.get_title().set_multialignment("center")


def label(figure: Figure, x: str, y: str) -> None:
    """Name the axes of the lowest panels and of those at the left."""
    spots = [(place, spot) for place in figure.axes if (spot := place.get_subplotspec()) is not None]
    columns = max(spot.colspan.stop for _, spot in spots)
    for place, _ in spots[-columns:]:
        place.tick_params(labelbottom=True)
        place.set_xlabel(x, fontsize=8)
    for place, spot in spots:
        if spot.is_first_col():
            place.set_ylabel(y, fontsize=8)


def family(rows: Sequence[Row]) -> tuple[str, ...]:
    """FAMILY, without the width where it goes with the cardinality, as in blocks of equal cost."""
    return tuple(name for name in FAMILY if name != "width" or not _widths(rows))


def groups_label(rows: Sequence[Row]) -> str:
    """What `groups_of` counts in all of `rows`, with the widths that go with it."""
    names = {"cardinality" if row["cardinality"] else "groups" for row in rows}
    widths = f" (width {', '.join(map(str, _widths(rows)))})" if _widths(rows) else ""
    return " or ".join(sorted(names, reverse=True)) + widths


def _widths(rows: Iterable[Row]) -> list[int]:
    """The widths of blocks in the order of their cardinalities, where several have one each; else none."""
    pairs = sorted({(row["cardinality"], row["width"]) for row in rows if row["cardinality"] and row["width"]})
    widths = [width for _, width in pairs]
    return widths if len(set(widths)) > 1 and len(dict(pairs)) == len(pairs) else []


def group_axis(axes: Axes, groups: Iterable[int]) -> None:
    """A logarithmic axis to base 2 with a tick at each number of groups that was measured."""
    values = sorted(set(groups))
    axes.set_xscale("log", base=2)
    axes.set_xlim(values[0] / 1.4, values[-1] * 1.4)
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def ratio_axis(
    axes: Axes, side: str, values: Iterable[float], write: Callable[[float], str], *, base: int = 10
) -> None:
    """A logarithmic axis at `side` (x or y), all `values` above 0, wide enough for two labelled ticks."""
    low, high = _span(list(values))
    axis: Axis = axes.xaxis if side == "x" else axes.yaxis
    if side == "x":
        axes.set_xscale("log", base=base)
        axes.set_xlim(low, high)
    else:
        axes.set_yscale("log", base=base)
        axes.set_ylim(low, high)
    axis.set_major_locator(_locator(low, high, base))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))


def _span(values: list[float]) -> tuple[float, float]:
    low, high = min(values) / 1.5, max(values) * 1.5
    spread = max(1.0, math.sqrt(_LEAST_SPAN * low / high))
    return low / spread, high * spread


def _locator(low: float, high: float, base: int) -> LogLocator:
    if base == 2:
        return LogLocator(base=2, numticks=8)
    dense = math.log10(high / low) < 2.5
    return LogLocator(base=10, subs=(1, 2, 5) if dense else (1,), numticks=12)


def lines(rows: Iterable[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """The rows of each variant in the order of their groups, with one row that stands for them."""
    found: dict[tuple[Any, Any], list[Row]] = {}
    for row in sorted(rows, key=lambda row: groups_of(row) or 0):
        found.setdefault((str(row["computes"]), str(row["variant"])), []).append(row)
    for key in sorted(found):
        yield found[key][0], found[key]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)
