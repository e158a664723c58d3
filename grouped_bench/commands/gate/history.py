"""`grouped-bench history`: the steps between the runs of a folder, and the commits that lie between."""

import click

from grouped_bench.commands.shared.output import OK, terminal_width


@click.command()
@click.argument("folder", metavar="FOLDER")
@click.option("--where", metavar="EXPR", help="Keep tasks that satisfy this, such as \"variant == 'grouped'\".")
@click.option(
    "--format", "format_", type=click.Choice(("table", "markdown", "json")), default="table", show_default=True
)
def history(folder: str, where: str | None, format_: str) -> int:
    """Find the commits at which the latency of a task stepped.

    FOLDER holds runs, at any depth. Runs are ordered by the date of their commit,
    or by their start if they have none. Machines are kept apart. A step needs
    three runs on either side, and more if it is small. It is reported if it is
    unlikely to be noise, whatever its size. The exit code does not depend on
    steps: to gate a change, use `compare`.

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

    click.echo(render(gb.history(folder, where=where), format_, terminal_width()), nl=False)
    return OK
