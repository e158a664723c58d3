"""The errors that a user can cause, each stated as rule, value received and remedy."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Self

# Characters of a value that an error shows.
SHOWN = 120


class GroupedBenchError(Exception):
    """A command that cannot be carried out as asked.

    Args:
        rule: "{Subject} must {rule}" or "{Subject} takes {values}", a sentence without its full stop. A broken limit
            is named. It never states what is false at that moment.
        received: the offending value, shown as it came.
        remedy: an imperative that suits the command line and Python, a sentence without its full stop.
        limit: characters of `received` that are shown: more where it ends with a reason, which is not to be cut.
    """

    def __init__(self, rule: str, *, received: object, remedy: str, limit: int = SHOWN) -> None:
        self.rule, self.received, self.remedy = rule, received, remedy
        super().__init__(_printable(f"{rule}. Received: {shown(received, limit)}. {remedy}."))

    @property
    def words(self) -> dict[str, str]:
        """What another process needs to raise it: rule, received and remedy."""
        return {"rule": self.rule, "received": str(self.received), "remedy": self.remedy}

    @classmethod
    def of_words(cls, words: Mapping[str, str]) -> Self:
        """The error that another process has met, by its `words`."""
        return cls(words["rule"], received=words["received"], remedy=words["remedy"])


class SpaceError(GroupedBenchError):
    """An option, TOML space or `Space` argument that breaks a rule."""


class UnavailableError(GroupedBenchError):
    """A device, backend or library that is not there."""


class VariantError(GroupedBenchError):
    """A variant of a user's own, or its file or package, that cannot be used."""


class RunError(GroupedBenchError):
    """A run that cannot be found or read."""


class OutputError(GroupedBenchError):
    """A folder or file that cannot be written."""


class HostError(GroupedBenchError):
    """A host process that cannot start or stopped answering."""


class CutShortError(GroupedBenchError):
    """A run that ended before its file was written; its journal keeps what was measured."""


class NotUploadedError(CutShortError):
    """A run that is complete here, as `run`, and that its object store did not take."""

    run: Any = None


def shown(value: object, limit: int = SHOWN) -> str:
    """`value` as it came, in at most `limit` printable characters; what is cut out is its middle."""
    try:
        text = str(value) if isinstance(value, str | PurePath) else repr(value)
    except (RecursionError, ValueError):
        text = f"{type(value).__name__} too large to show"
    return _cut(_printable(_cut(text, limit)), limit) if text.strip() else repr(text)


def _cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, without its middle: the end of a path says more than it."""
    end = limit // 3
    return text if len(text) <= limit else f"{text[: limit - end - 1]}…{text[-end:]}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
