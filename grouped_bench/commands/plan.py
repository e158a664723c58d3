"""`grouped-bench plan`: what `run` would measure."""

from typing import Any

import click

from grouped_bench.commands.shared.options import GroupedOptions, space_of, space_options
from grouped_bench.commands.shared.output import OK, terminal_width


@click.command(cls=GroupedOptions)
@space_options
@click.option("--try", "first_calls", is_flag=True, help="Call each task once that no run under --out has.")
@click.option("--out", default="results", show_default=True, help="Folder of runs, whose times are used.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def plan(first_calls: bool, out: str, quiet: bool, format_: str, **options: Any) -> int:
    """Show what `run` would measure with the same options, and how long it takes.

    The estimate uses what runs on this machine took. Without --try nothing is
    measured: other tasks are reckoned from their multiply-accumulates, which know
    no slow implementation.

    \b
    JSON: {"schema": 1, "tasks": [analytic columns], "skipped": [the same,
    "reason"], "estimate": {"seconds", "peak_bytes", "measured", "tried",
    "failed"}}
    \b
    Examples:
      grouped-bench plan --preset resnext50 --pass training
      grouped-bench plan --groups 1,8,32 --try
    """
    import grouped_bench as gb
    from grouped_bench.report import plans

    space, given = space_of(options)
    found = gb.plan(space, first_calls=first_calls, out=out, quiet=quiet, **given)
    click.echo(plans.render(found, format_, terminal_width()))
    return OK
