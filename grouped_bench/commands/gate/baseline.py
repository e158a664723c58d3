"""`grouped-bench baseline`: runs as small files that a repository can keep, for `compare`."""

import click

from grouped_bench.commands.shared.options import whole_number
from grouped_bench.commands.shared.output import say, terminal_width


@click.group(no_args_is_help=False)
def baseline() -> None:
    """Keep runs as small files in git or a folder, for `compare`.

    A baseline keeps one round of each visit, with the medians of all rounds.
    `compare` and `history` therefore find the same as in the run. Each baseline
    is one file, FOLDER/MACHINE/COMMIT/RUN_ID.parquet. There is no index: branches
    that add baselines merge.

    \b
    Examples:
      grouped-bench baseline save latest --to baselines
      grouped-bench compare baselines latest
      grouped-bench baseline prune baselines --keep 20
    """


@baseline.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--to", "folder", default="baselines", show_default=True, help="Folder of baselines.")
@click.option(
    "--samples",
    metavar="N",
    callback=whole_number(1, 2**31 - 1, example=5),
    default="1",
    show_default=True,
    help="Most rounds of a visit to keep.",
)
@click.option("--out", default="results", show_default=True, help="Where run ids and `latest` are looked up.")
def save(runs: tuple[str, ...], folder: str, samples: int, out: str) -> int:
    """Write finished runs as baselines.

    RUN is a Parquet file, a folder of runs, a run id, or `latest`. An existing
    baseline stays as it is. It is an error if it differs from the new one.

    \b
    Examples:
      grouped-bench baseline save latest
      grouped-bench baseline save results --to baselines --samples 5
    """
    import grouped_bench as gb
    from grouped_bench.report import baselines as telling

    say(telling.saved(gb.save_baselines(runs, folder, samples=samples, out=out)))
    return 0


@baseline.command(name="list")
@click.argument("folder", default="baselines")
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def list_(folder: str, format_: str) -> int:
    """List the runs of FOLDER by machine, oldest first.

    \b
    JSON: {"schema": 1, "baselines": [{"machine", "commit": {"id", "date",
    "dirty"} or null, "run_id", "started_at", "tasks", "bytes", "rounds": kept per
    visit, null for all, "file"}]}
    \b
    Example:
      grouped-bench baseline list baselines --format json
    """
    import grouped_bench as gb
    from grouped_bench.report import baselines as telling

    say(telling.render([one.to_dict() for one in gb.baselines(folder)], format_, terminal_width()))
    return 0


@baseline.command()
@click.argument("folder", default="baselines")
@click.option(
    "--keep",
    metavar="N",
    callback=whole_number(1, 2**31 - 1, example=20),
    required=True,
    help="Commits to keep for each machine.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
def prune(folder: str, keep: int, dry_run: bool) -> int:
    """Remove the baselines of all but the newest commits of each machine.

    The newest commit is that of the run that began last, as in `compare`. A run
    without a commit, or with uncommitted changes, counts as a commit of its own.
    Only files that `baseline save` wrote are removed.

    \b
    Example:
      grouped-bench baseline prune baselines --keep 20 --dry-run
    """
    import grouped_bench as gb
    from grouped_bench.report import baselines as telling

    say(telling.pruned([one.to_dict() for one in gb.prune_baselines(folder, keep, dry=dry_run)], dry=dry_run))
    return 0
