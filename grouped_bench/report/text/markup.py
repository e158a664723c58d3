"""Text as Markdown without active content: no markup and, on a forge's page, no name, link or number."""

import re
from collections.abc import Iterable

from grouped_bench.report.text import cells

_MARKUP = re.compile(r"([\\`*{}\[\]<>|~#&]|(?<![^\W_])_|_(?![^\W_]))")
# What GitHub makes links of, to where it is parted: @name, #1, https://, www., GH-1, and in long ids every six digits,
# since seven are an id. Ids of ten, as this project writes them, can lead to commits of the page's repository alone.
_LINKED = re.compile(r"@|#(?=\d)|:(?=//)|www(?=\.)|(?<![a-z])gh(?=-\d)", re.IGNORECASE)
_LONG_ID = re.compile(r"[0-9a-f]{11,}", re.IGNORECASE)
_FEW_DIGITS = re.compile(r".{6}(?=.)")
_PARTED = r"\g<0><!-- -->"
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def pipes(texts: Iterable[str]) -> str:
    """A row of a pipe table, its cells as they are."""
    return f"| {' | '.join(texts)} |"


def escape(text: str) -> str:
    """`text` on one line, shown as it is."""
    return _MARKUP.sub(lambda match: _ENTITIES.get(match[1], "\\" + match[1]), cells.clean(text))


def uncalled(escaped: str) -> str:
    """Escaped text that calls nobody and links to nothing: a comment parts it, which a page does not show."""
    parted = _LINKED.sub(_PARTED, escaped)
    return _LONG_ID.sub(lambda match: _FEW_DIGITS.sub(_PARTED, match[0]), parted)
