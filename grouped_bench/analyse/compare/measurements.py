"""The tasks of one side of a comparison: statuses, one latency a visit, memory, first calls, parameters."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse.statistics import derive, tasks
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.analyse.statistics.tasks import Value
from grouped_bench.errors import RunError
from grouped_bench.space.facts import Json
from grouped_bench.store.gate.steps import StepRow
from grouped_bench.store.schema import COHORT_KEY

Key = tuple[Any, ...]
NOT_REACHED = "interrupted"
# What names a step of a project, and tells of it.
_OF_STEPS = ("name", "group", "backend", "backend_version", "execution", "count", "is_whole", "label")
_NAMED = (*COHORT_KEY, "variant", "computes", "label", "backend_version", "machine", "reference")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A task as one side measured it.

    `latencies` are in seconds and `relative` are logarithms of the latency over the reference workload's in the same
    rounds; both have a value a visit, `relative` none where nothing was measured beside the task. `first_calls` are in
    seconds, one a process. `columns` identify the task: those of the record, or only `name` and `group` for a
    benchmark of another tool.
    """

    columns: Mapping[str, Any]
    status: str
    reason: str | None = None
    latencies: tuple[Value, ...] = ()
    relative: tuple[Value, ...] = ()
    first_calls: tuple[float, ...] = ()
    memory_bytes: int | None = None
    memory_source: str | None = None
    params: int | None = None
    flags: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """Which reference workload was timed beside it: the machine's, where the run does not say which."""
        return self.columns.get("reference") or "machine"


Side = dict[Key, Measurement]


def of_frames(frames: Sequence[pd.DataFrame]) -> Side:
    """The tasks of one run, or of several that are taken for repetitions of one: their processes are pooled.

    Of a task that several runs measured the status is the worst, so that no failure is lost; a run that did not come
    to it does not count.

    Raises:
        RunError: samples, reference and visits of a row that do not line up, as in no file that a run has written.
    """
    found: dict[Key, list[Measurement]] = {}
    for number, frame in enumerate(frames):
        for record in frame.to_dict("records"):
            one = _of_record({str(name): value for name, value in record.items()}, number)
            found.setdefault(_key(one.columns), []).append(one)
    return {key: _pooled(alike) for key, alike in found.items()}


def of_benchmarks(files: Sequence[Sequence[Mapping[str, Any]]], errors: Sequence[str] = ()) -> Side:
    """The benchmarks of pytest-benchmark's files, each file a process.

    Args:
        files: of each file its benchmarks as `store.gate.benchmarks` reads them.
        errors: names of benchmarks that ended without figures in one of the files.
    """
    found: dict[Key, list[Measurement]] = {}
    for number, benchmarks in enumerate(files):
        for one in benchmarks:
            visit = Visit(number)
            seconds, reference = one["median_s"], one["reference_s"]
            relative = (Value(float(np.log(seconds / reference)), visit),) if reference else ()
            told = {name: one[name] for name in ("name", "group", "machine", "params")}
            made = Measurement(told, "ok", latencies=(Value(seconds, visit),), relative=relative)
            found.setdefault((one["name"],), []).append(made)
    for name in errors:
        known = found.setdefault((name,), [])
        nothing: Mapping[str, Any] = {"name": name, "group": None, "machine": None, "params": None}
        known.append(Measurement(known[0].columns if known else nothing, "error", "it ended without figures"))
    return {key: _pooled(alike) for key, alike in found.items()}


def of_steps(files: Sequence[Sequence[StepRow]], machines: Sequence[str | None]) -> Side:
    """The steps of a project in one file, or in several that are taken for repetitions of one.

    Args:
        files: of each file its steps.
        machines: of each file the machine that measured it.
    """
    found: dict[Key, list[Measurement]] = {}
    for number, (rows, machine) in enumerate(zip(files, machines, strict=True)):
        for row in rows:
            columns = {**{name: getattr(row, name) for name in _OF_STEPS}, "machine": machine}
            told = Measurement(
                columns, row.status, row.reason, first_calls=tuple(row.first_calls_s), params=row.params,
                memory_bytes=row.peak_memory_bytes, memory_source=row.memory_source,
            )  # fmt: skip
            if not row.samples_s and row.status == "ok":
                told = dataclasses.replace(told, status=NOT_REACHED, reason="no visit was made")
            found.setdefault((row.name,), []).append(_timed(told, row.model_dump(), number))
    return {key: _pooled(alike) for key, alike in found.items()}


def _key(columns: Mapping[str, Any]) -> Key:
    return tuple(columns[name] for name in (*COHORT_KEY, "variant"))


def _of_record(record: Json, run: int) -> Measurement:
    """The task of a row."""
    named = {name: plain(record[name]) for name in _NAMED}
    measured = Measurement(
        named,
        str(record["status"]),
        plain(record["reason"]),
        memory_bytes=plain(record["peak_memory_bytes"]),
        memory_source=plain(record["memory_source"]),
        params=plain(record["params"]),
        first_calls=_told(record["first_calls_s"]),
        flags=_told(record["flags"]),
    )
    if measured.status == "ok" and derive.has_values(record["samples_s"]):
        check_lines_up(record)
    return _timed(measured, record, run)


def _timed(measured: Measurement, record: Mapping[str, Any], run: int) -> Measurement:
    """With what its visits say, where it worked and was timed; processes of different runs get different numbers."""
    if measured.status != "ok" or not derive.has_values(record["samples_s"]):
        return measured
    visits = [dataclasses.replace(one, process=one.process + (run << 32)) for one in derive.visits_of(record)]
    latencies = tasks.latencies(record["samples_s"], visits)
    has_reference = derive.has_values(record["reference_s"])
    relative = tasks.log_ratios(record["samples_s"], record["reference_s"], visits) if has_reference else []
    return dataclasses.replace(measured, latencies=tuple(latencies), relative=tuple(relative))


def check_lines_up(record: Mapping[str, Any]) -> None:
    """Raise RunError unless the lists of a row that has samples go together, visit by visit and round by round."""
    if not _lines_up(record):
        raise RunError(
            "The samples, reference times and visits of a task must have matching lengths",
            received=f"run {record['run_id']}, variant {record['variant']}",
            remedy="Measure the run again, and do not use that file",
        )


def _pooled(alike: Sequence[Measurement]) -> Measurement:
    """One measurement of several of one task."""
    reached = [one for one in alike if one.status != NOT_REACHED]
    failed = next((one for one in reached if one.status != "ok"), None)
    if len(reached) < 2 or failed is not None:
        return failed or (reached or alike)[0]
    first, *_ = alike = reached
    source = next((one.memory_source for one in alike if one.memory_bytes is not None), None)
    # What one source counts cannot be compared with what another does.
    memory = [one.memory_bytes for one in alike if one.memory_bytes is not None and one.memory_source == source]
    return dataclasses.replace(
        first,
        latencies=_joined(one.latencies for one in alike),
        # Of runs without a reference nothing can be set against those with one.
        relative=_joined(one.relative for one in alike) if all(one.relative for one in alike) else (),
        first_calls=_joined(one.first_calls for one in alike),
        memory_bytes=round(float(np.median(memory))) if memory else None,
        memory_source=source,
        flags=tuple(dict.fromkeys(flag for one in alike for flag in one.flags)),
    )


def _joined(parts: Iterable[Sequence[Any]]) -> tuple[Any, ...]:
    return tuple(value for part in parts for value in part)


def _told(values: Any) -> tuple[Any, ...]:
    """A list column without its nulls."""
    return tuple(value for value in plain(values) or () if value is not None)


def _lines_up(record: Mapping[str, Any]) -> bool:
    """Whether a row with samples has a process a visit, and its other lists as many visits and rounds as samples."""
    samples, reference = record["samples_s"], record["reference_s"]
    if not derive.has_values(record["visit_process"]) or None in plain(record["visit_process"]):
        return False
    lists = [record[name] for name in ("visit_process", "visit_stolen", "visit_throttled", "reference_s")]
    if any(derive.has_values(values) and len(values) != len(samples) for values in lists):
        return False
    beside = reference if derive.has_values(reference) else samples
    return all(_length(one) == _length(other) != -1 for one, other in zip(samples, beside, strict=True))


def _length(values: Any) -> int:
    """Of a list; -1 where there is none."""
    return len(values) if isinstance(values, (list, tuple, np.ndarray)) else -1


def plain(value: Any) -> Any:
    """A cell without pandas' own nulls and arrays."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(plain(part) for part in value)
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
