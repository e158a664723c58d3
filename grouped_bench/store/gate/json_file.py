"""A JSON file from elsewhere, read with limits and each key once."""

import collections
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grouped_bench.space.facts import Json

LARGEST_FILE = 256 * 2**20
# Digits of the largest integer that is taken for one.
_MOST_DIGITS = 18


class UnreadableError(Exception):
    """Why a file cannot be read as JSON, in words."""


class DoubledKeyError(Exception):
    """The key that occurs twice in an object."""


def read_tree(path: Path) -> Any:
    """What the JSON at `path` holds. Raises UnreadableError and DoubledKeyError."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise UnreadableError("no such file")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise UnreadableError(f"{size:,} bytes, at most {LARGEST_FILE:,} are read")
        content = path.read_text(encoding="utf-8")
        # Numbers are held to their limits where they are read: a library of somebody's own may leave NaN elsewhere.
        return json.loads(content, parse_int=_integer, object_pairs_hook=_each_key_once)
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from None


def _integer(text: str) -> int | float:
    """The number; a float where Python would take long over so many digits."""
    return int(text) if len(text.lstrip("-")) <= _MOST_DIGITS else float(text)


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> Json:
    """The object of these members."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = collections.Counter(key for key, _ in pairs)
        raise DoubledKeyError(counts.most_common(1)[0][0])
    return found
