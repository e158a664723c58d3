"""`grouped-bench show`: the tables and findings of runs, from their files."""

import click

from grouped_bench.commands.shared.options import looks_option
from grouped_bench.commands.shared.output import OK, RUN_FORMATS, terminal_width


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--by", metavar="COLUMN", help="Group the rows by this column instead of by cohort.")
@click.option("--sort", metavar="COLUMN", help="Sort by latency, speedup, memory, params or any column.")
@click.option("--where", metavar="EXPR", help="Keep rows that satisfy this, such as 'groups > 1'.")
@click.option("--format", "format_", type=click.Choice(RUN_FORMATS), default="table", show_default=True)
@click.option("--out", default="results", show_default=True, help="Where run ids and `latest` are looked up.")
@looks_option
def show(runs: tuple[str, ...], by: str, sort: str, where: str, format_: str, out: str) -> int:
    """Print the answer, tables and findings of runs.

    RUN is a Parquet file, a folder of runs, a run id, or `latest`. The answer is
    of one whole run. For several runs, the differences between their environments
    come first. With --where, a finding is shown if it rests on rows kept; it
    still covers whole cohorts. CSV has one value a cell, and leaves out lists over
    visits or processes.

    \b
    JSON: {"schema": 1, "tasks": [the columns without samples], "findings":
    [{"text", "tasks": [places in "tasks", from 0]}]}; for several runs also
    "differences": [{"fact", "values": [{"run_id", "value"}]}]
    \b
    Examples:
      grouped-bench show latest
      grouped-bench show results --where "groups > 1" --format csv
    """
    import grouped_bench as gb

    found, width = gb.load_all(list(runs), out), terminal_width()
    if format_ == "table" and len(found) == 1 and not (by or sort or where):
        from grouped_bench.report.run import answer

        click.echo("\n".join([*answer.of_run(found[0].frame, found[0].metadata, width=width), ""]))
    click.echo(gb.show(found, by=by, sort=sort, where=where, format=format_, width=width, styled=True))
    return OK
