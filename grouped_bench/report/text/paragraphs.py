"""Text that fills the lines of a terminal, whose width is known last."""

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator

from grouped_bench.report.text import cells, sheet


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A text that is wrapped, or cut to one line. With an `indent` its second line stands two columns further in."""

    text: str
    indent: int = 0
    is_cut: bool = False

    def lines(self, width: int) -> list[str]:
        """Its lines, of at most `width` columns."""
        if self.is_cut:
            return [cells.shorten(self.text, width)]
        first, others = " " * self.indent, " " * (self.indent + 2 if self.indent else 0)
        return textwrap.wrap(self.text, width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)


# A line stands as it is, such as one of code.
Piece = str | Paragraph | sheet.Sheet


def lines(parts: Iterable[Piece], width: int) -> Iterator[str]:
    """The lines of all parts."""
    for part in parts:
        if isinstance(part, sheet.Sheet):
            yield from sheet.lines(part, width)
        else:
            yield from [part] if isinstance(part, str) else part.lines(width)
