"""One colour, shape and line for each variant in every figure, known to us or not."""

import dataclasses
import zlib
from collections.abc import Iterable
from typing import Any

from matplotlib.lines import Line2D

from grouped_bench.report.cells import shorten, text_of
from grouped_bench.report.rows import Row

# Okabe & Ito's palette, which colour-blind readers can tell apart; yellow is left out as too pale on white.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    *("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"),
    "#CC79A7",
)
_KNOWN = {
    "regular": (BLACK, "o"),
    "grouped": (VERMILION, "s"),
    "grouped_native": (GREEN, "^"),
    "split_sum": (SKY, "D"),
    "split_concat": (ORANGE, "v"),
    "bottleneck": (BLACK, "o"),
    "resnext_sum": (SKY, "D"),
    "resnext_concat": (ORANGE, "v"),
    "resnext_grouped": (VERMILION, "s"),
    "resnext_native": (GREEN, "^"),
}
_DENSE = ("dense", "bottleneck")
_COLOURS = (BLUE, PURPLE, GREEN, ORANGE, SKY, VERMILION)
_SHAPES = ("P", "X", "p", "h", "<", ">", "*", "d")
_LINES = {**dict.fromkeys(_DENSE, (0, (4, 2))), **dict.fromkeys(("grouped", "resnext"), "solid")}
_LONGEST_NAME = 28


@dataclasses.dataclass(frozen=True)
class Mark:
    """How a variant is drawn: colour and shape say which, line and filling say which function it computes."""

    label: str
    colour: str
    shape: str
    line: Any
    filling: str

    def style(self, *, joined: bool) -> dict[str, Any]:
        """Keyword arguments of `Axes.plot` and `Axes.errorbar`."""
        return {
            "color": self.colour,
            "marker": self.shape,
            "linestyle": self.line if joined else "none",
            "markerfacecolor": self.filling,
            "markersize": 5.5,
            "linewidth": 1.4,
        }


def mark_of(row: Row) -> Mark:
    """The mark of the row's variant: by its name alone, so that it is the same in every figure and page."""
    name, function = text_of(row["variant"]), text_of(row["computes"])
    chance = zlib.crc32(name.encode("utf-8", "replace"))
    unknown = (_COLOURS[chance % len(_COLOURS)], _SHAPES[chance // len(_COLOURS) % len(_SHAPES)])
    colour, shape = _KNOWN.get(name, unknown)
    # Matplotlib hides labels that begin with an underscore; a hair space before it is not seen.
    label = f"{shorten(name, _LONGEST_NAME)} ({shorten(function, _LONGEST_NAME)})"
    label = f"\u200a{label}" if label.startswith("_") else label
    return Mark(label, colour, shape, _LINES.get(function, "dotted"), "white" if function in _DENSE else colour)


def legend_entries(rows: Iterable[Row], *, joined: bool) -> list[Line2D]:
    """A legend entry for each variant in `rows`, grouped by function."""
    firsts = {(text_of(row["computes"]), text_of(row["variant"])): row for row in rows}
    marks = [mark_of(firsts[key]) for key in sorted(firsts)]
    return [Line2D([], [], label=mark.label, **mark.style(joined=joined)) for mark in marks]
