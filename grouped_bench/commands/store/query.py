"""`grouped-bench query`: SQL over any number of runs."""

from pathlib import Path

import click

from grouped_bench.commands.shared.output import OK, say, terminal_width, usage_error
from grouped_bench.store.files.object_store import refuse_store
from grouped_bench.units import counted

_FORMATS = ("table", "csv", "json", "parquet")


@click.command()
@click.argument("sql")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option("--output", metavar="FILE", help="File for the rows; --format parquet needs one.")
@click.option("--out", default="results", show_default=True, help="Folder of runs.")
def query(sql: str, runs: tuple[str, ...], format_: str, output: str | None, out: str) -> int:
    """Select from the tasks of any number of runs, in SQL.

    The query is one SELECT of DuckDB. Views: `tasks` has a row for each task and
    the columns that a file of a run has; `samples` a row for each sample; `runs` a
    row for each run. `describe tasks` lists the columns. A query reads these runs
    alone. RUN is a Parquet file, a folder of runs, a run id, or `latest`; all under
    --out unless given. A table rounds numbers; other formats do not.

    \b
    JSON: {"schema": 1, "rows": [{column: value}]}
    \b
    Examples:
      grouped-bench query "select machine, count(*) from tasks group by machine"
      grouped-bench query "select run_id, groups, size, pass, backend,
          arg_min(variant, latency_s) as best from tasks where status = 'ok'
          and computes = 'grouped' group by all" --format csv
    """
    import grouped_bench as gb
    from grouped_bench.report.text import records
    from grouped_bench.store.files.temporary import beside, unwritable

    if format_ == "parquet" and output is None:
        raise usage_error("--format parquet must go with --output", received="no --output", remedy="Name a file")
    if output is not None and format_ != "parquet" and output.endswith(".parquet"):
        raise usage_error("A .parquet file must go with --format parquet", received=format_, remedy="Give both")
    if output is not None and Path(output).suffix == ".parquet" and _is_among_runs(Path(output), (out, *runs)):
        remedy = "Name a file in another folder"
        raise usage_error("--output must not lie among the runs that are read", received=output, remedy=remedy)
    refuse_store(output or "", "Answers")
    found = gb.query(sql, runs, out=out)
    if output is None:
        say(records.render(found, format_, terminal_width()))
        return OK
    path = Path(output)
    with unwritable("The output must be a writable file", path, "Name another file"), beside(path) as fresh:
        if format_ == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(found, fresh)
        else:
            text = records.render(found, format_, terminal_width())
            fresh.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
        fresh.replace(path)
    click.echo(f"Wrote {path}: {counted(found.num_rows, 'row')}.", err=True)
    return OK


def _is_among_runs(output: Path, places: tuple[str, ...]) -> bool:
    """Whether a file is a run that is asked for, or would be taken for one."""
    output = output.resolve()
    return any(output.is_relative_to(Path(place).resolve()) for place in places)
