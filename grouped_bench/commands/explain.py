"""`grouped-bench explain`: what runs inside the variants of a case."""

from typing import Any

import click

from grouped_bench.commands.shared.options import GroupedOptions, case_options
from grouped_bench.commands.shared.output import terminal_width


@click.command(cls=GroupedOptions)
@case_options
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def explain(quiet: bool, format_: str, **options: Any) -> int:
    """Explain what ran inside the variants of one case.

    What ran: oneDNN's primitives and implementations, XLA's convolutions and
    library calls after optimisation, or GPU kernels (PyTorch). Use of the
    machine: a share of what a large matrix product and a long stream reach on
    the same backend. A cause is named only if the evidence shows it. Latencies
    come from one short visit and have no interval.

    \b
    JSON: {"schema": 1, "explanations": [{"task": analytic columns, "variant",
    "case", "setting", "status", "reason", "latency_s", "call_s", "logged_s",
    "macs", "min_bytes", "flops_per_s", "bytes_per_s", "peak",
    "share_of_peak", "share_of_bandwidth", "cache_bytes", "primitives",
    "primitive_counts", "primitive_seconds", "instructions", "kernels",
    "causes"}]}
    \b
    Example:
      grouped-bench explain --channels 128 --groups 32 --pass training
    """
    import grouped_bench as gb
    from grouped_bench.report import explanation

    given = {name: value for name, value in options.items() if value is not None}
    looks = gb.explain(gb.Space(source="options"), quiet=quiet, **given)
    click.echo(explanation.render(looks, format_, terminal_width()))
    return 0
