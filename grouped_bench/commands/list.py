"""`grouped-bench list`: what there is to choose from."""

import json

import click

from grouped_bench.commands.shared.options import import_option
from grouped_bench.commands.shared.output import OK, terminal_width, usage_error


@click.command(name="list")
@click.argument("what", type=click.Choice(("variants", "presets", "backends", "devices", "columns")))
@import_option
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def list_(what: str, files: tuple[str, ...] | None, format_: str) -> int:
    """List variants, presets, backends, devices or columns.

    \b
    JSON: {"schema": 1, WHAT: [{"name", …}]}
    \b
    Example:
      grouped-bench list variants --import my_variant.py
    """
    import grouped_bench as gb
    from grouped_bench.report import plans

    if files and what != "variants":
        raise usage_error("--import must go with `list variants`", received=f"list {what}", remedy="Leave --import out")
    rows = gb.catalogue(what, files or ())
    click.echo(
        json.dumps({"schema": 1, what: rows}, indent=1) if format_ == "json" else plans.listing(rows, terminal_width())
    )
    return OK
