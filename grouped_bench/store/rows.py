"""From the records of a run to one row a task: the only place where an outcome is decided."""

from collections.abc import Iterable, Sequence

from grouped_bench.space.facts import Json
from grouped_bench.store.schema import NAMES

# Columns with an entry a visit, each the fact of its record that has the rest of its name.
_OF_VISITS = "visit_"
_VISIT_COLUMNS = tuple(name for name in NAMES if name.startswith(_OF_VISITS) and name != "visit_turn")


def make_rows(tasks: Sequence[Json], records: Iterable[Json], unreached: str) -> list[Json]:
    """One row a task with every column of the schema, statistics still null.

    Args:
        tasks: of each the columns known before it is measured, and under `cohort` the number of its cohort.
        records: `visit` and `memory` records in the order in which they were made.
        unreached: reason of a task that no visit reached.
    """
    by_cohort: dict[int, list[Json]] = {}
    for record in records:
        by_cohort.setdefault(record["cohort"], []).append(record)
    return [_row(task, by_cohort.get(task["cohort"], []), unreached) for task in tasks]


def _row(task: Json, records: Sequence[Json], unreached: str) -> Json:
    variant = task["variant"]
    visits = [record for record in records if record["kind"] == "visit"]
    memory = next((r for r in records if r["kind"] == "memory" and r["variant"] == variant), {})
    built = [visit["built"][variant] for visit in visits if variant in visit["built"]]
    failure: Json = next((visit["failed"][variant] for visit in visits if variant in visit["failed"]), {})
    timed = [visit for visit in visits if visit["samples"]]
    measured = any(variant in visit["samples"] for visit in timed)
    beside = [_beside(visit, variant) for visit in timed]
    reference = max(filter(None, beside), key=beside.count, default=None)
    row: Json = {name: task.get(name) for name in NAMES}
    row.update(
        status=failure.get("status", "ok" if measured else "interrupted"),
        reason=failure.get("reason", None if measured else _unreached(visits, unreached, variant)),
        relative_error=_relative_error(built, failure),
        first_calls_s=[build["first_call_s"] for build in built],
        peak_memory_bytes=memory.get("peak_bytes"),
        memory_source=memory.get("source"),
        energy_j=memory.get("energy_j"),
        samples_s=[_visit_samples(visit, variant) for visit in timed],
        reference_s=[
            _visit_reference(visit, reference if name == reference else None)
            for visit, name in zip(timed, beside, strict=True)
        ],
        iterations=built[0]["iterations"] if built else None,
        flags=["memory_failed"] if memory.get("status") not in (None, "interrupted") else [],
        reference=reference,
        visit_turn=[visit["turn"] for visit in timed] if all("turn" in visit for visit in timed) and timed else None,
        choice=next((build["choice"] for build in built if "choice" in build), None),
    )
    row |= {name: [visit.get(name.removeprefix(_OF_VISITS)) for visit in timed] for name in _VISIT_COLUMNS}
    row["macs"] = next((build["macs"] for build in built if "macs" in build), row["macs"])
    return row


def _unreached(visits: Sequence[Json], why: str, variant: str) -> str:
    """Why a task has no samples though it did not fail: which other ended its visit, if it had one."""
    cut = next((visit["cut_short"] for visit in reversed(visits) if "cut_short" in visit), None)
    if cut is not None:
        whose = "" if cut["variant"] in (variant, None) else f", in the turn of {cut['variant']}"
        return f"{cut['reason']}{whose}"
    failed = [(name, one["status"]) for visit in visits for name, one in visit["failed"].items()]
    return f"{failed[-1][0]} ended its visit ({failed[-1][1]}), and {why}" if failed else why


def _visit_samples(visit: Json, variant: str) -> list[float | None]:
    rounds = len(next(iter(visit["samples"].values())))
    return list(visit["samples"].get(variant) or [None] * rounds)


def _beside(visit: Json, variant: str) -> str | None:
    """Which reference workload the variant was set beside; None where none was."""
    if isinstance(visit["reference"], dict):
        return (visit.get("beside") or {}).get(variant)
    return "machine" if any(visit["reference"] or ()) else None


def _visit_reference(visit: Json, name: str | None) -> list[float | None] | None:
    """The samples of the reference workload `name`, which all visits of a task have in common or lack."""
    made: dict[str, list[float | None]] | list[float | None] | None = visit["reference"]
    if isinstance(made, dict):
        return made.get(name or "") or [None] * len(next(iter(visit["samples"].values())))
    return made


def _relative_error(built: Sequence[Json], failure: Json) -> float | None:
    found = [build["relative_error"] for build in (*built, failure) if "relative_error" in build]
    return max(found) if found else None
