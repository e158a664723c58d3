"""`grouped-bench advise`: which variant to use for a case, and the code to paste."""

import shlex
import sys
from typing import Any

import click

from grouped_bench.commands.shared.options import axis_options, import_option
from grouped_bench.commands.shared.output import INCONCLUSIVE, OK, terminal_width, usage_error
from grouped_bench.space.axes import OPTION_AXES
from grouped_bench.space.facts import Json

_NOT_ASKED = ("scope", "variant", "cardinality", "width")
# Alone, beside a RUN, these choose among its layers.
_OF_RUNS = {"passes", "batch_size", "dtype", "data_format", "backend", "execution", "device", "cache", "layout"}


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@axis_options(axis for axis in OPTION_AXES if axis not in _NOT_ASKED)
@click.option(
    "--computes",
    type=click.Choice(("grouped", "dense")),
    help="Function to compute.  [default: grouped if the case has groups]",
)
@import_option
@click.option("--measure", is_flag=True, help="Measure what the runs leave open.")
@click.option(
    "--budget", metavar="DURATION", help="Time for all that is measured.  [default: 1m per case and environment]"
)
@click.option("--code", is_flag=True, help="Print a Python module only, which replaces the layers of a model.")
@click.option("--variant", metavar="NAME", help="With --code: print this variant, whatever is advised.")
@click.option("--accuracy", metavar="RUN", help="Show what a run of `learn` found of as many groups.")
@click.option("--out", default="results", show_default=True, help="Folder of runs.")
@click.option("--wait", is_flag=True, help="Wait for another run on this machine to end, instead of refusing.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def advise(
    runs: tuple[str, ...],
    computes: str | None,
    files: tuple[str, ...] | None,
    measure: bool,
    budget: str | None,
    code: bool,
    variant: str | None,
    accuracy: str | None,
    out: str,
    wait: bool,
    quiet: bool,
    format_: str,
    **options: Any,
) -> int:
    """Recommend a variant for a case, and print its code.

    The answer comes from the runs named, or from all under --out. RUN is a
    Parquet file, a folder of runs, a run id, or `latest`. A case measured on this
    machine is answered from its measurement, any other by an estimate from its
    neighbours. Printed code was executed here first. If other values of an
    environment variable were measured to be faster, the answer says so. Without
    an axis, `advise` answers for every layer of the runs; --pass, --backend and
    the like choose among them. For several group counts, it names those of least
    latency, memory and parameters. Each answer says how sure it is.

    --accuracy names a run of `grouped-bench learn`. What its networks of as many
    groups learned, beside dense ones, is shown apart. It changes no ranking.

    --code prints a module instead: a class for each form that is advised, and
    `replace_layers(model)`, which puts them in a Keras model with its weights.
    What it leaves as it is goes to stderr. With --variant it is the code of that
    variant, which needs no measurement.

    Exit code 3: a case stays open, or all its evidence is from another machine or
    environment. The answer says why. Without an axis, this must hold for every
    layer of the runs.

    \b
    JSON: {"schema": 1, "advice": [{the case and setting, "label", "machine",
    "elsewhere", "why_elsewhere", "computes", "basis", "use", "tried",
    "environment", "options", "regular", "ties", "at_most", "left_out",
    "evidence", "abstains", "kept_open", "next", "code", "accuracy"}],
    "least": {"latency": [groups], …}}
    \b
    Examples:
      grouped-bench advise --channels 128 --groups 32 --pass training
      grouped-bench advise --channels 128 --groups 1,8,32 --measure
      grouped-bench advise latest --code > layers.py
    """
    import grouped_bench as gb
    from grouped_bench.report.advice import formats
    from grouped_bench.store.learning import find_and_read

    axes = {name: value for name, value in options.items() if value is not None}
    if not axes and not runs:
        remedy = "Give a case, such as --channels 128 --groups 32, or a RUN"
        raise usage_error("`advise` takes a case or runs", received="neither", remedy=remedy)
    _refuse_mixed(code=code, variant=variant, measure=measure, is_json=format_ == "json", accuracy=accuracy)
    is_case = bool(axes) and not (runs and set(axes) <= _OF_RUNS)
    space = gb.Space(source="options") if is_case else None
    how: Json = {"out": out, "measure": measure, "budget": budget, "wait": wait, "quiet": quiet, "files": files or ()}
    asked = shlex.join(["grouped-bench", *sys.argv[1:]])
    if code:
        made = gb.layer_code(space, runs, computes=computes, variant=variant, command=asked, **how, **axes)
        click.echo(made.text, nl=False)
        click.echo("\n".join(made.notes), err=True)
        answered = made.answered
    else:
        found = gb.advise(space, runs, computes=computes, **how, **axes)
        learned = find_and_read(accuracy, out) if accuracy else None
        click.echo(formats.render(found, format_, asked, terminal_width(), learned))
        answered = tuple(one.answers for one in found)
    return OK if (all(answered) if is_case else any(answered)) else INCONCLUSIVE


def _refuse_mixed(*, code: bool, variant: str | None, measure: bool, is_json: bool, accuracy: str | None) -> None:
    """Refuse options that do not go together."""
    if variant is not None and not code:
        raise usage_error("--variant must go with --code", received="no --code", remedy="Give both")
    if variant is not None and measure:
        remedy = "Leave one of them out"
        raise usage_error("--variant takes no measurement", received="--measure", remedy=remedy)
    if code and accuracy is not None:
        raise usage_error("--code takes no accuracy", received=accuracy, remedy="Leave one of them out")
    if code and is_json:
        raise usage_error("--code takes no format", received="--format json", remedy="Leave one of them out")
