"""`grouped-bench optimize`: a Keras model with each grouped convolution in its fastest form."""

from typing import Any

import click

from grouped_bench.commands.shared.options import axis_options
from grouped_bench.commands.shared.output import INCONCLUSIVE, OK, terminal_width, usage_error
from grouped_bench.units import counted

_AXES = ("batch_size", "pass", "backend", "execution", "device", "threads", "env")


@click.command()
@click.argument("model", required=False, metavar="[MODEL]")
@click.option("-o", "--output", metavar="FILE", help="Where to write the faster model.")
@click.option("--restore", metavar="FILE", help="Write this optimised model with Keras' own layers instead.")
@axis_options(_AXES)
@click.option("--input-shape", metavar="LIST", help="Extents of the input, such as 224,224,3.  [default: the model's]")
@click.option(
    "--as",
    "save_as",
    type=click.Choice(("file", "builtin", "layers")),
    default="file",
    show_default=True,
    help="What the faster model consists of.",
)
@click.option("--only-layers", is_flag=True, help="Try no other threads, compilers and variables.")
@click.option("--budget", metavar="DURATION", default="5m", show_default=True, help="Time for measuring layers.")
@click.option("--out", default="results", show_default=True, help="Folder of runs.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--wait", is_flag=True, help="Wait for another run on this machine to end, instead of refusing.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option(
    "--format", "format_", type=click.Choice(("table", "markdown", "json")), default="table", show_default=True
)
def optimize(model: str | None, output: str | None, restore: str | None, format_: str, **options: Any) -> int:
    """Make a Keras model faster: each grouped convolution in its fastest form.

    MODEL is a .keras file of a Functional or Sequential model. Each of its grouped
    convolutions is measured in the forms that keep its weights, unless runs under
    --out have done so on this machine. A layer is replaced where a form is faster
    by more than 3%. Output and gradients of the copy must be those of the
    original, compared in float64. A step of both is timed in five fresh processes.
    The copy is written only if it is faster. What was timed before is not timed
    again: the answers are kept under --out.

    Beside it stands grouped_layers.py, which needs Keras alone. Import it before
    you load the copy. Weights files fit both models. On a machine that refuses a
    form, its layer uses Keras' own convolution, with a warning.

    Parts that are split, convolved and concatenated become one grouped layer, if
    that is faster.

    With --as builtin the copy consists of Keras' own layers. Keras loads it without
    another file, and its weights are other ones. With --as layers it consists of
    those of grouped_bench.layers.

    Then other threads, compilers and values of variables are tried, by one process
    each. With several values of --env, --threads or --execution it optimises for
    each, and writes the fastest copy.

    Exit code 3: nothing is shown to be faster, and nothing is written.

    \b
    JSON: {"schema": 1, "model", "layers": [{"layer", "case", "times", "from",
    "to", "choice", "before_s", "after_s", "speedup", "share", and the ends of
    each interval}], "whole": {"verdict", "speedup", "before", "after", …},
    "refusal", "notes", "path", "saved_as", "env", "threads", "execution",
    "leads": [{"env", "threads", "execution", "before_s", "after_s"}],
    "moves": [{"kind", "seconds"}]}
    \b
    Examples:
      grouped-bench optimize net.keras -o faster.keras --pass training
      grouped-bench optimize --restore faster.keras -o original.keras
    """
    import grouped_bench as gb
    from grouped_bench.report import optimization

    if (model is None) == (restore is None):
        received = "neither" if model is None else "both"
        raise usage_error("`optimize` takes MODEL or --restore", received=received, remedy="Give one of them")
    if restore is not None:
        if output is None:
            raise usage_error("--restore must have a file to write", received="no --output", remedy="Give -o FILE")
        count = gb.restore_file(restore, output, force=options["force"])
        click.echo(f"Wrote {output}: {counted(count, 'layer')} computed by Keras' own convolution again.")
        return OK
    axes = {name: value for name, value in options.items() if value is not None}
    found = gb.optimize(model, output, **axes)
    click.echo(optimization.render(found, format_, terminal_width()))
    return OK if found.is_faster else INCONCLUSIVE
