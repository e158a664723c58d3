"""Drawings as parts of a page: which ones it has, and each as SVG inside HTML."""

import dataclasses
import re
from collections.abc import Iterable

from markupsafe import Markup

from grouped_bench.analyse.pictures import first_picture, telling
from grouped_bench.report.drawing.night import night_rules
from grouped_bench.report.drawing.registry import Drawable, drawn, registered
from grouped_bench.report.drawing.svg import Drawn

# Inches of a screen in a hand.
NARROW = 4.0
_COSTS = ("memory", "tradeoff", "first_call")
_PROLOGUE = re.compile(r"\A.*?(?=<svg\b)", re.DOTALL)
_NAMESPACE = re.compile(r'\sxmlns(:\w+)?="[^"]*"')
_TAG = re.compile(r"<[^>]*>")
_TOO_FINE = re.compile(r"(?<![\d.])([1-9]\d*\.\d\d)\d+|(?<=\n)\s+")
_STYLES = re.compile(r"<defs>\s*<style[^>]*>\*\{[^}]*\}</style>\s*</defs>|<style>@media.*?</style>", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of the page, as it is on a screen; of the first also as it is in a hand."""

    drawn: Drawn
    wide: Markup
    narrow: Markup | None = None

    @property
    def is_of_cost(self) -> bool:
        """Whether it shows what speed costs."""
        return self.drawn.name in _COSTS


def first_drawing(record: Drawable) -> Picture | None:
    """The picture of the first screen; None where there is nothing to draw."""
    name = first_picture(record.answers)
    if name is None:
        return None
    figure = registered()[name]
    wide = drawn(figure, record, titled=False)
    if not wide.svg:
        return None
    narrow = drawn(figure, record, titled=False, inches=NARROW, name=f"{name}-narrow")
    return Picture(wide, inline(wide), inline(narrow))


def other_drawings(record: Drawable) -> list[Picture]:
    """The figures that add something to it, in their order."""
    wanted = set(telling(record.rows))
    found = [drawn(figure, record, titled=False) for name, figure in registered().items() if name in wanted]
    return [Picture(one, inline(one)) for one in found if one.svg]


def by_night(pictures: Iterable[Picture]) -> Markup:
    """The colours of these pictures on a dark screen, as CSS."""
    return Markup(night_rules("".join(part for one in pictures for part in (one.wide, one.narrow or "")), ".drawn "))


def inline(one: Drawn) -> Markup:
    """The figure's SVG for use inside HTML: with its words, without styles that leak out, no finer than is seen."""
    root, rest = _PROLOGUE.sub("", one.svg).split(">", 1)
    root = _NAMESPACE.sub("", root)
    rest = _TAG.sub(lambda tag: _TOO_FINE.sub(r"\1", tag[0]), _STYLES.sub("", rest))
    named = Markup('<svg role="img" aria-label="{}" stroke-linejoin="round" stroke-linecap="butt"').format(one.alt)
    return named + Markup(root.removeprefix("<svg") + ">" + rest)
