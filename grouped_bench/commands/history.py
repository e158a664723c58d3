"""`grouped-bench history`: the steps between the runs of a folder, and the commits that lie between."""

import click

from grouped_bench.commands.output import OK


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--where", metavar="EXPR", help="Keep tasks for which this holds, such as \"variant == 'grouped'\".")
@click.option(
    "--format", "format_", type=click.Choice(("table", "markdown", "json")), default="table", show_default=True
)
def history(folder: str, where: str | None, format_: str) -> int:
    """Say at which commits the latency of a task stepped, and by how much.

    FOLDER holds runs, in any folder below it. They stand in the order of their
    commits' dates; one without a commit by the date on which it began. Runs of
    different machines are apart. A step needs three runs on either side, and more
    where it is small; it is found where it is unlikely to be noise, not where it
    passes a threshold. This is no gate: the exit code does not tell of steps, and
    `compare` is for that.

    \b
    JSON: {"schema": 1, "runs": [{"run_id", "started_at", "commit"}], "series":
    [{the task, "basis", "points": [{"run_id", "latency_s", "low_s", "high_s"}]}],
    "steps": [{"series": place in "series", from 0, "before", "after": run ids,
    "ratio", "ratio_low", "ratio_high", "runs": at the new level, "same_commit",
    "changed": [{"fact", "values"}]}], "left_out": runs}
    \b
    Examples:
      grouped-bench history results
      grouped-bench history results --where "groups > 1" --format markdown
    """
    import grouped_bench as gb
    from grouped_bench.report.history import render

    click.echo(render(gb.history(folder, where=where), format_), nl=False)
    return OK
