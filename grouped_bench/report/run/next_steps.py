"""What to do after a run: its code, its tables, its page, and how to resume it."""

import dataclasses
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from grouped_bench.analyse.answer import answers
from grouped_bench.space.facts import Facts
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import Location
from grouped_bench.store.journal import resume_command
from grouped_bench.store.schema import Task


@dataclasses.dataclass(frozen=True)
class Next:
    """What a run has just left.

    Attributes:
        path: its file.
        out: the folder or object store of runs that the user named.
        page: whether there is a page beside the file.
        url: of the file in the object store, where it is there.
    """

    path: Path
    out: Location = DEFAULT_OUT
    page: bool = True
    url: str | None = None


def next_steps(rows: Iterable[Task], facts: Facts, after: Next) -> list[str]:
    """A line a command, the first headed `Next:`, and the address of the page.

    Args:
        rows, facts: of the run.
        after: what it has left.
    """
    commands = list(_commands(rows, facts, after))
    told = [f"{'Next:' if place == 0 else '':5} {command}" for place, command in enumerate(commands)]
    page = [f"Page: {after.path.with_suffix('.html').resolve().as_uri()}"] if after.page else []
    return [*told, *page, f"Wrote {after.path}", *([f"Wrote {after.url}"] if after.url else [])]


def _commands(rows: Iterable[Task], facts: Facts, after: Next) -> Iterator[str]:
    run = "latest" if str(after.out) == str(DEFAULT_OUT) else f"latest --out {shlex.quote(str(after.out))}"
    if facts.get("stopped_by") == "user":
        yield resume_command(after.path, after.out)
    if any(answer.faster and answer.first.scope == "layer" for answer in answers(rows)):
        yield f"grouped-bench advise {run} --code > fast_layers.py"
    yield f"grouped-bench show {run}"
