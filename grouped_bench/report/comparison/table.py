"""A comparison as text: a table for people, Markdown for a pull request, JSON, or JUnit XML for a CI system."""

import functools
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from grouped_bench.analyse.compare.compare import Compared
from grouped_bench.analyse.compare.measurements import Measurement
from grouped_bench.analyse.compare.side_selection import Judgement
from grouped_bench.errors import SpaceError
from grouped_bench.report.comparison import exports, headline, words
from grouped_bench.report.text import cells
from grouped_bench.report.text.sheet import grid
from grouped_bench.store.files.temporary import replace, unwritable
from grouped_bench.units import counted

# What the name of a file ends in, and the format that this implies.
_SUFFIXES = {".txt": "table", ".md": "markdown", ".json": "json", ".xml": "junit"}
_MOST_FACTS, _MOST_NAMES, _MOST_TASKS = 12, 20, 100
_INDENT = "  "
_LONGEST_NAME, _LONGEST_NOTE = 300, 3

TextRow = tuple[str, ...]


def render(judgement: Judgement, format: str, *, everything: bool = False, width: int = 80) -> str:
    """A comparison as text.

    Args:
        judgement: what was compared.
        format: `table`, `markdown`, `json` or `junit`.
        everything: whether a table shows unchanged tasks too; the other formats hold them.
        width: columns that no line of a table exceeds.
    """
    if format == "table":
        return _table(judgement, everything=everything, width=width)
    return _FORMATS[format](judgement)


_FORMATS: dict[str, Callable[[Judgement], str]] = {
    "markdown": exports.markdown,
    "json": exports.as_json,
    "junit": exports.junit,
}


def format_of(name: str) -> str:
    """The format that the name of a file implies. Raises SpaceError where it implies none."""
    found = _SUFFIXES.get(Path(name).suffix)
    if found is None:
        raise SpaceError(
            f"A file name must end in one of {', '.join(_SUFFIXES)}",
            received=name,
            remedy="Rename the file; its ending sets the format",
        )
    return found


def save(text: str, path: Path) -> None:
    """Put `text` at `path`, in place of what is there. Raises OutputError."""
    with unwritable("The file of the answer must be writable", path, "Name another file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, text.encode())


def _table(judgement: Judgement, *, everything: bool = False, width: int = 80) -> str:
    """The verdict, differences of environment, what was compared how, then each task that changed or is open."""
    found = judgement.comparison
    lines = [*_wrapped(filter(None, [headline.headline(found), headline.left_open(found)]), width), ""]
    lines += _environment(words.differences(judgement), width)
    lines += _wrapped(
        [
            words.taken("base", judgement.base),
            words.taken("head", judgement.head),
            words.basis(found),
            words.rules(found.thresholds),
        ],
        width,
    )
    shown = [task for task in found.tasks if everything or words.is_notable(task)]
    most = len(shown) if everything else _MOST_TASKS
    lines += _tasks(shown[:most], everything, width)
    rest = len(found.tasks) - len(shown)
    more = len(shown) - most
    closing = [f"{counted(more, 'more task')} like these ({_shows(more)})."] if more > 0 else []
    closing += [f"Unchanged: {counted(rest, 'task')} ({_shows(rest)})."] if rest else []
    closing += [*filter(None, [words.unstable(found)]), *words.cautions(judgement), *words.remedies(judgement)]
    lines += ["", *_wrapped(closing, width)] if closing else []
    for what, one_sided in (("New, only in head", found.new), ("Gone, only in base", found.gone)):
        lines += _names(what, one_sided, width, everything=everything)
    return "\n".join(cells.shorten(line, width).rstrip() for line in lines).rstrip() + "\n"


def _shows(count: int) -> str:
    return f"--all shows {'it' if count == 1 else 'them'}"


def _wrapped(texts: Iterable[str], width: int) -> list[str]:
    wrap = functools.partial(textwrap.wrap, width=width, subsequent_indent=_INDENT, break_on_hyphens=False)
    return [line for text in texts for line in wrap(text)]


def _environment(rows: Sequence[tuple[str, str, str]], width: int) -> list[str]:
    """The facts in which the sides differ, a line or two each."""
    if not rows:
        return []
    told = ["Base and head differ in facts that can change an answer:"]
    for fact, base, head in rows[:_MOST_FACTS]:
        texts = (cells.shorten(text, width) for text in (fact, base, head))
        told += textwrap.wrap(
            "{}: {} in base; {} in head".format(*texts), width, initial_indent=_INDENT, subsequent_indent=2 * _INDENT
        )
    more = len(rows) - _MOST_FACTS
    return [*told, *([f"{_INDENT}and {counted(more, 'more fact')} (--format json)"] if more > 0 else []), ""]


def _tasks(tasks: Sequence[Compared], everything: bool, width: int) -> Iterator[str]:
    """A heading a cohort, and a table of the changes of its tasks."""
    for (case, setting), alike in words.cohorts(tasks):
        yield ""
        for heading in filter(None, (case, setting)):
            yield from textwrap.wrap(heading, width, max_lines=4, placeholder=" …")
        rows, notes = [], []
        for task in alike:
            lines = [words.line(task, one) for one in words.told_changes(task, everything=everything)]
            names = [words.name(task.head), *[""] * len(lines)]
            rows += [
                (label, one.metric, one.base, one.head, one.ratio, one.verdict)
                for label, one in zip(names, lines, strict=False)
            ]
            notes += [one.notes for one in lines]
        yield from _grid(rows, notes, width)


def _grid(rows: Sequence[TextRow], notes: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """The table, each row's notes below it; a name that leaves no room stands on a line of its own."""
    headers = ("task", "metric", *words.HEADERS)
    others = [row[1:] for row in rows]
    columns = zip(headers[1:], *others, strict=True)
    rest = sum(max(map(cells.display_width, column)) + 2 for column in columns) + len(_INDENT)
    room = max(4, width - rest)
    short = [row if cells.display_width(row[0]) <= room else ("", *row[1:]) for row in rows]
    header, rule, *lines = grid([tuple(cells.shorten(text, width) for text in row) for row in short], headers)
    yield _INDENT + header
    yield _INDENT + rule
    for row, line, told, shown in zip(rows, lines, notes, short, strict=True):
        if row[0] != shown[0]:
            yield from textwrap.wrap(cells.shorten(row[0], _LONGEST_NAME), width - 2, initial_indent=_INDENT,
                                     subsequent_indent=2 * _INDENT)  # fmt: skip
        yield _INDENT + line
        for note in told:
            yield from textwrap.wrap(
                note, width, initial_indent=2 * _INDENT, subsequent_indent=2 * _INDENT, max_lines=_LONGEST_NOTE,
                placeholder=" …",
            )  # fmt: skip


def _names(what: str, tasks: Sequence[Measurement], width: int, *, everything: bool) -> list[str]:
    """The tasks that one side alone has, by name."""
    if not tasks:
        return []
    names = words.names(tasks)
    shown = names if everything else names[:_MOST_NAMES]
    told = ["", f"{what}: {counted(len(tasks), 'task')}"]
    for text in shown:
        short = cells.shorten(text, _LONGEST_NAME)
        told += textwrap.wrap(short, width, initial_indent=_INDENT, subsequent_indent=2 * _INDENT)
    more = len(names) - len(shown)
    return [*told, f"{_INDENT}and those of {counted(more, 'more case')} (--all)"] if more else told
