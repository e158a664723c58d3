"""`grouped-bench publish`: a data set of runs that may be shared."""

import click

from grouped_bench.commands.shared.output import OK, say
from grouped_bench.units import counted


@click.command()
@click.argument("folder")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--out", default="results", show_default=True, help="Folder of runs.")
def publish(folder: str, runs: tuple[str, ...], out: str) -> int:
    """Write a data set of runs with its card, to share.

    FOLDER is new. It gets the runs' Parquet files and README.md, a card with
    columns, machines and the licence CC-BY-4.0. Each run is checked first: one
    that names a path, a user, a host or a variable off the list is refused, and
    nothing is written. RUN is a Parquet file, a folder of runs, a run id, or
    `latest`; all under --out unless given.

    \b
    Examples:
      grouped-bench publish my_data_set
      grouped-bench publish my_data_set latest --out results
    """
    import grouped_bench as gb

    files = gb.publish(folder, runs, out=out)
    say(f"Wrote {folder}: {counted(len(files) - 1, 'run')}, and README.md with their columns, machines and licence.")
    return OK
