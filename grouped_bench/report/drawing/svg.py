"""A drawn figure: its words, its SVG, and how the numbers on its axes are written."""

import dataclasses
import io
import re
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from grouped_bench.report.drawing.night import night_rules
from grouped_bench.units import format_bytes, format_count, format_seconds, significant

STYLE: dict[Any, Any] = {  # the stubs name every key of Matplotlib's by its own literal
    "svg.fonttype": "none",
    "svg.hashsalt": "grouped-bench",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "figure.figsize": (8.0, 6.0),  # of which the width is what a figure may take
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}
DPI = 160
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
    see: str = ""


def svg(figure: Figure, name: str) -> str:
    """SVG whose ids begin with `name`, so that several fit in one page, with its colours for a dark screen."""
    text = io.StringIO()
    # `savefig` draws everything twice, first to nowhere, for layouts that it asks for itself.
    figure.dpi = DPI  # of what is an image in it
    FigureCanvasSVG(figure).print_svg(text, metadata=_NO_DATE)  # type: ignore[no-untyped-call]  # of Matplotlib
    drawing = _TAG.sub(lambda tag: _ID.sub(rf"\g<1>{name}-", tag[0]), text.getvalue())
    return drawing.replace("</svg>", f"<style>{night_rules(drawing)}</style>\n</svg>")


def seconds(value: float) -> str:
    """A tick of a time: `2 ms`."""
    return _tidy(format_seconds(value, 2))


def byte_count(value: float) -> str:
    """A tick of a memory: `16 MiB`."""
    return _tidy(format_bytes(value, 2))


def count(value: float) -> str:
    """A tick of things counted: `50 k`."""
    return _tidy(format_count(value, 2))


def times(value: float) -> str:
    """A tick of a ratio: `0.5×`."""
    return _tidy(f"{significant(value, 2)}×")


def number(value: float) -> str:
    """A tick of a bare number: `0.5`."""
    return _tidy(significant(value, 2))


def _tidy(text: str) -> str:
    """Ticks stand on round numbers: `2.0 ms` is `2 ms` there, `0.10×` is `0.1×`."""
    return re.sub(r"(?:\.0+|(\.\d*?[1-9])0+)(?=\D|$)", r"\1", text)
