"""SQL over any number of runs, by DuckDB; behind `grouped-bench query`.

Source: https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench.errors import RunError, SpaceError, UnavailableError
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.schema import METADATA_KEY, NAMES, RAW, SERIES

if TYPE_CHECKING:
    import pyarrow as pa

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
_EXAMPLE = "select * from tasks limit 5"


def query(sql: str, runs: Sequence[str] = (), *, out: str | Path = DEFAULT_OUT) -> "pa.Table":
    """What one SELECT finds in runs: an Arrow table, of which `to_pandas()` makes a frame.

    The views are `tasks`, a row a task with the columns of `list columns` but for samples; `runs`, a row a run; and
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
    files = _files(runs, Path(out))
    with duckdb.connect(":memory:", config={"memory_limit": MEMORY, "python_enable_replacements": False}) as store:
        try:
            statements = store.extract_statements(sql)
        except duckdb.Error as error:
            raise _refused(error) from None
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            told = ", ".join(kind.name for kind in kinds) or "nothing"
            raise SpaceError("A query must be one SELECT", received=told, remedy=f"Write it like `{_EXAMPLE}`")
        _make_views(store, files)
        try:
            return store.sql(statements[0].query).to_arrow_table()
        except duckdb.Error as error:
            raise _refused(error) from None


def _files(runs: Sequence[str], out: Path) -> list[str]:
    """The Parquet files of the runs, each once."""
    from grouped_bench.store.runs import find_runs

    found = [path for name in (runs or [str(out)]) for path in find_runs(name, out)]
    ended = list(dict.fromkeys(str(path.absolute()) for path in found if path.suffix == ".parquet"))
    if not ended:
        raise RunError(
            "A query takes runs that have ended",
            received=", ".join(map(str, found)),
            remedy="Resume one with `grouped-bench run --resume latest`",
        )
    return ended


def _make_views(store: Any, files: Sequence[str]) -> None:
    """Define the views over `files`, the only ones that are open from then on."""
    import duckdb

    from grouped_bench.store.schema import arrow_schema

    store.execute("SET allowed_paths = ?", [list(files)])
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        store.execute(f"SET {setting}")
    listed = ", ".join(_text(file) for file in files)
    facts = f"parquet_kv_metadata([{listed}]) WHERE decode(key) = {_text(METADATA_KEY.decode())}"
    # A column that no file has is null; it came after all of them.
    store.register("nothing", arrow_schema().empty_table())
    every = f"FROM read_parquet([{listed}], union_by_name = true) UNION ALL BY NAME FROM nothing"
    try:
        older = store.sql(f"SELECT file_name FROM {facts} AND ({_FACT} -> 'identity') IS NULL").fetchall()
        store.register("renamed", _machines([Path(file) for (file,) in older]))
        _make_view(store, "everything", {}, _as_now(every))
        _make_view(store, "tasks", _columns(RAW) | {"visits": "len(visit_process)"}, "everything")
        _make_view(store, "samples", _columns(SERIES) | _OF_A_SAMPLE, ", ".join(("everything", *_PLACES)) + _MADE)
        facts_of_runs = ", ".join(f"{value} AS {name}" for name, value in _OF_A_RUN.items())
        _make_view(store, "runs", {}, _as_now(f"SELECT {facts_of_runs} FROM {facts}"))
    except duckdb.Error as error:
        raise RunError(
            "A run must be a readable Parquet file",
            received=_first_line(error),
            remedy="Name files that `grouped-bench run` wrote",
        ) from None


def _make_view(store: Any, name: str, columns: dict[str, str], source: str) -> None:
    """Define a view of `columns` by their expressions; of all, where none is given."""
    listed = ", ".join(f'{value} AS "{key}"' for key, value in columns.items()) or "*"
    store.execute(f"CREATE VIEW {name} AS SELECT {listed} FROM {source}")


def _columns(but: Collection[str]) -> dict[str, str]:
    return {name: f'"{name}"' for name in NAMES if name not in but}


def _as_now(rows: str) -> str:
    """Rows in which each run has the machine that it has by present rules."""
    machine = "coalesce(renamed.machine, known.machine) AS machine"
    return f"(SELECT known.* REPLACE ({machine}) FROM ({rows}) AS known LEFT JOIN renamed USING (run_id))"


def _machines(older: Sequence[Path]) -> "pa.Table":
    """The machine of each run that was made before machines had an identity, by the flags that it recorded."""
    import pyarrow as pa

    from grouped_bench.store.runs import read_facts

    told = [read_facts(path) for path in older]
    columns = {name: [str(facts.get(name)) for facts in told] for name in ("run_id", "machine")}
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def _text(value: str) -> str:
    """A text of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _refused(error: Exception) -> SpaceError:
    import duckdb

    if isinstance(error, duckdb.PermissionException):
        return SpaceError(
            "A query must read its runs alone",
            received=_first_line(error),
            remedy=f"Use the views {', '.join(VIEWS)}",
        )
    return SpaceError(
        f"A query must be valid SQL over the views {', '.join(VIEWS)}",
        received=_first_line(error),
        remedy=f"Write it like `{_EXAMPLE}`",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".!?")
