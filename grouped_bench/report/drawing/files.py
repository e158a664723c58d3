"""Figures as files: in which formats, how wide, and with their words in the picture or beside it."""

import dataclasses
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from grouped_bench.errors import SpaceError
from grouped_bench.report.drawing.svg import DPI, STYLE, Sketch, svg
from grouped_bench.store.files.temporary import replace, unwritable
from grouped_bench.units import parse_length

FORMATS = ("svg", "png", "pdf")
_NARROWEST, _WIDEST = "40mm", "500mm"
_DPI_IN_PRINT = 300
_LINE = 0.14
# The same file each time.
_NO_FACTS = {"png": {"Software": None}, "pdf": dict.fromkeys(("CreationDate", "Creator", "Producer"))}


@dataclasses.dataclass(frozen=True)
class Print:
    """How figures are written.

    Args:
        formats: of FORMATS.
        inches: width of every figure; None for that of the page.
        captions: whether title and notes stand in a text file beside the figure instead of in it.
    """

    formats: tuple[str, ...] = FORMATS
    inches: float | None = None
    captions: bool = False

    @property
    def style(self) -> dict[Any, Any]:
        """Matplotlib's settings while a figure is drawn."""
        return STYLE if self.inches is None else {**STYLE, "figure.figsize": (self.inches, 6.0)}


@dataclasses.dataclass(frozen=True)
class SavedFigure:
    """The files of a figure, or the reason why there is nothing to draw."""

    name: str
    paths: tuple[Path, ...] = ()
    reason: str = ""


def print_of(formats: str | Sequence[str], width: str | None, *, captions: bool) -> Print:
    """What a user asks for.

    Args:
        formats: names of FORMATS, as a comma list or several.
        width: such as `85mm` or `3.35in`; None for that of the page.
        captions: as of `Print`.

    Raises:
        SpaceError: no such format, or no width that can be drawn.
    """
    names = tuple(dict.fromkeys(formats.split(",") if isinstance(formats, str) else formats))
    if not names or not set(names) <= {*FORMATS}:
        raise SpaceError(
            f"A format of figures must be one of {', '.join(FORMATS)}",
            received=",".join(names),
            remedy="Name one or more, with commas between them",
        )
    return Print(names, None if width is None else _inches(width), captions)


def _inches(width: str) -> float:
    try:
        inches = parse_length(width)
    except ValueError:
        inches = 0.0
    if not parse_length(_NARROWEST) <= inches <= parse_length(_WIDEST):
        raise SpaceError(
            f"The width of a figure must be a length from {_NARROWEST} to {_WIDEST}",
            received=width,
            remedy="Write it with its unit, like 85mm, 8.5cm or 3.35in",
        )
    return inches


def contents(sketch: Sketch, name: str, title: str, how: Print) -> dict[str, bytes]:
    """A figure that was drawn in the style of `how` as content by suffix, the same to the byte for the same figure.

    Args:
        sketch: the figure, which is changed.
        name: of its files.
        title: of the figure, without what all its panels have in common.
        how: formats, width and captions.
    """
    figure = sketch.figure
    words = f"{_caption(figure, title)}\n\nAlternative text: {sketch.alt}\n" if how.captions else ""
    if how.inches is not None:
        figure.set_figwidth(how.inches)
    with matplotlib.rc_context(how.style), warnings.catch_warnings():
        # Of a name in letters that the font lacks; SVG and PDF keep it as text.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        made = {suffix: _content(figure, name, suffix, how) for suffix in how.formats}
    return made | ({"txt": words.encode("utf-8", "backslashreplace")} if words else {})


def _content(figure: Figure, name: str, suffix: str, how: Print) -> bytes:
    if suffix == "svg":
        return svg(figure, name).encode("utf-8", "backslashreplace")
    image = io.BytesIO()
    figure.savefig(image, format=suffix, dpi=DPI if how.inches is None else _DPI_IN_PRINT, metadata=_NO_FACTS[suffix])
    return image.getvalue()


def _caption(figure: Figure, title: str) -> str:
    """Title and notes, which are taken out of the figure: all of its text that stands in none of its panels."""
    texts = [text for text in figure.texts if text.get_text() != figure.get_supylabel()]
    lines = "\n".join([*(text.get_text() for text in texts), *(box.get_title().get_text() for box in figure.legends)])
    for text in texts:
        text.set_visible(False)
        text.set_in_layout(False)
    for legend in figure.legends:
        legend.set_title("")
        legend.set_in_layout(bool(legend.get_texts()))
    figure.set_figheight(figure.get_figheight() - _LINE * len(lines.splitlines()))
    common = " ".join(figure.get_suptitle().split()).removeprefix(title).strip()
    notes = " ".join(lines.split()).removeprefix(" ".join(figure.get_suptitle().split())).strip()
    return " ".join(f"{part.rstrip('.')}." for part in (title, common, notes) if part)


def write(made: dict[str, dict[str, bytes]], folder: Path) -> dict[str, tuple[Path, ...]]:
    """Write the contents of each figure into `folder`, and return their paths.

    Raises:
        OutputError: `folder` cannot be made or written.
    """
    with unwritable("The folder of figures must be writable", folder, "Name another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in made.items():
            for suffix, raw in content.items():
                replace(folder / f"{name}.{suffix}", raw)
    return {name: tuple(folder / f"{name}.{suffix}" for suffix in content) for name, content in made.items()}
