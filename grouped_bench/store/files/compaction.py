"""The tasks of many runs in few large files, with a manifest of the runs: beside the runs, which stay what counts.

A run that was changed or removed since is known by its size and time, and is read from its own file, or not at all.
"""

import collections
import dataclasses
import datetime
import itertools
import json
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from grouped_bench.errors import RunError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.files.temporary import beside, unwritable
from grouped_bench.store.schema import METADATA_KEY, SCHEMA_VERSION, arrow_schema

TASKS, MANIFEST = ".tasks.parquet", "runs.manifest.parquet"
# Of a task in a large file: that of its run, below the folder.
FILE = "file"
LEAST_BYTES = 64 * 2**20
# What is written at once: a row group, which a query reads or leaves out as a whole.
_ROWS, _BYTES = 50_000, 128 * 2**20
# What the manifest says of a run, besides where its tasks are.
RUN = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "machine", "version", "stopped_by")),
        *(("started_at", pa.timestamp("us", tz="UTC")), ("seconds", pa.float64()), ("space", pa.string())),
        (FILE, pa.string()),
    ]
)
_MANIFEST = pa.schema([*RUN, ("bytes", pa.int64()), ("mtime_ns", pa.int64()), ("part", pa.string())])
_PART = pa.schema([*arrow_schema(), (FILE, pa.string())])
# A run as it is read now: its tasks, and what the manifest says of it.
Read = Callable[[Path], tuple[pa.Table, Json]]


def run_row(facts: Facts) -> Json:
    """What the manifest says of a run, by its run-wide facts; None where an older run lacks it."""
    time, space, started = facts.get("time"), facts.get("space"), facts.get("started_at")
    return {
        **{name: facts.get(name) for name in ("run_id", "machine", "version", "stopped_by")},
        "started_at": datetime.datetime.fromisoformat(str(started)) if started else None,
        "seconds": time.get("total_s") if isinstance(time, dict) else None,
        "space": space.get("source") if isinstance(space, dict) else None,
    }


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a folder of runs has been compacted to.

    Attributes:
        folder: of the runs.
        runs: of each its row, by the path of its file below the folder.
    """

    folder: Path
    runs: dict[str, Json]

    @classmethod
    def read(cls, folder: Path, rules: str) -> Self | None:
        """That of `folder`; None where there is none, or one by other rules than `rules` or of another version."""
        try:
            table = pq.read_table(folder / MANIFEST)
            told = json.loads(table.schema.metadata[METADATA_KEY])
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None
        if told != _facts(rules) or not table.schema.remove_metadata().equals(_MANIFEST):
            return None
        return cls(folder, {row[FILE]: row for row in table.to_pylist()})

    def fresh(self, files: Iterable[Path]) -> dict[Path, Json]:
        """Of those files that are as they were compacted, what is known of the run; each by its path."""
        there = {part.name for part in self.folder.glob(f"*{TASKS}") if _is_whole(part)}
        found = {}
        for file in files:
            row = self.runs.get(file.relative_to(self.folder).as_posix()) if file.is_relative_to(self.folder) else None
            if row is not None and row["part"] in there and (row["bytes"], row["mtime_ns"]) == _state(file):
                found[file] = row
        return found

    def shared(self, rows: Collection[Json]) -> bool:
        """Whether the large files of some runs hold others too."""
        parts = {row["part"] for row in rows}
        return len(rows) < sum(row["part"] in parts for row in self.runs.values())

    def parts(self, rows: Iterable[Json]) -> list[Path]:
        """The large files that hold the tasks of some runs."""
        return [self.folder / name for name in sorted({row["part"] for row in rows})]


@dataclasses.dataclass(frozen=True)
class Compaction:
    """What a folder of runs was compacted to: counts, the large files, and runs that cannot be read, with reasons."""

    runs: int
    tasks: int
    parts: tuple[Path, ...]
    left_out: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of all large files."""
        return sum(part.stat().st_size for part in self.parts)


def compact(
    folder: Path,
    files: Sequence[Path],
    rules: str,
    read: Read,
    *,
    least: int = LEAST_BYTES,
    tell: Callable[[int], None],
) -> Compaction:
    """Write the tasks of runs into large files below `folder`, and then the manifest, in one step.

    Large files of which every run is as it was stay. Who reads meanwhile sees the old manifest or the new one.

    Args:
        folder: of the runs.
        files: of the runs that have ended, below it.
        rules: by which verdicts are told; a manifest by others does not count.
        read: reads a run.
        least: bytes from which on a large file is closed.
        tell: called with the number of runs that are done.

    Raises:
        OutputError: the folder cannot be written.
    """
    before = Manifest.read(folder, rules)
    kept = _kept(before, files, least) if before else {}
    left_out: list[str] = []
    remedy = "Free disk space, or change its permissions"
    with unwritable("A folder of runs that is compacted must be writable", folder, remedy):
        runs = _read(folder, files, kept, read, left_out, tell)
        rows = [*kept.values(), *_write_parts(folder, runs, {row["part"] for row in kept.values()}, least)]
        facts = {METADATA_KEY: json.dumps(_facts(rules)).encode()}
        with beside(folder / MANIFEST) as fresh:
            pq.write_table(pa.Table.from_pylist(rows, schema=_MANIFEST.with_metadata(facts)), fresh)
            fresh.replace(folder / MANIFEST)
        parts = tuple(Manifest(folder, {}).parts(rows))
        for old in set(folder.glob(f"*{TASKS}")) - set(parts):
            old.unlink()
    return Compaction(len(rows), sum(pq.read_metadata(part).num_rows for part in parts), parts, tuple(left_out))


def _kept(before: Manifest, files: Sequence[Path], least: int) -> dict[Path, Json]:
    """Runs whose large file stays: it is large enough, and every run in it is as it was."""
    fresh = before.fresh(files)
    whole = collections.Counter(row["part"] for row in before.runs.values())
    alike = collections.Counter(row["part"] for row in fresh.values())
    stays = {
        part.name
        for part in before.parts(fresh.values())
        if whole[part.name] == alike[part.name] and part.is_file() and part.stat().st_size >= least
    }
    return {file: row for file, row in fresh.items() if row["part"] in stays}


def _read(
    folder: Path,
    files: Sequence[Path],
    kept: Container[Path],
    read: Read,
    left_out: list[str],
    tell: Callable[[int], None],
) -> Iterator[tuple[pa.Table, Json]]:
    """The tasks of each run that is not kept, and its row of the manifest without its large file."""
    for done, file in enumerate(files, 1):
        if file not in kept:
            size, changed = _state(file) or (
                0,
                0,
            )  # before it is read: what changes meanwhile is seen by the next query
            name = file.relative_to(folder).as_posix()
            try:
                table, told = read(file)
            except RunError as error:
                left_out.append(f"{name}: {error.rule}")
                continue
            of_run = pa.array([name] * len(table), pa.string())
            yield (
                table.append_column(FILE, of_run).cast(_PART),
                {**told, FILE: name, "bytes": size, "mtime_ns": changed},
            )
        tell(done)


def _write_parts(
    folder: Path, runs: Iterator[tuple[pa.Table, Json]], taken: Container[str], least: int
) -> Iterator[Json]:
    """Write large files of the runs, each closed when it has `least` bytes; their rows of the manifest."""
    names = (name for number in itertools.count(1) if (name := f"{number:04}{TASKS}") not in taken)
    for first in runs:
        path = folder / next(names)
        with beside(path) as fresh:
            with pq.ParquetWriter(fresh, _PART, compression="zstd") as writer:
                for some in _at_once(itertools.chain([first], runs)):
                    writer.write_table(pa.concat_tables(table for table, _ in some))
                    yield from ({**told, "part": path.name} for _, told in some)
                    if fresh.stat().st_size >= least:
                        break
            fresh.replace(path)


def _at_once(runs: Iterable[tuple[pa.Table, Json]]) -> Iterator[list[tuple[pa.Table, Json]]]:
    """Runs of so many tasks or bytes as make a row group; no run is taken before it is needed."""
    some: list[tuple[pa.Table, Json]] = []
    rows = size = 0
    for one in runs:
        some.append(one)
        rows, size = rows + len(one[0]), size + one[0].nbytes
        if rows >= _ROWS or size >= _BYTES:
            yield some
            some, rows, size = [], 0, 0
    if some:
        yield some


def _is_whole(part: Path) -> bool:
    """Whether a large file has its end, where Parquet says what is in it."""
    try:
        pq.read_metadata(part)
    except (OSError, pa.ArrowException):
        return False
    return True


def _state(file: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _facts(rules: str) -> Json:
    return {"schema": SCHEMA_VERSION, "rules": rules}
