"""One value of the record as text: the digits that it earned, a dash for a null, and no active content."""

import math
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from grouped_bench.analyse.reasons.reasons import explained
from grouped_bench.analyse.rows import groups_of, is_baseline
from grouped_bench.space.case import format_extents
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, earned_digits, format_bytes, format_count, format_seconds, significant

DASH = "—"
# Enough to be one commit's alone in any repository; `git` takes them as they are.
COMMIT_DIGITS = 10
_EXTENTS = ("size", "kernel_size", "stride", "dilation")
_MOST_PLACES = 9
_UNSURE_DIGITS = 2
# An end of an interval beyond these says that nothing is known; its digits would fill the line.
_SMALLEST_END, _LARGEST_END = 1e-6, 1e6


def clean(value: object) -> str:
    """`value` as one line of printable text: control and invisible characters are shown as escapes."""
    text = value if isinstance(value, str) else str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in text)


def display_width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_width, text))


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` columns, with … where something was left out."""
    if display_width(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        used += _width(character)
        if used > width - 1:
            break
        kept += character
    return (kept + "…")[: max(0, width)]


def latency(row: Task) -> str:
    """Seconds an iteration, with half the width of its interval in per cent: `3.71 ms ±2%`."""
    value, low, high = row.latency_s, row.latency_low_s, row.latency_high_s
    if value is None:
        return DASH
    text = format_seconds(value, earned_digits(value, low, high))
    if low is None or high is None or not value:
        return text
    half = 100 * (high - low) / 2 / value
    return f"{text} ±{significant(half, 1 if half < 10 else 2)}%"


def speedup(row: Task) -> str:
    """Ratio against the baseline with its interval: `7.0× [6.8–7.2]`."""
    value, low, high = row.speedup, row.speedup_low, row.speedup_high
    if is_baseline(row):
        return "baseline"
    if value is None:
        return DASH
    return ratio(value, low, high)


def ratio(value: float, low: float | None, high: float | None) -> str:
    """A ratio with its interval: `7.0× [6.8–7.2]`.

    The ends have the decimals of the value, and more where they would be rounded to 1 or 0.

    Args:
        value: the estimate.
        low, high: ends of its interval; None where unknown.
    """
    if low is None or high is None:
        return bare_ratio(value, low, high)
    places = _digits(value, low, high) - 1 - math.floor(math.log10(abs(value))) if value else 2
    return f"{bare_ratio(value, low, high)} [{_end(low, places)}–{_end(high, places)}]"


def bare_ratio(value: float, low: float | None, high: float | None) -> str:
    """A ratio without its interval, `7.0×`, with the digits that the interval has earned.

    Args:
        value: the estimate.
        low, high: ends of its interval; None where unknown, which earns two digits.
    """
    return f"{significant(value, _digits(value, low, high))}×"


def verdict(row: Task) -> str:
    """faster, slower, equivalent or undecided; a dash where no verdict was reached."""
    return text_of(row.verdict)


def memory(row: Task) -> str:
    """Peak memory of a call: `12.5 MiB`, `~52.0 KiB` from the resident set; a dash where it is unknown."""
    if row.peak_memory_bytes is None:
        return DASH
    return f"{'~' if is_coarse(row) else ''}{format_bytes(row.peak_memory_bytes)}"


def is_coarse(row: Task) -> bool:
    """Whether the row's memory was read from the resident set, which moves from reading to reading."""
    return row.peak_memory_bytes is not None and row.memory_source == "resident"


def params(row: Task) -> str:
    """Weights and biases: `4.61 k`."""
    return DASH if row.params is None else format_count(row.params)


def macs(row: Task) -> str:
    """Multiply-accumulates of the whole batch: `1.2 G`."""
    return DASH if row.macs is None else format_count(row.macs)


def outcome(row: Task) -> str:
    """`ok`, or the status and why."""
    status = text_of(row.status)
    return status if row.reason is None else f"{status}: {reason(row)}"


def reason(row: Task) -> str:
    """Why the task was not measured: cause and remedy where they are known, and the framework's words."""
    return text_of(explained(row.reason, row))


def text_of(value: object) -> str:
    """Any other value: extents as typed (`3x3`), lists with commas, a dash for null."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return significant(value, 3) if 1e-4 < abs(value) < 1e6 or value == 0 else f"{value:.3g}"
    if isinstance(value, (tuple, list)):
        return clean(", ".join(text_of(part) for part in value)) or "none"
    return clean(value)


def column_text(row: Task, name: str) -> str:
    """The value of column `name`, written as its unit asks."""
    value = row[name]
    if value is None:
        return DASH
    if name in _EXTENTS:
        return clean(format_extents(value))
    if name.endswith("_s"):
        return _seconds(value)
    if name.endswith("_bytes"):
        return format_bytes(value)
    if name in ("params", "params_total", "macs"):
        return format_count(value)
    return text_of(value)


def _seconds(value: Any) -> str:
    """A time, or the times of a list, which are single readings."""
    if isinstance(value, tuple):
        return ", ".join(DASH if part is None else format_seconds(part, _UNSURE_DIGITS) for part in value) or "none"
    return format_seconds(value) if isinstance(value, (int, float)) else text_of(value)


def fact_text(name: str, value: object) -> str:
    """A run-wide fact: bytes in their unit, other numbers as they are, the rest as `text_of` has it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return text_of(value)
    return format_bytes(value) if name.endswith("_bytes") else str(value)


MEASURES: dict[str, Callable[[Task], str]] = {
    "latency": latency,
    "speed-up": speedup,
    "verdict": verdict,
    "memory": memory,
    "params": params,
}


def commit(name: str, *, dirty: bool = False) -> str:
    """A commit by its first digits, with a + where files differed from it: `0123456789+`."""
    return name[:COMMIT_DIGITS] + ("+" if dirty else "")


def listed(parts: Iterable[Any]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    texts = [str(part) for part in parts]
    return texts[0] if len(texts) == 1 else " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))


def splits(row: Task) -> str:
    """`1 group` of a layer, `32 paths` of a block."""
    return counted(groups_of(row) or 0, "path" if row.cardinality else "group")


def _digits(value: float, low: float | None, high: float | None) -> int:
    """Digits of a ratio; where something is ten times slower and more, two say it."""
    return 2 if abs(value) < 0.1 else earned_digits(value, low, high)


def _end(value: float, places: int) -> str:
    if value and not _SMALLEST_END <= value < _LARGEST_END:
        return f"{value:.0e}"
    text = f"{value:.{max(0, places)}f}"
    while float(text) in (0, 1) and float(text) != value and places < _MOST_PLACES:
        places += 1
        text = f"{value:.{max(0, places)}f}"
    return text


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
