"""Why a call takes its time, where the evidence shows it: one rule for each cause, and no guesses."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grouped_bench.space.facts import Facts
from grouped_bench.units import counted, format_count, format_percent, format_seconds

_MOST = 0.5
# From here on a peak is what holds a call back, rather than something else that takes as long.
_NEAR_PEAK, FAR_ABOVE = 0.7, 1.15
_REORDERS = 0.3
_PASSES = {"training": 3, "inference": 1}
# Operators of PyTorch by which it convolves without oneDNN, on a processor.
_SLOW_OPERATOR = re.compile(r"aten::_?(slow_conv|thnn_conv)")
# A path of a block that has convolutions of its own has two or more; three are in a block of one path too.
_OF_PATH, _OF_GROUP = 2, 1


def causes(look: Facts) -> list[str]:
    """A sentence for each known cause, the most important first; none where nothing that was read shows one.

    Args:
        look: one of `harness.explain.Explainer`'s.
    """
    return [sentence for rule in _RULES if look["status"] == "ok" and (sentence := rule(look))]


def _base_dilated(look: Facts) -> str | None:
    """XLA on the CPU turns a grouped weight gradient into one dense convolution of an input spread out by zeros."""
    groups, spatial = _groups(look), len(look["task"]["size"])
    for one in look["instructions"]:
        if groups > 1 and one["macs"] and str(groups) in one["lhs_dilate"].split("x")[spatial:]:
            return (
                f"XLA computes the weight gradient of all {groups} groups as one convolution over an input spread out "
                f"with zeros (lhs_dilate={one['lhs_dilate']}): {format_count(one['macs'])} multiply-accumulates "
                f"where {format_count(one['macs'] / groups)} are needed."
            )
    return None


def _reference(look: Facts) -> str | None:
    """oneDNN falls back on code that is right and not fast."""
    total, seconds = _primitives_s(look), look["primitive_seconds"].get("ref", 0.0)
    if seconds <= _MOST * total or _exceeds_its_call(look):
        return None
    names = dict.fromkeys(p["implementation"] for p in look["primitives"] if p["implementation"].startswith("ref"))
    return (
        f"oneDNN has no optimised kernel for this here: its reference implementation ({', '.join(names) or 'ref'}) "
        f"takes {_share(seconds / total)} of its primitives' time."
    )


def _outside_onednn(look: Facts) -> str | None:
    """PyTorch has loops of its own for what it does not hand to oneDNN."""
    total = sum(one["seconds"] for one in look["kernels"])
    slow = [one for one in look["kernels"] if _SLOW_OPERATOR.match(one["name"])]
    seconds = sum(one["seconds"] for one in slow)
    if not total or seconds <= _MOST * total:
        return None
    names = dict.fromkeys(one["name"] for one in slow)
    return (
        f"PyTorch computes this outside oneDNN: {', '.join(names)} {'takes' if len(names) == 1 else 'take'} "
        f"{_share(seconds / total)} of its operators' time."
    )


def _split(look: Facts) -> str | None:
    """A convolution for each group, where one primitive takes all groups."""
    groups, passes = _groups(look), _PASSES[look["task"]["pass"]]
    # Where XLA hands a convolution to oneDNN both list it.
    made = max(look["primitive_counts"].get("convolution", 0), _convolutions(look["instructions"]))
    each, what = (_OF_PATH, "paths") if look["task"]["cardinality"] else (_OF_GROUP, "groups")
    if groups < 2 or made < groups * each * passes:
        return None
    runs = f"A call runs {counted(made, 'convolution')} for its {groups} {what}"
    return f"{runs}, each with its own launch and small operands."


def _reorders(look: Facts) -> str | None:
    """Time goes into layouts, not into arithmetic."""
    total, seconds = _primitives_s(look), look["primitive_seconds"].get("reorder", 0.0)
    if seconds <= _REORDERS * total or _exceeds_its_call(look):
        return None
    count = look["primitive_counts"].get("reorder", 0)
    return (
        f"oneDNN converts the layout of tensors in every call: {counted(count, 'reorder')} "
        f"{'takes' if count == 1 else 'take'} {_share(seconds / total)} of its primitives' time."
    )


def _call(look: Facts) -> str | None:
    """The framework's own cost of any call."""
    call_s, latency = look["call_s"], look["latency_s"]
    if call_s is None or call_s <= _MOST * latency:
        return None
    return f"The call costs more than its work: a step that computes nothing takes {format_seconds(call_s, 2)} here."


def _between(look: Facts) -> str | None:
    """What the framework does between primitives, unknown to oneDNN."""
    inside, whole = _primitives_s(look), look["logged_s"]
    if not inside or look["instructions"] or inside >= _MOST * whole:
        return None
    return (
        f"oneDNN computes for {format_seconds(inside, 2)} of a call's {format_seconds(whole, 2)}. The framework takes "
        "the rest: the call, copies, and operations that oneDNN does not run."
    )


def _bandwidth(look: Facts) -> str | None:
    """Memory delivers no more."""
    share = look["share_of_bandwidth"]
    if not _is_near(share) or look["min_bytes"] <= look["cache_bytes"]:
        return None
    return f"Memory is the limit: the least traffic alone is {_share(share)} of what a long stream reaches here."


def _arithmetic(look: Facts) -> str | None:
    """Arithmetic units deliver no more."""
    share = look["share_of_peak"]
    if not _is_near(share):
        return None
    return f"Arithmetic is the limit: it reaches {_share(share)} of what a matrix product reaches here."


def _is_near(share: float | None) -> bool:
    """Whether a peak holds it back; far above a peak, it is the peak that was held back while it was read."""
    return share is not None and _NEAR_PEAK <= share <= FAR_ABOVE


_RULES: tuple[Callable[[Facts], str | None], ...] = (
    _base_dilated,
    _reference,
    _outside_onednn,
    _call,
    _split,
    _reorders,
    _between,
    _bandwidth,
    _arithmetic,
)


def _groups(look: Facts) -> int:
    return int(look["task"]["cardinality"] or look["task"]["groups"])


def _primitives_s(look: Facts) -> float:
    return float(sum(look["primitive_seconds"].values()))


def _exceeds_its_call(look: Facts) -> bool:
    """Whether the parts take longer than the call that they are of, so that one of both figures is wrong."""
    whole = look["logged_s"]
    return whole is not None and _primitives_s(look) > FAR_ABOVE * whole


def _convolutions(instructions: Iterable[Mapping[str, Any]]) -> int:
    return sum(one["count"] for one in instructions if "conv" in one["kind"].lower())


def _share(share: float) -> str:
    return format_percent(share, 2)
