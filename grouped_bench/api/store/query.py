"""SQL over any number of runs, by DuckDB; behind `grouped-bench query`.

Source: https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench.analyse.statistics.derive import RULES, RULES_NOW, by_present_rules
from grouped_bench.errors import RunError, SpaceError, UnavailableError
from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.schema import METADATA_KEY, NAMES, RAW, SERIES

if TYPE_CHECKING:
    import pyarrow as pa

    from grouped_bench.store.files.compaction import Manifest

VIEWS = ("tasks", "runs", "samples")
# The facts of a run, in a row of its file's metadata that may be another's.
_FACT = "TRY_CAST(decode(value) AS JSON)"
_OF_A_RUN = {
    **{name: f"{_FACT} ->> '{name}'" for name in ("run_id", "machine", "version", "stopped_by")},
    "started_at": f"({_FACT} ->> 'started_at')::TIMESTAMPTZ",
    "seconds": f"({_FACT} ->> '$.time.total_s')::DOUBLE",
    "space": f"{_FACT} ->> '$.space.source'",
    "file": "file_name",
}
# Places in the lists of a task, from 1 as DuckDB counts them.
_PLACES = (
    "unnest(range(1, len(samples_s) + 1)) AS v(at_visit)",
    "unnest(range(1, len(samples_s[at_visit]) + 1)) AS r(at_round)",
)
# A variant that sits out a round has no sample in it.
_MADE = " WHERE samples_s[at_visit][at_round] IS NOT NULL"
_OF_A_SAMPLE = {
    "visit": "at_visit - 1",
    "round": "at_round - 1",
    "seconds": "samples_s[at_visit][at_round]",
    "reference_seconds": "reference_s[at_visit][at_round]",
}
MEMORY = "2GB"
# How often an interrupt is looked for, and how much of DuckDB's reason is shown: it names the columns that are alike.
_LOOK_S, _LONGEST_REASON = 0.1, 300
_EXAMPLE = "select * from tasks limit 5"


def query(sql: str, runs: Sequence[str] = (), *, out: str | Path = DEFAULT_OUT) -> "pa.Table":
    """What one SELECT finds in runs: an Arrow table, of which `to_pandas()` makes a frame.

    The views are `tasks`, a row a task with the columns that a file has but for samples; `runs`, a row a run; and
    `samples`, a row a sample. A query reads nothing else: no other file, no network, and it writes nothing. Runs that
    have not ended are left out.

    Args:
        sql: one SELECT in the dialect of DuckDB.
        runs: names of runs, as `load` takes them; all under `out` unless given.
        out: folder of the runs.

    Raises:
        UnavailableError: DuckDB is not installed.
        RunError: a run cannot be found or read.
        SpaceError: the text is no SELECT, or DuckDB refuses it.
    """
    try:
        import duckdb
    except ImportError:
        raise UnavailableError(
            "`query` takes the library duckdb",
            received="no module duckdb",
            remedy="Install it with `pip install 'grouped-bench[query]'`",
        ) from None
    files = _files(runs, out)
    compacted = _compacted(files, [out, *runs])
    with duckdb.connect(":memory:", config={"memory_limit": MEMORY, "python_enable_replacements": False}) as store:
        try:
            statements = store.extract_statements(sql)
        except (duckdb.Error, TypeError, ValueError) as error:  # a text that is no UTF-8 too
            raise _refused(error) from None
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            told = ", ".join(kind.name for kind in kinds) or "nothing"
            raise SpaceError("A query must be one SELECT", received=told, remedy=f"Write it like `{_EXAMPLE}`")
        _make_views(store, files, compacted)
        try:
            (statement,) = statements
            return _rows_of(store, statement.query)
        except duckdb.Error as error:
            raise _refused(error) from None


def _rows_of(store: Any, sql: str) -> "pa.Table":
    """The rows of a query, which an interrupt ends: DuckDB itself does not hear it."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: store.sql(sql).to_arrow_table())
        try:
            while not answer.done():
                wait([answer], timeout=_LOOK_S)
        except BaseException:
            while not answer.done():  # one that has hardly begun does not hear the first
                store.interrupt()
                wait([answer], timeout=_LOOK_S)
            raise
        return answer.result()


def _files(runs: Sequence[str], out: str | Path) -> list[str]:
    """The Parquet files of the runs, each once."""
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import find_all_runs

    found = find_all_runs(runs or [str(out)], out)
    ended = list(dict.fromkeys(str(path.absolute()) for path in found if path.suffix != SUFFIX))
    if not ended:
        raise RunError(
            "A query takes runs that have ended",
            received=", ".join(map(str, found)),
            remedy="Resume one with `grouped-bench run --resume latest`",
        )
    return ended


def _compacted(files: Sequence[str], places: Sequence[str | Path]) -> "list[tuple[Manifest, dict[Path, Json]]]":
    """Of the files those whose tasks stand in large ones, by each of the folders that was compacted."""
    from grouped_bench.store.files.compaction import Manifest
    from grouped_bench.store.files.object_store import is_url

    folders = dict.fromkeys(Path(place).absolute() for place in places if not is_url(place))
    manifests = filter(None, (Manifest.read(folder, RULES_NOW) for folder in folders))
    found = [(manifest, manifest.fresh(map(Path, files))) for manifest in manifests]
    return [(manifest, fresh) for manifest, fresh in found if fresh]


def _make_views(store: Any, files: Sequence[str], compacted: "Sequence[tuple[Manifest, dict[Path, Json]]]") -> None:
    """Define the views over `files`, the only ones that are open from then on.

    Args:
        store: a connection.
        files: of the runs.
        compacted: those of them whose tasks are read from large files.
    """
    import duckdb

    from grouped_bench.store.schema import arrow_schema

    in_parts = {str(file) for _, runs in compacted for file in runs}
    files = [file for file in files if file not in in_parts]
    parts = [str(part) for manifest, runs in compacted for part in manifest.parts(runs.values())]
    store.execute("SET allowed_paths = ?", [[*files, *parts]])
    store.execute("SET enable_progress_bar = false")  # it goes to standard output, which is the answer's
    for setting in ("temp_directory = ''", "enable_external_access = false", "lock_configuration = true"):
        store.execute(f"SET {setting}")
    try:
        older = _older(store, files)
        present = [file for file in files if file not in older]
        rows, facts = _as_now(older)
        # A column that no file has is null; it came after all of them.
        for name, table in (("nothing", arrow_schema().empty_table()), ("older", rows), ("older_runs", facts)):
            store.register(name, table)
        tasks, told = ["FROM older", "FROM nothing"], ["FROM older_runs"]
        if present:
            tasks.append(f"FROM read_parquet([{_listed(present)}], union_by_name = true)")
            columns = ", ".join(f"{value} AS {name}" for name, value in _OF_A_RUN.items())
            told.append(f"SELECT {columns} {_facts(present)}")
        for number, (manifest, runs) in enumerate(compacted):
            tasks.append(_of_parts(store, manifest, runs, f"compacted_{number}"))
            told.append(f"FROM compacted_{number}")
        _make_view(store, "everything", {}, _together(tasks))
        _make_view(store, "tasks", _columns(RAW) | {"visits": "len(visit_process)"}, "everything")
        _make_view(store, "samples", _columns(SERIES) | _OF_A_SAMPLE, ", ".join(("everything", *_PLACES)) + _MADE)
        _make_view(store, "runs", {}, _together(told))
    except duckdb.Error as error:
        raise RunError(
            "A run must be a readable Parquet file",
            received=_told(error),
            remedy="Name files that `grouped-bench run` wrote",
        ) from None


def _of_parts(store: Any, manifest: "Manifest", runs: "dict[Path, Json]", name: str) -> str:
    """The tasks of compacted runs; their rows of the manifest become the table `name`."""
    import pyarrow as pa

    from grouped_bench.store.files.compaction import FILE, RUN

    told = [{**row, FILE: str(file)} for file, row in runs.items()]
    store.register(name, pa.Table.from_pylist(told, schema=RUN))
    read = f"read_parquet([{_listed([str(part) for part in manifest.parts(runs.values())])}])"
    if not manifest.shared(runs.values()):
        return f"SELECT * EXCLUDE ({FILE}) FROM {read}"
    store.register(f"{name}_kept", pa.table({FILE: [row[FILE] for row in runs.values()]}))
    return f"SELECT * EXCLUDE ({FILE}) FROM {read} SEMI JOIN {name}_kept USING ({FILE})"


def _together(selects: Sequence[str]) -> str:
    return f"({' UNION ALL BY NAME '.join(selects)})"


def _facts(files: Sequence[str]) -> str:
    """The metadata of files, a row each."""
    return f"FROM parquet_kv_metadata([{_listed(files)}]) WHERE decode(key) = {_text(METADATA_KEY.decode())}"


def _listed(files: Sequence[str]) -> str:
    return ", ".join(map(_text, files))


def _older(store: Any, files: Sequence[str]) -> list[str]:
    """Files that were written before what is read now, or by older rules of verdicts."""
    if not files:
        return []
    told = f"SELECT file_name, {_FACT} -> 'identity', {_FACT} -> '$.control.{RULES}' {_facts(files)}"
    known = {file for file, *facts in store.sql(told).fetchall() if None not in facts}
    return [file for file in files if file not in known]


def _as_now(files: Sequence[str]) -> "tuple[pa.Table, pa.Table]":
    """The rows of older runs as they are read now, and a row a run as of the view `runs`."""
    import pyarrow as pa

    from grouped_bench.store.files.compaction import FILE, RUN, run_row
    from grouped_bench.store.runs import read_run, to_table
    from grouped_bench.store.schema import arrow_schema

    tables, told = [arrow_schema().empty_table()], []
    for file in files:
        frame, facts = by_present_rules(*read_run(Path(file)), Path(file))
        tables.append(to_table(frame))
        told.append({**run_row(facts), FILE: file})
    return pa.concat_tables(tables), pa.Table.from_pylist(told, schema=RUN)


def _make_view(store: Any, name: str, columns: dict[str, str], source: str) -> None:
    """Define a view of `columns` by their expressions; of all, where none is given."""
    listed = ", ".join(f'{value} AS "{key}"' for key, value in columns.items()) or "*"
    store.execute(f"CREATE VIEW {name} AS SELECT {listed} FROM {source}")


def _columns(but: Collection[str]) -> dict[str, str]:
    return {name: f'"{name}"' for name in NAMES if name not in but}


def _text(value: str) -> str:
    """A text of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _refused(error: Exception) -> SpaceError:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return SpaceError(
            f"A query must do with {MEMORY} of memory",
            received=_told(error),
            remedy="Name fewer columns, or sort fewer rows",
        )
    if isinstance(error, duckdb.PermissionException):
        return SpaceError(
            "A query must read its runs alone",
            received=_told(error),
            remedy=f"Use the views {', '.join(VIEWS)}",
        )
    return SpaceError(
        f"A query must be valid SQL over the views {', '.join(VIEWS)}",
        received=_told(error),
        remedy=f"Write it like `{_EXAMPLE}`; `describe tasks` lists the columns",
        limit=_LONGEST_REASON,
    )


def _told(error: Exception) -> str:
    """What it says, without the place in the query that it draws."""
    told = str(error).partition("\nLINE ")[0]
    return " ".join(told.split()).rstrip(".!?") or type(error).__name__
