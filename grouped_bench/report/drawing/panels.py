"""Small multiples: which rows may share a panel, and what each panel is called."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from grouped_bench.analyse.rows import groups_of, key_of, varying, widths
from grouped_bench.report.text.cells import clean, column_text, shorten
from grouped_bench.space.case import layout_title
from grouped_bench.store import schema
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

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
    "layout": "",
}


class NothingToDrawError(Exception):
    """The reason why a frame has nothing for a figure to show."""


T = TypeVar("T", bound=Task)
Shown_co = TypeVar("Shown_co", bound=Task, covariant=True)


@dataclasses.dataclass(frozen=True)
class Panel(Generic[Shown_co]):
    """Rows that are alike in all that the figure does not show, and the words that distinguish them."""

    title: str
    rows: tuple[Shown_co, ...]


@dataclasses.dataclass(frozen=True)
class Panels(Generic[Shown_co]):
    """The panels to draw, what all of them have in common, and what was left out."""

    shown: tuple[Panel[Shown_co], ...]
    common: str
    left_out: str

    @property
    def rows(self) -> list[Shown_co]:
        """The rows of all panels shown."""
        return [row for panel in self.shown for row in panel.rows]


def split(rows: Sequence[T], names: Sequence[str], *, most: int = MOST_PANELS, always: Sequence[str] = ()) -> Panels[T]:
    """`rows` in panels of equal `names`, at most `most`: the fullest of each backend and pass in turn.

    A panel is called by the names in which panels differ, and by those in `always`.
    """
    found: dict[Any, list[T]] = {}
    key = key_of(names)
    for row in rows:
        found.setdefault(key(row), []).append(row)
    kept = _chosen(list(found.values()), most)
    firsts = [panel[0] for panel in found.values()]
    differing = [name for name in names if name in always or varying(firsts, [name])]
    panels = tuple(Panel(describe(panel[0], differing), tuple(panel)) for panel in kept)
    alike = [name for name in names if name not in differing]
    left_out = (
        f"{len(kept)} of {counted(len(found), 'panel')} shown: those with the most points of each backend and pass"
        if len(kept) < len(found)
        else ""
    )
    return Panels(panels, describe(rows[0], alike, brief=True), left_out)


def _chosen(found: list[list[T]], most: int) -> list[list[T]]:
    """In turns: each run and backend, and of each its passes and ranks, the fullest panels first."""
    largest = sorted(range(len(found)), key=lambda i: (-len(found[i]), i))
    turns = _turns(largest, [(*_setting(rows[0]), rows[0].pass_, rows[0].rank) for rows in found])
    of_setting = _turns(sorted(largest, key=lambda i: turns[i]), [_setting(rows[0]) for rows in found])
    order = sorted(largest, key=lambda i: (of_setting[i], turns[i]))
    return [found[i] for i in sorted(order[:most])]


def _turns(order: Iterable[int], kinds: Sequence[tuple[Any, ...]]) -> dict[int, int]:
    """The place of each in `order` among those of its kind."""
    counts: dict[tuple[Any, ...], int] = {}
    turns = {}
    for i in order:
        turns[i] = counts[kinds[i]] = counts.get(kinds[i], 0) + 1
    return turns


def _setting(row: Task) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("run_id", "machine", "backend", "execution", "device"))


def describe(row: Task, names: Iterable[str], *, brief: bool = False) -> str:
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


def _words(row: Task, name: str, names: Sequence[str]) -> str:
    if name == "layout":
        return layout_title(row.layout)
    if row[name] is None or (name == "scope" and row[name] == "layer"):
        return ""
    if name == "in_channels":
        return f"{column_text(row, name)}→{column_text(row, 'out_channels')}"
    if name == "out_channels":
        return "" if "in_channels" in names else f"→{column_text(row, name)}"
    if name == "computes" and row.computes == row.variant and "variant" in names:
        return ""
    text = column_text(row, name)
    return _WORDS[name](text) if name in _WORDS else f"{name} {text}"


def _usual(row: Task, name: str) -> bool:
    if name == "layout":
        return row.layout is None
    return name == "run_id" or set(column_text(row, name).split("x")) == {_UNSAID[name]}


def groups_label(rows: Sequence[Task]) -> str:
    """What `groups_of` counts in all of `rows`, with the widths that go with it."""
    names = {"cardinality" if row.cardinality else "groups" for row in rows}
    told = f" (width {', '.join(map(str, widths(rows)))})" if widths(rows) else ""
    return " or ".join(sorted(names, reverse=True)) + told


def lines(rows: Iterable[T]) -> Iterator[tuple[T, list[T]]]:
    """The rows of each variant in the order of their groups, with one row that stands for them."""
    found: dict[tuple[Any, Any], list[T]] = {}
    for row in sorted(rows, key=lambda row: groups_of(row) or 0):
        found.setdefault((str(row.computes), str(row.variant)), []).append(row)
    for key in sorted(found):
        yield found[key][0], found[key]
