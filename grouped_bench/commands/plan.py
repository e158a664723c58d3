"""`grouped-bench plan`: what `run` would measure."""

from typing import Any

import click

from grouped_bench.commands.shared.options import GroupedOptions, space_of, space_options
from grouped_bench.commands.shared.output import OK, terminal_width


@click.command(cls=GroupedOptions)
@space_options
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def plan(format_: str, **options: Any) -> int:
    """Show what `run` would measure with the same options.

    Nothing is measured. The time estimate is rough: it does not know which implementations are slow.

    \b
    JSON: {"schema": 1, "tasks": [analytic columns], "skipped": [the same,
    "reason"], "estimate": {"seconds", "peak_bytes"}}
    \b
    Example:
      grouped-bench plan --preset resnext50 --pass training
    """
    import grouped_bench as gb
    from grouped_bench.report import plans

    space, given = space_of(options)
    planned, control = gb.plan_run(space, **given)
    click.echo(plans.render(planned.to_dict(control), format_, terminal_width()))
    return OK
