"""Whether what measures is still what this package brought, after foreign code has run in the process.

A wall against mistakes and plain tricks, no prison: code that is imported can do all that this process can.
"""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_OWN = __name__.partition(".")[0]
# What the clock and the check are made of.
_OTHERS = ("time", "numpy")
# Members of a class that compute.
_WRAPPED = (staticmethod, classmethod, property)


class Seal:
    """The functions, classes and methods of this package and of what it measures by, as they are now."""

    def __init__(self) -> None:
        self._known = dict(_members())

    def broken(self) -> list[str]:
        """Names of those that are another object now, have other code, or hide what their class had inherited."""
        now = dict(_members())
        changed = {name for name, known in self._known.items() if not _is_same(known, now.get(name))}
        hiding = {name for name in now.keys() - self._known.keys() if name.rpartition(".")[0] in self._known}
        return sorted(changed | hiding)


def _members() -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and (name.partition(".")[0] == _OWN or name in _OTHERS):
            for word, member in list(vars(module).items()):
                if callable(member):
                    yield f"{name}.{word}", _identity(member)
                if isinstance(member, type) and member.__module__ == name:
                    yield from ((f"{name}.{word}.{part}", _identity(one)) for part, one in _methods(member))


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    return ((part, one) for part, one in list(vars(cls).items()) if callable(one) or isinstance(one, _WRAPPED))


def _identity(member: Any) -> tuple[Any, Any]:
    """The object itself, which keeps it from being freed and its place taken, and its code."""
    return member, getattr(member, "__code__", None)


def _is_same(one: tuple[Any, Any], other: tuple[Any, Any] | None) -> bool:
    return other is not None and one[0] is other[0] and one[1] is other[1]
