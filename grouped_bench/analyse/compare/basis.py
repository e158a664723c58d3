"""How the latencies of two sides are set against each other: as they are, or over a reference workload's."""

import dataclasses
from collections.abc import Sequence

from grouped_bench.analyse.compare.measurements import Measurement
from grouped_bench.analyse.environment.differences import slows_alike
from grouped_bench.units import counted

NORMALISED, RAW, PAIRED, BOTH = "normalised", "raw", "paired", "paired and normalised"
# What a comparison has whose tasks have several.
MIXED = "mixed"
RELATIVE = (NORMALISED, BOTH)
_Pair = tuple[Measurement, Measurement]


@dataclasses.dataclass(frozen=True)
class Basis:
    """How the latencies of some tasks were set against each other, and for what reason."""

    name: str
    why: str


def bases_of(pairs: Sequence[_Pair], changed: Sequence[str], *, paired: bool) -> dict[str, Basis]:
    """The basis of the tasks of each backend and execution, as `place_of` names them.

    Args:
        pairs: each task in base and head.
        changed: facts of the environment in which the sides differ.
        paired: whether the visits of both sides were made side by side, in one order.
    """
    found: dict[str, list[_Pair]] = {}
    for pair in pairs:
        found.setdefault(place_of(pair[1]), []).append(pair)
    return {place: _basis(alike, changed, paired) for place, alike in found.items()}


def place_of(task: Measurement) -> str:
    """What decides which changes a task feels: its backend and execution."""
    return " ".join(str(task.columns[name]) for name in ("backend", "execution") if task.columns.get(name))


def are_relative(base: Measurement, head: Measurement) -> bool:
    """Whether both were timed beside the same reference workload."""
    return bool(base.relative and head.relative) and base.reference == head.reference


def is_elsewhere(base: Measurement, head: Measurement) -> bool:
    """Whether the two were measured on different machines."""
    return bool(base.columns.get("machine") != head.columns.get("machine"))


def _basis(pairs: Sequence[_Pair], changed: Sequence[str], paired: bool) -> Basis:
    """That of tasks of one backend and execution."""
    columns = pairs[0][1].columns
    felt = [fact for fact in changed if slows_alike(fact, columns.get("backend"), columns.get("execution"))]
    found = _of_runs(pairs, felt)
    if not paired:
        return found
    told = "both sides were visited in turns"
    return Basis(BOTH, f"{told}, and {found.why}") if found.name == NORMALISED else Basis(PAIRED, told)


def _of_runs(pairs: Sequence[_Pair], felt: Sequence[str]) -> Basis:
    """That of two runs at different moments, between which such facts changed."""
    measured = [pair for pair in pairs if all(one.latencies for one in pair)]
    without = sum(not are_relative(*pair) for pair in measured)
    versions = any(
        base.columns.get("backend_version") != head.columns.get("backend_version") for base, head in measured
    )
    if any(is_elsewhere(base, head) for base, head in measured):
        why = "the machines differ, so each latency is divided by that of the reference workload beside it"
        return Basis(NORMALISED, why + (", which is another version's" if versions else ""))
    reason = _why_raw(without, len(measured), versions, felt)
    if reason:
        return Basis(RAW, f"{reason}, so a slower machine shows as a change")
    return Basis(NORMALISED, "each latency is divided by that of the reference workload beside it")


def _why_raw(without: int, measured: int, versions: bool, felt: Sequence[str]) -> str | None:
    """What keeps latencies from being divided by those of the reference workload beside them."""
    if without:
        return f"{without} of {counted(measured, 'task')} lack a common reference workload"
    if versions:
        return "the version of the backend and its reference workload differ"
    return f"{', '.join(felt)} changed, also for the reference workload" if felt else None
