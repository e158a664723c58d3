"""The types of what is written as JSON: messages between processes, records of a journal, run-wide facts of a file."""

from collections.abc import Mapping
from typing import Any, Protocol

# An object of JSON, to be written.
Json = dict[str, Any]
# What was recorded of a run or a machine besides its tasks, to be read: any name may be missing.
Facts = Mapping[str, Any]


class Columns(Protocol):
    """Values by the names of columns: a task, or an object of JSON."""

    def __getitem__(self, name: str, /) -> Any: ...
