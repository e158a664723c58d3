"""Text as Markdown in which nothing acts: neither markup nor, where the page is a forge's, a name that is called."""

import re
from collections.abc import Iterable

from grouped_bench.report import cells

_MARKUP = re.compile(r"([\\`*{}\[\]<>|~#&]|(?<![^\W_])_|_(?![^\W_]))")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def pipes(texts: Iterable[str]) -> str:
    """A row of a pipe table, its cells as they are."""
    return f"| {' | '.join(texts)} |"


def escape(text: str) -> str:
    """`text` on one line, shown as it is."""
    return _MARKUP.sub(lambda match: _ENTITIES.get(match[1], "\\" + match[1]), cells.clean(text))


def uncalled(escaped: str) -> str:
    """Escaped text in which @name calls nobody: a comment parts the two, which a page does not show."""
    return escaped.replace("@", "@<!-- -->")
