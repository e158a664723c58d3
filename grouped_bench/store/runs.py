"""Runs as Parquet files: written whole or not at all, found by name, and refused in words when foreign."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from grouped_bench.errors import OutputError, RunError, shown
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.checks import LARGEST_METADATA, metadata_problem, size_problem, value_problem
from grouped_bench.store.files.compaction import MANIFEST, TASKS
from grouped_bench.store.files.object_store import LATEST, Location, ObjectStore, copies, in_store, is_url, local_folder
from grouped_bench.store.files.temporary import beside, unwritable
from grouped_bench.store.frames import frame_of
from grouped_bench.store.identity import identified
from grouped_bench.store.journal import SUFFIX, synchronise_folder
from grouped_bench.store.older import as_now
from grouped_bench.store.schema import LATER, METADATA_KEY, SCHEMA_VERSION, arrow_schema
from grouped_bench.units import counted

# Of trainings, which are no run.
LEARNING = ".learning.parquet"
_NO_RUNS = (LEARNING, TASKS, MANIFEST)
_ROWS_AT_ONCE = 500
_COMPACT: Json = {
    **{"compression_level": 19, "use_dictionary": False},  # zstd finds what repeats by itself
    **{"write_statistics": False, "store_schema": False},
}


def write_run(frame: pd.DataFrame, metadata: Facts, path: Path, *, compact: bool = False) -> Path:
    """Write `frame` and `metadata` to `path`; a reader sees the old file or the new one, never a part.

    A compact file leaves out descriptions of the columns, which would be most of a small one.
    """
    facts = {METADATA_KEY: json.dumps(metadata).encode()}
    schema = arrow_schema().with_metadata(facts)
    with unwritable("The file of a run must be writable", path, "Free disk space, or name another folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside(path) as fresh:
            with pq.ParquetWriter(fresh, schema, compression="zstd", **(_COMPACT if compact else {})) as writer:
                if compact:  # which does not store the schema that the facts stand in
                    writer.add_key_value_metadata(facts)
                for start in range(
                    0, max(1, len(frame)), _ROWS_AT_ONCE
                ):  # a table of all would double what a long run holds
                    writer.write_table(to_table(frame.iloc[start : start + _ROWS_AT_ONCE]).cast(schema))
            with fresh.open("rb") as file:
                os.fsync(file.fileno())
            fresh.replace(path)
        synchronise_folder(path.parent)
    return path


def as_written(frame: pd.DataFrame, metadata: Facts, path: Path) -> tuple[pd.DataFrame, Facts]:
    """What `read_run` returns for a file written with `frame` and `metadata`.

    Args:
        frame: the columns of the schema.
        metadata: the run-wide facts.
        path: of the file, for an error.

    Raises:
        RunError: a value or fact cannot be that of a run.
    """
    return as_now(checked(to_table(frame), metadata, path), metadata)


def read_run(path: Path) -> tuple[pd.DataFrame, Facts]:
    """The frame, with the columns of `list columns`, and the metadata of the run at `path`.

    Raises:
        RunError: not a Parquet file, not one of ours, of a newer schema, or without the columns.
    """
    try:
        with pq.ParquetFile(path) as file:  # read_table would take columns from folders called name=value
            if problem := size_problem(file):
                raise _refusal(problem, path)
            metadata = _metadata(file.schema_arrow, path)
            table = file.read()
        _check_columns(table, path)
        frame = checked(_with_later_columns(table, metadata), metadata, path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    return as_now(frame, metadata)


def read_table(path: Path) -> pa.Table | None:
    """The tasks of the run at `path` as they stand there, unchecked; None where its columns are not those of today."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            return file.read().cast(arrow_schema()) if names == arrow_schema().names else None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def read_facts(path: Path) -> Facts:
    """The metadata alone of the run at `path`, which is quick even for many. Raises RunError."""
    try:
        metadata = _metadata(pq.read_schema(path), path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    if problem := metadata_problem(metadata):
        raise _refusal(problem, path)
    return identified(metadata)


def count_rows(path: Path) -> int:
    """Tasks of the run at `path`, by its footer alone. Raises RunError."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def to_table(frame: pd.DataFrame) -> pa.Table:
    """`frame` under the schema. Raises pyarrow's exceptions where it holds values of other types."""
    # As objects: pandas holds nulls as NaN of a column's own dtype, and only objects let Arrow make them nulls again.
    return pa.Table.from_pandas(frame.astype(object), schema=arrow_schema(), preserve_index=False)


def are_same(one: tuple[pd.DataFrame, Facts], other: tuple[pd.DataFrame, Facts]) -> bool:
    """Whether two runs, each frame and metadata, hold the same."""
    return one[1] == other[1] and to_table(one[0]).equals(to_table(other[0]))


def checked(table: pa.Table, metadata: Facts, path: Path) -> pd.DataFrame:
    """The frame of a table that has the columns of the schema.

    Args:
        table: as read or made.
        metadata: the run-wide facts that came with it.
        path: of their file, for an error.

    Raises:
        RunError: a value or fact cannot be that of a run.
        pyarrow.ArrowException: the table is not valid.
    """
    table.validate(full=True)
    problem = value_problem(table) or metadata_problem(metadata)
    if problem is not None:
        raise _refusal(problem, path)
    return frame_of(table)


def check_writable(folder: Path) -> None:
    """Raise OutputError unless `folder`, or the nearest one above it that exists, can take a file."""
    nearest = folder
    try:
        nearest = next(path for path in (folder, *folder.parents, Path.cwd()) if path.exists())
        refusal = None if nearest.is_dir() else "not a folder"
        refusal = refusal or (None if os.access(nearest, os.W_OK | os.X_OK) else "no permission")
    except OSError as error:
        refusal = error.strerror
    if refusal:
        raise OutputError(
            "The output folder must be writable",
            received=f"{nearest} ({refusal})",
            remedy="Name another folder",
        )


def find_runs(name: str, out: Location) -> list[Path]:
    """Files of the run or runs called `name`: a file, a folder, `latest`, or a run id (the last two under `out`).

    A run that has not ended has a journal and no Parquet file. Of what lies in an object store, local copies are given.

    Raises:
        RunError: there is none, or the store cannot be read.
        SpaceError, UnavailableError: no store that can be used.
    """
    if in_store(name, out):
        if found := copies(name, out, ".parquet", but=_NO_RUNS):
            return found
        place = out if is_url(out) and not is_url(name) else name
        raise _no_run(name, f"{_unfinished(out)}Name another one; {shown(str(place))} holds no such run")
    path, out = Path(name), local_folder(out)
    is_file, is_folder = (_holds(test) for test in (path.is_file, path.is_dir))
    if is_file:
        return [path]
    folder = path if is_folder else path.parent if path.name == LATEST and path.parent.name else out
    below = _files(folder) if _holds(folder.is_dir) else []
    if is_folder:
        found = below
    elif path.name == LATEST:
        found = below[-1:]
    else:
        found = [file for file in below if file.stem == name]
    if not found:
        raise _no_run(name, _other_run(len(below), shown(str(folder))))
    return found


def holds_runs(out: Location) -> bool:
    """Whether there is a Parquet file under `out`. Raises as `find_runs` where a store cannot be read."""
    if is_url(out):
        return bool(ObjectStore(str(out)).find(".parquet"))
    folder = Path(out)
    return folder.is_dir() and any(folder.rglob("*.parquet"))


def find_all_runs(names: Iterable[str], out: Location) -> list[Path]:
    """Files of the runs called by each of `names`, once each, in their order. See `find_runs`."""
    return list(dict.fromkeys(path for name in names for path in find_runs(name, out)))


def _unfinished(out: Location) -> str:
    """How to resume a run that was to go to an object store and has not ended, if there is one."""
    if not is_url(out) or not any(local_folder(out).rglob(f"*{SUFFIX}")):
        return ""
    return f"Resume the unfinished one with `grouped-bench run --resume latest --out {out}`. "


def _no_run(name: str, remedy: str) -> RunError:
    return RunError("A run must be a Parquet file, a folder of runs, a run id, or latest", received=name, remedy=remedy)


def _other_run(count: int, folder: str) -> str:
    """What to name in place of a run that was not found, where `folder` has `count` runs."""
    if not count:
        return f"Name another folder for the output; {folder} has no runs"
    return f"Name one of the {counted(count, 'run')} in {folder}, or another folder for the output"


def find_journal(name: str, out: Path) -> Path:
    """The journal of the run called `name`: the file itself, or a run id or `latest` under `out`.

    Raises:
        RunError: there is none; the run has ended, or there is no such run.
    """
    path = Path(name)
    if _holds(path.is_file):
        found = path.with_suffix(SUFFIX)
    else:
        there = sorted(out.rglob(f"*{SUFFIX}"), key=lambda file: file.name) if _holds(out.is_dir) else []
        named = there[-1:] if name == LATEST else [file for file in there if file.stem == name]
        found = named[0] if named else path
    if not _holds(found.is_file):
        raise RunError(
            "A run to resume must be unfinished, named by its journal, its run id, or latest",
            received=name,
            remedy=f"Name a file *{SUFFIX} of the output folder, or start a new run",
        )
    return found


def _files(folder: Path) -> list[Path]:
    """The Parquet file of each run under `folder`, or its journal where that was resumed since, by run id."""
    kinds = (SUFFIX, ".parquet")
    every = (path for kind in kinds for path in folder.rglob(f"*{kind}"))
    found = {path.with_suffix(""): path for path in every if not path.name.endswith(_NO_RUNS)}
    newer = [path.with_suffix(SUFFIX) if _goes_on(path) else path for path in found.values()]
    return sorted(newer, key=lambda file: file.name)


def _goes_on(path: Path) -> bool:
    """Whether the run of a Parquet file was resumed after it was written."""
    try:
        return path.with_suffix(SUFFIX).stat().st_mtime_ns > path.stat().st_mtime_ns
    except OSError:
        return False


def _holds(test: Callable[[], bool]) -> bool:
    """Whether `test` of a path holds; a name that is too long for one is none."""
    try:
        return test()
    except OSError:
        return False


def _check_columns(table: pa.Table, path: Path) -> None:
    # A list, since a foreign table may hold two columns of one name.
    found = [(field.name, field.type) for field in table.schema]
    names = [name for name, _ in found]
    wrong = [
        field.name
        for field in arrow_schema()
        if found.count((field.name, field.type)) != 1 and (field.name in names or field.name not in LATER)
    ]
    if wrong:
        raise RunError(
            "A run must have the columns of `grouped-bench list columns`, each of its type",
            received=f"{path.name}: {', '.join(wrong[:5])} missing or of another type",
            remedy="Name a file that `grouped-bench run` wrote",
        )


def _unreadable(path: Path, error: BaseException) -> RunError:
    return RunError(
        "A run must be a readable Parquet file",
        received=f"{path} ({_first_line(error)})",
        remedy="Name a file that `grouped-bench run` wrote",
    )


def _refusal(problem: str, path: Path) -> RunError:
    return RunError(
        "A run must contain what `grouped-bench run` writes",
        received=f"{path.name}: {problem}",
        remedy="Measure the run again, and do not use that file",
    )


def _with_later_columns(table: pa.Table, metadata: Facts) -> pa.Table:
    """The table with the columns that came after it was written: null, but for threads, which held for a whole run."""
    control = metadata.get("control")
    threads = control.get("threads") if isinstance(control, dict) else None
    if "threads" not in table.schema.names and isinstance(threads, int):
        table = table.append_column(arrow_schema().field("threads"), pa.array([threads] * len(table), pa.int64()))
    for field in arrow_schema():
        if field.name in LATER and field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table


def _metadata(schema: pa.Schema, path: Path) -> Json:
    raw = (schema.metadata or {}).get(METADATA_KEY, b"")
    try:
        metadata = json.loads(raw) if len(raw) <= LARGEST_METADATA else None
    except (ValueError, RecursionError):
        metadata = None
    version = metadata.get("schema") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(version, int):
        raise RunError(
            "The file of a run must carry metadata of grouped-bench",
            received=f"{path}, without readable metadata",
            remedy="Name a file that `grouped-bench run` wrote",
        )
    if version > SCHEMA_VERSION:
        raise RunError(
            f"The schema of a file must be at most {SCHEMA_VERSION} for this version",
            received=f"{path} with schema {version}",
            remedy="Upgrade grouped-bench",
        )
    return metadata


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
