"""`grouped-bench learn`: whether groups learn better, at equal cost."""

from typing import Any

import click

from grouped_bench.commands.shared.options import whole_number
from grouped_bench.commands.shared.output import OK, terminal_width
from grouped_bench.space.learning import EPOCHS, SEEDS


@click.command()
@click.option(
    "--preset", default="shuffle-mini", show_default=True, help="shuffle-mini, resnext-mini or deep-roots-mini."
)
@click.option(
    "--data",
    metavar="DATA",
    help="mnist1d, digits, shapes, or an .npz file with x_train, y_train, x_test, y_test.  [default: the preset's]",
)
@click.option("--backend", metavar="NAME", help="tensorflow, jax or torch.  [default: the fastest here]")
@click.option("--seeds", default=20, callback=whole_number(*SEEDS, example=20), metavar="N", show_default=True,
              help="Seeds of each network, at most.")  # fmt: skip
@click.option(
    "--epochs",
    callback=whole_number(*EPOCHS, example=30),
    metavar="N",
    help="Epochs of a training.  [default: the preset's]",
)
@click.option("--seed", default=0, callback=whole_number(0, 2**31 - 1, example=7), metavar="N", show_default=True,
              help="Seed of the examples.")  # fmt: skip
@click.option("--budget", default="30m", metavar="DURATION", show_default=True, help="Time of the whole run.")
@click.option("--out", default="results", show_default=True, help="Folder of runs.")
@click.option("--resume", metavar="RUN", help="Run to continue: its file, its id, or latest.")
@click.option("--no-report", is_flag=True, help="Write no page.")
@click.option("--wait", is_flag=True, help="Wait for another run on this machine to end, instead of refusing.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option(
    "--format", "format_", type=click.Choice(("table", "markdown", "json")), default="table", show_default=True
)
def learn(format_: str, no_report: bool, **options: Any) -> int:
    """Train small networks with and without groups, and say which learn better.

    shuffle-mini compares grouped pointwise convolutions with and without a channel
    shuffle; resnext-mini cardinality with depth and width; deep-roots-mini filter
    groups at several depths. Networks have equal parameters and MACs where the
    question needs it.

    Each layer is computed by the variant that is fastest here. Each network gets
    its learning rate by the same rule. Then all are trained from the same
    seeds, at least six, until every comparison is decided: better, worse, or
    equivalent within 0.5 points. Any verdict is wrong in at most 5% of runs.

    The file is written after each training. --resume goes on after any end.

    \b
    JSON: {"schema": 1, "run_id", "findings", "networks": [{"name", "params",
    "macs", "training_s", "peak_memory_bytes", "learning_rate", "accuracy",
    "seeds", "failed"}], "comparisons": [{"design", "network", "beside",
    "difference", "verdict", "seeds", "reason"}], "published": […]}
    \b
    Examples:
      grouped-bench learn
      grouped-bench learn --preset resnext-mini --budget 1h
      grouped-bench learn --data mine.npz --epochs 10
    """
    import sys

    import grouped_bench as gb
    from grouped_bench.report.learning import table

    found = gb.learn(**options, command=sys.argv)
    click.echo(table.render(found.trainings, found.metadata, format_, terminal_width()))
    if not no_report and format_ == "table":
        page = found.report()
        click.echo(f"\nPage: {page.absolute().as_uri()}")
    return OK
