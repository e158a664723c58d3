"""Latencies that no honest computation on a machine has: more arithmetic than it can do, or less than an empty call."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from grouped_bench.space.facts import Json

IMPLAUSIBLE = "implausible"
# Fast algorithms multiply less often than is counted: Winograd's F(2x2, 3x3) 2.25 times (Lavin and Gray, 2016).
_FEWER_MULTIPLICATIONS = 2.5
# A call is as dear as an empty one at least; a best of few calls may be off by half.
_SHARE_OF_EMPTY = 0.5
_PLACE = ("backend", "env", "threads", "device", "dtype")
# What must be known of a task.
COLUMNS = ("variant", "status", "latency_s", "macs", *_PLACE)


def implausible(rows: Sequence[Mapping[Any, Any]], peaks: Sequence[Json], ours: Collection[str]) -> list[bool]:
    """Of each task of a run whether its latency is impossible.

    The limit of the arithmetic is what the machine's peak was measured to be, or what a variant of this package has
    reached in the run, whichever is more: a peak is measured badly on a busy machine. Variants of this package set the
    limit and are not held to it.

    Args:
        rows: with COLUMNS.
        peaks: what each backend reached on a device in a dtype; none where none was measured.
        ours: names of the variants of this package.
    """
    measured = [row["status"] == "ok" and bool(row["latency_s"]) for row in rows]
    rates: dict[tuple[str, ...], float] = {}
    empty: dict[tuple[str, ...], float] = {}
    for peak in peaks:
        place = _place(peak)
        rates[place] = max(rates.get(place, 0.0), float(peak["flops_per_s"]))
        if peak.get("call_s"):
            empty[place] = float(peak["call_s"])
    for row, is_measured in zip(rows, measured, strict=True):
        if is_measured and row["variant"] in ours:
            rates[_place(row)] = max(rates.get(_place(row), 0.0), _rate(row))
    return [
        is_measured and row["variant"] not in ours and _is_beyond(row, rates, empty)
        for row, is_measured in zip(rows, measured, strict=True)
    ]


def _is_beyond(row: Mapping[Any, Any], rates: Mapping[tuple[str, ...], float], empty: Mapping[Any, float]) -> bool:
    place = _place(row)
    is_too_much = place in rates and _rate(row) > _FEWER_MULTIPLICATIONS * rates[place]
    return is_too_much or row["latency_s"] < _SHARE_OF_EMPTY * empty.get(place, 0.0)


def _rate(row: Mapping[Any, Any]) -> float:
    """Operations a second."""
    return 2 * float(row["macs"] or 0) / float(row["latency_s"])


def _place(facts: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(repr(facts.get(name)) for name in _PLACE)
