"""What in a run would name a person, a machine or a place: nothing of it may be published."""

import getpass
import platform
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from grouped_bench.measure.machine.environment import is_recorded
from grouped_bench.space.facts import Facts

# Absolute paths of two names or more, but for those of addresses.
_PATH = re.compile(r"(?<![\w./:~\])-])(?:~|[A-Za-z]:(?=\\))?[/\\](?:[\w.@-]+[/\\])+[\w.@-]*")
_MAIL = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b")
# Names that say nothing, and stand in many words.
_NOBODY = ("root", "user", "localhost", "runner", "ubuntu", "admin")
_SHORTEST_NAME = 4


def leaks(frame: pd.DataFrame, metadata: Facts) -> Iterator[str]:
    """Each place of a run and what stands there: a path, an address, a name of this machine or its user, a variable.

    Args:
        frame, metadata: of the run.
    """
    variables = metadata.get("environment", {}).get("variables", {})
    yield from (f"variable {name}" for name in variables if not is_recorded(name))
    names = _names()
    texts = [*_texts(metadata, "metadata"), *_in_columns(frame)]
    for place, text in texts:
        found = _PATH.search(text) or _MAIL.search(text) or (names.search(text) if names else None)
        if found:
            yield f"{place}: {found[0]}"


def _names() -> re.Pattern[str] | None:
    """Host and user of this machine, where they are names of their own."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # of a user without an entry
        user = ""
    told = {part for name in (platform.node(), user) for part in (name, name.partition(".")[0])}
    known = [name for name in told if len(name) >= _SHORTEST_NAME and name.lower() not in _NOBODY]
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(known)))})\b", re.IGNORECASE) if known else None


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every text within a JSON value, keys too."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield f"{place}, a name", str(name)
            yield from _texts(one, f"{place}.{name}")
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, place)


def _in_columns(frame: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for name in frame:
        for value in frame[name].dropna():
            yield from _texts(value if isinstance(value, str) else list(value) if name == "flags" else None, str(name))
