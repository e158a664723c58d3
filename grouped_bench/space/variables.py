"""Environment variables as an axis: `NAME=value,value`, and the text by which a setting names one combination."""

import itertools
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from grouped_bench.errors import SpaceError

# Makes the environments of all of a run's hosts equally long: their size alone moves timings (Mytkowicz et al. 2009).
PADDING = "GROUPED_BENCH_PADDING"
# Turns TensorFlow's oneDNN on or off.
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# Of each variable its values in the order given; an empty one unsets it.
Choices = dict[str, tuple[str, ...]]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REMEDY = 'Write it like --env TF_ENABLE_ONEDNN_OPTS=0,1, or env = {TF_ENABLE_ONEDNN_OPTS = ["0", "1"]} in TOML'


def choices(given: Any) -> Choices:
    """Values of each variable, from `NAME=value,value` texts or from a table of names to values.

    In a text and in a table's texts commas part the values; a value with a comma in it stands in a list.

    Raises:
        SpaceError: a text without `=`, a name that no variable can have, a variable without a value, or twice.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_parted(text) for text in _texts(given)]
    found: Choices = {}
    for name, values in pairs:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _broken("The name of a variable must consist of letters, digits and _", name)
        if name in found:
            raise _broken("A variable must be given once, with all its values", name)
        found[name] = _values(name, values)
    if not found:
        raise _broken("`env` must name a variable", given)
    return found


def combinations(found: Choices) -> list[str]:
    """Every combination of the values, as `described` writes it, the first of each variable first."""
    return [described(dict(zip(found, values, strict=True))) for values in itertools.product(*found.values())]


def described(values: Mapping[str, str]) -> str:
    """`NAME=value NAME=value`, in words of a shell."""
    return " ".join(f"{name}={shlex.quote(value) if value else ''}" for name, value in values.items())


def parsed(text: str | None) -> dict[str, str]:
    """The values that `described` wrote, an empty one for a variable that is unset; none for None.

    A text that it never wrote, as a stranger's file may hold, is one name.
    """
    try:
        words = shlex.split(text or "")
    except ValueError:
        words = [text or ""]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def applied(environment: Mapping[str, str], text: str | None) -> dict[str, str]:
    """`environment` with the values of `text` in place of its own."""
    values = parsed(text)
    kept = {name: value for name, value in environment.items() if name not in values}
    return kept | {name: value for name, value in values.items() if value}


def _texts(given: Any) -> Iterable[Any]:
    return given if isinstance(given, (list, tuple)) else [given]


def _parted(text: Any) -> tuple[str, Any]:
    name, equals, values = text.partition("=") if isinstance(text, str) else ("", "", "")
    if not equals:
        raise _broken("`env` takes NAME=value,value", text)
    return name.strip(), values


def _values(name: str, given: Any) -> tuple[str, ...]:
    listed = given.split(",") if isinstance(given, str) else given if isinstance(given, (list, tuple)) else [given]
    if not listed:
        raise _broken("A variable must have a value, or an empty one to unset it", f"{name} without any")
    return tuple(dict.fromkeys(_text(name, value) for value in listed))


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or "\0" in str(value):
        raise _broken("A value of a variable must be a text or a number", f"{name} = {value!r}")
    return str(value).strip()


def _broken(rule: str, received: object) -> SpaceError:
    return SpaceError(rule, received=received, remedy=_REMEDY)
