"""Durations, sizes, shares and counts: read from what a user types, written with the digits that were earned."""

import math
import re

_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4}
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"


def parse_duration(text: str | float) -> float:
    """Seconds of `90`, `90s`, `10m`, `1h30m`. Raises ValueError for anything else."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return _finite(text)
    if not isinstance(text, str):
        raise ValueError("not a duration")
    if re.fullmatch(_NUMBER, text):
        return _finite(text)
    parts = re.findall(rf"{_NUMBER}(us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("not a duration")
    return _finite(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def parse_share(text: str | float) -> float:
    """The fraction of `2%` or `0.02`. Raises ValueError for anything else."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return _finite(text)
    match = re.fullmatch(rf"{_NUMBER}(%?)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a share")
    return _finite(match[1]) / (100 if match[2] else 1)


def parse_bytes(text: str | float) -> int:
    """Bytes of `8GiB`, `512MiB`, `1.5GiB` or a plain number. Raises ValueError for anything else."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return int(_finite(text))
    match = re.fullmatch(rf"{_NUMBER} ?({'|'.join(_BYTES)})?", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a size")
    return int(_finite(_finite(match[1]) * _BYTES[match[2] or "B"]))


def parse_length(text: str) -> float:
    """Inches of `85mm`, `8.5cm` or `3.35in`. Raises ValueError for anything else."""
    match = re.fullmatch(rf"{_NUMBER} ?({'|'.join(_INCHES)})", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a length")
    return _finite(match[1]) * _INCHES[match[2]]


def format_seconds(seconds: float, digits: int = 3) -> str:
    """`seconds` in the unit that leaves one to three digits before the point: `3.71 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        text = significant(seconds / size, digits)
        if float(text) >= 1:
            return f"{text} {unit}"
    return f"{significant(seconds / 1e-9, digits)} ns"


def format_bytes(count: float, digits: int = 3) -> str:
    """`count` bytes in binary units: `12.5 MiB`."""
    return _scaled(count, [(unit, size) for unit, size in reversed(_BYTES.items())], digits, " ")


def format_count(count: float, digits: int = 3) -> str:
    """`count` things in decimal steps: `4.61 k`, `147 k`, `1.2 G`."""
    return _scaled(count, [("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1)], digits, " ").rstrip()


def format_percent(share: float, digits: int | None = None) -> str:
    """`share` as `5%`: in full, or with `digits` significant digits."""
    return f"{100 * share:g}%" if digits is None else f"{significant(100 * share, digits)}%"


def counted(number: int, noun: str) -> str:
    """`1 task`, `3 tasks`: a number of things whose plural takes an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_clock(seconds: float) -> str:
    """A span for people: `0:41`, `12:07`, `1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def earned_digits(value: float, low: float | None, high: float | None) -> int:
    """Significant digits of a value that its interval leaves meaningful, from 2 to 4.

    Args:
        value: the estimate.
        low, high: ends of its interval; None where unknown, which earns 2.
    """
    if low is None or high is None or not high > low or not value:
        return 2
    half = (high - low) / 2 / abs(value)
    return max(2, min(4, 1 + math.ceil(-math.log10(half)))) if 0 < half < math.inf else 2


def significant(value: float, digits: int) -> str:
    """`value` rounded to `digits` significant digits, never in exponent form."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    value = round(value, places)
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, places)}f}"


def _scaled(count: float, units: list[tuple[str, float]], digits: int, gap: str) -> str:
    count = _as_float(count)
    for unit, size in units:
        if abs(count) >= size:
            scaled = count / size
            whole = size == 1 or abs(scaled) >= 10 ** (digits - 1)
            return f"{scaled:.0f}{gap}{unit}" if whole else f"{significant(scaled, digits)}{gap}{unit}"
    return f"{count:.0f}{gap}{units[-1][0]}"


def _as_float(value: str | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _finite(value: str | float) -> float:
    number = _as_float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number
