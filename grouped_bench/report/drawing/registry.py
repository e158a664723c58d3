"""The registry of figures: `report.figures` has a module for each."""

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import pandas as pd

from grouped_bench.analyse.answer import Answer, answers
from grouped_bench.analyse.history.history import History, of_enough
from grouped_bench.analyse.rows import is_ok, plain
from grouped_bench.errors import SpaceError
from grouped_bench.report import figures
from grouped_bench.report.drawing.files import Print, SavedFigure, contents, write
from grouped_bench.report.drawing.panels import NothingToDrawError
from grouped_bench.report.drawing.svg import STYLE, Drawn, Sketch, svg
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import Task


@dataclasses.dataclass(frozen=True)
class Drawable:
    """What figures draw: the rows of runs, the run-wide facts of each, and their history where there are enough."""

    rows: Sequence[Task]
    metadata: Sequence[Facts] = ()
    history: History | None = None

    @functools.cached_property
    def answers(self) -> list[Answer]:
        """The answers with a case to show."""
        return [answer for answer in answers(self.rows) if answer.lines]


Draw = Callable[[Drawable, str], Sketch]


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of pages and folders: `draw` takes a record and the title, and gives a sketch; `see` says what to see.

    `draw` raises `NothingToDrawError` with the reason where the record has nothing for it.
    """

    name: str
    title: str
    place: int
    draw: Draw
    see: str = ""


_REGISTRY: dict[str, Figure] = {}


def figure(name: str, title: str, *, place: int, see: str = "") -> Callable[[Draw], Draw]:
    """A decorator that registers a figure.

    Args:
        name: of its files.
        title: as printed above it.
        place: figures with a lower one come first.
        see: what a reader should see in it.
    """

    def register(draw: Draw) -> Draw:
        _REGISTRY[name] = Figure(name, title, place, draw, see)
        return draw

    return register


@functools.cache
def _load() -> None:
    for module in pkgutil.iter_modules(figures.__path__):
        importlib.import_module(f"{figures.__name__}.{module.name}")


def registered() -> dict[str, Figure]:
    """Every figure by its name, in their order."""
    _load()
    return {one.name: one for one in sorted(_REGISTRY.values(), key=lambda one: one.place)}


def draw(frame: pd.DataFrame, metadata: Sequence[Facts] = (), past: History | None = None) -> list[Drawn]:
    """Every registered figure of `frame` as SVG text, the same to the byte for the same frame.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        metadata: the run-wide facts of each run, which may have measured the machine's peak.
        past: the history of the runs, where it is known already.
    """
    record = _record(frame, metadata, past)
    return [drawn(one, record) for one in registered().values()]


def save(
    frame: pd.DataFrame,
    folder: str | Path,
    metadata: Sequence[Facts] = (),
    *,
    names: Sequence[str] = (),
    how: Print | None = None,
) -> list[SavedFigure]:
    """Write figures as `<name>.<format>`, and return the files of each, or why it has nothing to show.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        folder: made where it is missing; files of these names are replaced.
        metadata: the run-wide facts of each run.
        names: of the figures; all where there is none.
        how: formats, width and captions.

    Raises:
        SpaceError: there is no figure of that name, or one of `names` has nothing to show. Nothing is written then.
        OutputError: `folder` cannot be made or written.
    """
    how, chosen, record = how or Print(), _named(names), _record(frame, metadata)
    made, reasons = {}, {}
    for one in chosen:
        try:
            made[one.name] = _contents(one, record, how)
        except NothingToDrawError as reason:
            reasons[one.name] = str(reason)
    if names and reasons:
        raise SpaceError(
            "A figure must have something to draw",
            received="; ".join(f"{name}: {reason}" for name, reason in reasons.items()),
            remedy="Leave it out, or name other runs",
        )
    paths = write(made, Path(folder))
    return [SavedFigure(one.name, paths.get(one.name, ()), reasons.get(one.name, "")) for one in chosen]


def _named(names: Sequence[str]) -> list[Figure]:
    found = registered()
    unknown = [name for name in names if name not in found]
    if unknown:
        known = ", ".join(found)
        raise SpaceError(f"A figure must be one of {known}", received=", ".join(unknown), remedy="Choose one of them")
    return [found[name] for name in dict.fromkeys(names)] or list(found.values())


def _record(frame: pd.DataFrame, metadata: Sequence[Facts], past: History | None = None) -> Drawable:
    return Drawable(plain(frame), metadata, past or of_enough(frame, metadata))


def _sketch(one: Figure, record: Drawable) -> Sketch:
    """The figure, its title in the words of the rows: blocks have paths, and are measured by cardinality."""
    sketch = one.draw(record, worded(one.title, record.rows))
    for place in sketch.figure.axes:
        # What lies inside the axes takes no part in laying them out, which is most of the time that drawing takes.
        for artist in (*place.texts, *place.patches, *place.lines, *place.collections):
            artist.set_in_layout(False)
    return sketch


def worded(title: str, rows: Sequence[Task]) -> str:
    """`title` for these rows: where all that were measured are blocks, their cardinality stands for groups."""
    scopes = {bool(row.cardinality) for row in rows if is_ok(row)}
    if scopes != {True}:
        return title
    return title.replace("number of groups", "cardinality").replace("groups", "cardinality")


def drawn(
    one: Figure, record: Drawable, *, titled: bool = True, inches: float | None = None, name: str | None = None
) -> Drawn:
    """One figure as SVG text, or the reason why there is none.

    Args:
        one: of the registry.
        record: what it draws.
        titled: whether its title is part of the drawing, which it need not be where it stands above.
        inches: its width; that of STYLE unless given.
        name: with which its ids begin; its own unless given, which one page can hold but once.
    """
    with matplotlib.rc_context(STYLE if inches is None else {**STYLE, "figure.figsize": (inches, 6.0)}):
        title = worded(one.title, record.rows)
        try:
            sketch = _sketch(one, record)
        except NothingToDrawError as reason:
            return Drawn(one.name, title, reason=str(reason))
        if not titled:
            sketch.figure.suptitle("").set_in_layout(False)
        return Drawn(one.name, title, sketch.alt, svg(sketch.figure, name or one.name), see=one.see)


def _contents(one: Figure, record: Drawable, how: Print) -> dict[str, bytes]:
    """Content by suffix. Raises NothingToDrawError."""
    with matplotlib.rc_context(how.style):
        return contents(_sketch(one, record), one.name, worded(one.title, record.rows), how)
