"""From a journal to the frame of its run, whether the run has ended or is still measuring."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from grouped_bench import variants
from grouped_bench.analyse.statistics.derive import derive
from grouped_bench.analyse.statistics.limits import COLUMNS, IMPLAUSIBLE, implausible
from grouped_bench.errors import RunError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.records import read_checked
from grouped_bench.store.rows import make_rows
from grouped_bench.store.runs import as_written
from grouped_bench.store.schema import NAMES

# Of a header, what only going on with its run needs.
_PRIVATE = ("kind", "tasks", "order")
RESUMED = "resumed"
# The kind of record after which a cohort is begun anew, since the node that had begun it is gone.
MOVED = "moved"
# The kind of record that names a node from which on it measures no more.
LEFT = "left"
_UNREACHED = {
    "budget": "the budget ended before it was measured",
    "user": "the user interrupted the run before it was measured",
    None: "the run is unfinished and has not measured it yet",
}


@dataclasses.dataclass(frozen=True)
class Written:
    """A run as its file holds it; `others` are those of a part of it on one device each."""

    frame: pd.DataFrame
    metadata: Facts
    path: Path
    others: "tuple[Written, ...]" = ()


def frame_of(header: Json, records: Sequence[Json], stopped_by: str | None) -> pd.DataFrame:
    """The frame of a run: a row for each task, statistics included.

    Args:
        header, records: what its journal holds.
        stopped_by: what ended it; None for a run that has not ended.
    """
    shared = {name: header[name] for name in ("run_id", "machine")}
    shared["started_at"] = pd.Timestamp(header["started_at"])
    tasks = [{**task, **shared} for task in header["tasks"]]
    unreached = _UNREACHED.get(stopped_by, "not reached")
    frame = pd.DataFrame(make_rows(tasks, measured(records), unreached), columns=list(NAMES), dtype=object)
    margin, peaks = header["control"]["margin"], header.get("peaks") or ()
    derived = derive(frame, margin)
    marked = implausible(derived[list(COLUMNS)].to_dict("records"), peaks, variants.built_in())
    if not any(marked):
        return derived
    flags = [
        [*flags, IMPLAUSIBLE] if is_marked else flags for flags, is_marked in zip(frame["flags"], marked, strict=True)
    ]
    return derive(frame.assign(flags=pd.Series(flags, frame.index, dtype=object)), margin)


def metadata_of(header: Json, records: Sequence[Json], stopped_by: str | None) -> Json:
    """The run-wide facts of a run, without where its time went.

    Args:
        header, records: what its journal holds.
        stopped_by: what ended it; None for a run that has not ended.
    """
    facts = {name: value for name, value in header.items() if name not in _PRIVATE}
    parts = [{name: r[name] for name in ("at", "torn")} for r in records if r["kind"] == RESUMED]
    left = [{name: record[name] for name in ("node", "reason")} for record in records if record["kind"] == LEFT]
    moved = sum(record["kind"] == MOVED for record in records)
    return {
        **facts,
        "stopped_by": stopped_by,
        "finished": stopped_by not in (None, "user"),
        "visits": sum(record["kind"] == "visit" for record in measured(records)),
        **({RESUMED: parts} if parts else {}),
        **({MOVED: moved} if moved else {}),
        **({LEFT: left} if left else {}),
    }


def read_unfinished(path: Path) -> tuple[pd.DataFrame, Facts]:
    """Frame and metadata of the run whose journal is at `path`, as far as it has come.

    Raises:
        RunError: not a journal that can be read.
    """
    header, records, _ = read_checked(path)
    return as_read(header, records, path)


def as_read(header: Json, records: Sequence[Json], path: Path) -> tuple[pd.DataFrame, Facts]:
    """Frame and metadata of a run that has not ended, checked as those of a file are.

    Args:
        header, records: what its journal holds.
        path: of the journal, for the error.

    Raises:
        RunError: the journal holds a value that no run writes.
    """
    try:
        metadata = metadata_of(header, records, None)
        with np.errstate(all="ignore"):  # of samples that no run has, which are refused below
            frame = frame_of(header, records, None)
        return as_written(frame, metadata, path)
    # What a stranger's journal may hold in the place of what ours does; Arrow's exceptions are among these.
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        ArithmeticError,
        NotImplementedError,
    ) as problem:
        raise RunError(
            "A journal must contain what `grouped-bench run` writes",
            received=f"{path.name} ({type(problem).__name__}: {problem})",
            remedy="Measure the run again",
        ) from None


def measured(records: Iterable[Json]) -> list[Json]:
    """The records of what counts: visits and memory, and of a cohort that moved those from where it is now."""
    kept: list[Json] = []
    for record in records:
        if record["kind"] == MOVED:
            kept = [one for one in kept if one["cohort"] != record["cohort"]]
        elif record["kind"] not in (RESUMED, LEFT):
            kept.append(record)
    return kept
