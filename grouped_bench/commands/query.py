"""`grouped-bench query`: SQL over any number of runs."""

from pathlib import Path

import click

from grouped_bench.commands.shared.output import OK, say, terminal_width, usage_error

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
    the columns of `list columns`; `samples` a row for each sample; `runs` a row for
    each run. A query reads these runs alone, and writes nothing. RUN is a Parquet
    file, a folder of runs, a run id, or `latest`; all under --out unless given.

    \b
    JSON: {"schema": 1, "rows": [{column: value}]}
    \b
    Examples:
      grouped-bench query "select machine, count(*) from tasks group by machine"
      grouped-bench query "select groups, variant, min(latency_s) as s from tasks
          where status = 'ok' group by all order by groups, s" --format csv
    """
    import grouped_bench as gb
    from grouped_bench.report.text import records
    from grouped_bench.store.temporary import beside, unwritable

    if format_ == "parquet" and output is None:
        raise usage_error("--format parquet must go with --output", received="no --output", remedy="Name a file")
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
            fresh.write_text(records.render(found, format_, terminal_width()), encoding="utf-8")
        fresh.replace(path)
    return OK
