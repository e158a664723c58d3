"""`grouped-bench doctor`: whether this machine is fit to measure on."""

import click

from grouped_bench.commands.shared.output import FAILED, OK, terminal_width


@click.command()
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def doctor(format_: str) -> int:
    """Check whether this machine is fit to measure on.

    The check takes under 30 seconds. It times a layer against itself, which gives
    the smallest difference that one pair would show here. Exit code 1: the machine
    is unfit.

    \b
    JSON: {"schema": 1, "fit", "checks": [{"name", "grade", "found",
    "remedy"}], "smallest_difference"}
    \b
    Example:
      grouped-bench doctor
    """
    import grouped_bench as gb
    from grouped_bench.report import plans

    diagnosis = gb.doctor()
    click.echo(plans.diagnosis(diagnosis.to_dict(), format_, terminal_width()))
    return OK if diagnosis.fit else FAILED
