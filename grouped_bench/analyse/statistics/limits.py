"""Latencies that no honest computation on a machine has: more arithmetic or traffic than it can do, or less than an
empty call.
"""

import collections
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from grouped_bench.space.facts import Json

IMPLAUSIBLE = "implausible"
# Fast algorithms multiply less often than is counted: Winograd's F(2x2, 3x3) 2.25 times (Lavin and Gray, 2016).
_FEWER_MULTIPLICATIONS = 2.5
# A call is as dear as an empty one at least; a best of few calls may be off by half.
_SHARE_OF_EMPTY = 0.5
# A peak of the bandwidth is that of one operation; of what a call moves a part may stay in a cache.
_MORE_TRAFFIC = 2.5
_PLACE = ("backend", "env", "threads", "device", "dtype")
# What must be known of a task.
COLUMNS = ("variant", "status", "latency_s", "macs", "min_bytes", "cache", "layout", *_PLACE)


def implausible(rows: Sequence[Mapping[Any, Any]], peaks: Sequence[Json], ours: Collection[str]) -> list[bool]:
    """Of each task of a run whether its latency is impossible.

    The limit of the arithmetic is what the machine's peak was measured to be, or what a variant of this package has
    reached in the run, whichever is more: a peak is measured badly on a busy machine. So is that of the traffic, which
    only cold calls must have: what hot ones read may lie in a cache. Variants of this package set the limits and are
    not held to them.

    Args:
        rows: with COLUMNS.
        peaks: what each backend reached on a device in a dtype; none where none was measured.
        ours: names of the variants of this package.
    """
    measured = [row["status"] == "ok" and bool(row["latency_s"]) for row in rows]
    limits: dict[tuple[str, ...], _Limits] = collections.defaultdict(_Limits)
    for peak in peaks:
        limits[_place(peak)].raise_to(float(peak["flops_per_s"]), float(peak["bytes_per_s"]))
        limits[_place(peak)].call_s = float(peak.get("call_s") or 0.0)
    for row, is_measured in zip(rows, measured, strict=True):
        if is_measured and row["variant"] in ours:
            limits[_place(row)].raise_to(*_rates(row))
    return [
        is_measured and row["variant"] not in ours and _place(row) in limits and limits[_place(row)].excludes(row)
        for row, is_measured in zip(rows, measured, strict=True)
    ]


@dataclasses.dataclass
class _Limits:
    """What a machine is known to reach in one setting: operations and bytes a second, and an empty call's seconds."""

    flops_per_s: float = 0.0
    bytes_per_s: float = 0.0
    call_s: float = 0.0

    def raise_to(self, flops_per_s: float, bytes_per_s: float) -> None:
        """Take note that as much was reached."""
        self.flops_per_s = max(self.flops_per_s, flops_per_s)
        self.bytes_per_s = max(self.bytes_per_s, bytes_per_s)

    def excludes(self, row: Mapping[Any, Any]) -> bool:
        """Whether the latency of the row is beyond one of them."""
        flops_per_s, bytes_per_s = _rates(row)
        computes_too_much = 0 < _FEWER_MULTIPLICATIONS * self.flops_per_s < flops_per_s
        moves_too_much = 0 < _MORE_TRAFFIC * self.bytes_per_s < bytes_per_s
        # The empty call is one of Keras, which a plain module does without.
        least_s = self.call_s if row.get("layout") is None else 0.0
        return computes_too_much or moves_too_much or row["latency_s"] < _SHARE_OF_EMPTY * least_s


def _rates(row: Mapping[Any, Any]) -> tuple[float, float]:
    """Operations and, of cold calls, bytes a second."""
    moved = row["min_bytes"] if row["cache"] == "cold" else None
    return 2 * float(row["macs"] or 0) / float(row["latency_s"]), float(moved or 0) / float(row["latency_s"])


def _place(facts: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(repr(facts.get(name)) for name in _PLACE)
