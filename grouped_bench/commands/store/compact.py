"""`grouped-bench compact`: many runs in few large files, for queries."""

import click

from grouped_bench.commands.shared.output import FAILED, OK, say
from grouped_bench.units import counted, format_bytes


@click.command()
@click.argument("out", default="results", metavar="[FOLDER]")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def compact(out: str, quiet: bool) -> int:
    """Copy many runs into few large files, so that queries are fast.

    The files stand in FOLDER, by default results. The runs stay beside them and
    remain what counts: `query` sees at once what is new, changed or removed.
    Repeat the command when many runs have come since.

    Exit codes: 0 all runs; 1 a run that cannot be read was left out; 2 nothing
    was written.

    \b
    Examples:
      grouped-bench compact
      grouped-bench compact results/lab
    """
    import grouped_bench as gb

    made = gb.compact(out, quiet=quiet)
    for reason in made.left_out:
        click.echo(f"Left out: {reason}", err=True)
    runs, tasks = counted(made.runs, "run"), counted(made.tasks, "task")
    say(f"Wrote {counted(len(made.parts), 'file')} of {format_bytes(made.bytes)} in {out}: {runs} with {tasks}.")
    return FAILED if made.left_out else OK
