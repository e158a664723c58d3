"""Many names in little room: what tells them apart stays, and what most of them begin with goes."""

import re
from collections import Counter
from collections.abc import Sequence

from grouped_bench.report.text import cells

# A beginning that so many of the names share says nothing of one.
_SHARED = 4
_PART = re.compile(r"[^_./]*[_./]+")


def told_apart(names: Sequence[str], width: int) -> list[str]:
    """The names in at most `width` columns each.

    One that fits stays as it is. Another loses what a quarter of the names begin with, and its middle where that is not
    enough.
    """
    counts = Counter(beginning for name in set(names) for beginning in _beginnings(name))
    least = max(2, -(-len(set(names)) // _SHARED))
    return [_fitted(name, counts, least, width) for name in names]


def _fitted(name: str, counts: Counter[str], least: int, width: int) -> str:
    if cells.display_width(name) <= width:
        return name
    shared = max((one for one in _beginnings(name) if counts[one] >= least), key=len, default="")
    return cut(f"…{name.removeprefix(shared)}" if shared else name, width)


def _beginnings(name: str) -> list[str]:
    """Every beginning that ends with a separator."""
    return [name[: part.end()] for part in _PART.finditer(name) if part.end() < len(name)]


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, with … for its middle: the end of a name says as much as its beginning."""
    if cells.display_width(text) <= width:
        return text
    end = (width - 1) // 2
    while end and cells.display_width(text[-end:]) > (width - 1) // 2:
        end -= 1
    tail = text[-end:] if end else ""
    return cells.shorten(text, width - cells.display_width(tail)) + tail
