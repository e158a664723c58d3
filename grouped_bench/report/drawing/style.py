"""One colour, shape and line for each variant in every figure, a user's own included."""

import dataclasses
import zlib
from collections.abc import Iterable
from typing import Any

from matplotlib.lines import Line2D

from grouped_bench import variants
from grouped_bench.analyse.rows import DENSE, GROUPED
from grouped_bench.report.text.cells import shorten, text_of
from grouped_bench.store.schema import Task
from grouped_bench.variants.palette import AZURE, BROWN, GREY, INDIGO, PINE, WINE

# Of variants that say nothing of their looks, or are not here.
_COLOURS = (INDIGO, WINE, PINE, AZURE, BROWN, GREY)
_SHAPES = ("*", "d", "H", "8")
_LINES = {**dict.fromkeys(DENSE, (0, (4, 2))), **dict.fromkeys(GROUPED, "solid")}
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


def mark_of(row: Task) -> Mark:
    """The mark of the row's variant: the one that it names, else one drawn from its name; the same in every figure."""
    name, function = text_of(row.variant), text_of(row.computes)
    chance, variant = zlib.crc32(name.encode("utf-8", "replace")), variants.find(name)
    colour = (variant and variant.colour) or _COLOURS[chance % len(_COLOURS)]
    shape = (variant and variant.marker) or _SHAPES[chance // len(_COLOURS) % len(_SHAPES)]
    # Matplotlib hides labels that begin with an underscore; a hair space before it is not seen.
    computes = "" if function == name else f" ({shorten(function, _LONGEST_NAME)})"
    label = shorten(name, _LONGEST_NAME) + computes
    label = f"\u200a{label}" if label.startswith("_") else label
    return Mark(label, colour, shape, _LINES.get(function, "dotted"), "white" if function in DENSE else colour)


def legend_entries(rows: Iterable[Task], *, joined: bool) -> list[Line2D]:
    """A legend entry for each variant in `rows`, grouped by function."""
    firsts = {(text_of(row.computes), text_of(row.variant)): row for row in rows}
    marks = [mark_of(firsts[key]) for key in sorted(firsts)]
    return [Line2D([], [], label=mark.label, **mark.style(joined=joined)) for mark in marks]
