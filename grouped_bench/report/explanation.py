"""Why tasks take their time: what ran inside them, as text, as JSON, and for the page."""

import dataclasses
import functools
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from grouped_bench.analyse.reasons.causes import FAR_ABOVE
from grouped_bench.analyse.reasons.reasons import explained
from grouped_bench.report.text.cells import clean
from grouped_bench.space.facts import Facts
from grouped_bench.units import format_count, format_percent, format_seconds, significant

_MOST_PARTS = 6
_LEAST_SHARE = 0.01
# Holds a number and its unit on one line while text is wrapped.
_GLUE = "\N{NO-BREAK SPACE}"
_UNIT = re.compile(r"(?<=\d) (?=[nmµ]?s\b|[kMG]?(?:FLOP/s|B/s|MACs)|[kMG]\b)")
_NO_CAUSE = "No known cause explains this time."
_NOTHING = "The libraries logged no kernels."


@dataclasses.dataclass(frozen=True)
class Told:
    """A look in words: heading, what it reaches, what ran, and causes."""

    heading: str
    where: str
    used: str
    ran: tuple[str, ...]
    causes: tuple[str, ...]


def render(looks: Sequence[Facts], format: str, width: int = 80) -> str:
    """Looks as text.

    Args:
        looks: as `explain` returns them.
        format: `table` or `json`.
        width: columns of a table.
    """
    if format == "json":
        return json.dumps({"schema": 1, "explanations": looks}, indent=1)
    wrapped = functools.partial(_wrapped, width=width)
    lines: list[str] = []
    heading = None
    for look in looks:
        told, peak = tell(look), _peak(look)
        if told.where != heading:
            lines += [""] if heading else []
            heading = told.where
            lines += [*wrapped(clean(look["case"])), *wrapped(clean(look["setting"])), *wrapped(peak)]
        lines += ["", *wrapped(f"{told.heading}: {told.used}")]
        for part in told.ran:
            lines += wrapped(part, "  ")
        for cause in told.causes:
            lines += wrapped(cause, "  → ")
    return "\n".join([*lines, "", *wrapped(" ".join([*_fastest(looks), _NOTE]))])


_NOTE = (
    "These latencies come from one short visit and have no interval. `grouped-bench advise --measure` with the same "
    "case measures them, and names the form to use."
)


def _fastest(looks: Sequence[Facts]) -> Iterator[str]:
    """Of each function with several forms in one setting, the one that was fastest in its visit."""
    alike: dict[tuple[str, str, str], list[Facts]] = {}
    for look in looks:
        if look["status"] == "ok":
            alike.setdefault((look["case"], look["setting"], str(look["task"].get("computes"))), []).append(look)
    for some in alike.values():
        first, *others = sorted(some, key=lambda look: look["latency_s"])
        if others:
            times = significant(others[-1]["latency_s"] / first["latency_s"], 2)
            slowest = clean(others[-1]["variant"])
            yield f"Fastest here: {clean(first['variant'])}, about {times}× faster than {slowest}."


def tell(look: Facts) -> Told:
    """One look in words, safe to print."""
    ok = look["status"] == "ok"
    return Told(
        heading=clean(look["variant"]),
        where=clean(f"{look['case']}, {look['setting']}"),
        used=_used(look) if ok else clean(f"{look['status']}: {_reason(look)}"),
        ran=tuple(_ran(look)) if ok else (),
        causes=tuple(map(clean, look["causes"])) or ((_NO_CAUSE,) if ok else ()),
    )


def told(metadata: Iterable[Mapping[str, Any]]) -> list[Told]:
    """The looks that runs hold, in words, for the page."""
    return [tell(look) for facts in metadata for look in facts.get("explanations") or ()]


def _reason(look: Facts) -> str | None:
    """Why there is no figure; a look from elsewhere may not say which task it is."""
    task = look.get("task")
    return explained(look["reason"], task if isinstance(task, Mapping) else {})


def _used(look: Facts) -> str:
    flops, traffic = _rate(look["flops_per_s"], "FLOP/s"), _rate(look["bytes_per_s"], "B/s")
    return (
        f"{format_seconds(look['latency_s'])} per call, {flops}{_of_peak(look['share_of_peak'])}, "
        f"least traffic {traffic}{_of_peak(look['share_of_bandwidth'])}"
    )


def _of_peak(share: float | None) -> str:
    # Far above a peak, the machine was busy while that was read, or a cache delivered.
    return "" if share is None or share > FAR_ABOVE else f" ({format_percent(share, 2)} of the peak)"


def _rate(value: float, unit: str) -> str:
    """`120 GFLOP/s`."""
    number, _, prefix = format_count(value, 2).partition(" ")
    return f"{number} {prefix}{unit}"


def _peak(look: Facts) -> str:
    peak, call_s = look["peak"], look["call_s"]
    parts = [] if call_s is None else [f"a call that computes nothing: {format_seconds(call_s, 2)}"]
    if peak:
        parts.insert(0, f"peaks: {_rate(peak['flops_per_s'], 'FLOP/s')}, {_rate(peak['bytes_per_s'], 'B/s')}")
    return "; ".join(parts)


def _ran(look: Facts) -> Iterator[str]:
    """A line for each kind of instruction, primitive and kernel, at most `_MOST_PARTS` of each, the longest first."""
    found = [
        *map(_instruction, look["instructions"][:_MOST_PARTS]),
        *map(_primitive, _telling(look["primitives"])),
        *(_kernel(one, look) for one in _telling(look["kernels"])),
    ]
    yield from map(clean, found or [_NOTHING])


def _telling(parts: Sequence[Facts]) -> list[Facts]:
    """Those that take more than a trace of the time."""
    total = sum(one["seconds"] for one in parts)
    return [one for one in parts if one["seconds"] >= _LEAST_SHARE * total][:_MOST_PARTS]


def _instruction(one: Facts) -> str:
    groups = [
        f"{name}={one[key]}"
        for key, name in (("feature_groups", "feature_group_count"), ("batch_groups", "batch_group_count"))
        if one[key] > 1
    ]
    macs = "" if one["macs"] is None else f", {format_count(one['macs'])} MACs"
    return " ".join([f"XLA {one['count']} ×", one["kind"], one["shape"], one["window"], *groups]).rstrip() + macs


def _primitive(one: Facts) -> str:
    named = [one[key] for key in ("kind", "implementation", "propagation", "problem") if one[key]]
    return " ".join([f"oneDNN {one['count']} ×", *named]) + f", {format_seconds(one['seconds'], 2)}"


def _kernel(one: Facts, look: Facts) -> str:
    on_gpu = str(look["task"].get("device", "")).startswith("gpu")
    where = "GPU" if on_gpu else "PyTorch"
    return f"{where} {one['count']} × {one['name']}, {format_seconds(one['seconds'], 2)}"


def _wrapped(text: str, indent: str = "", *, width: int) -> list[str]:
    lines = textwrap.wrap(
        _UNIT.sub(_GLUE, text),
        width,
        initial_indent=indent,
        subsequent_indent=" " * (len(indent) + 2),
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]
