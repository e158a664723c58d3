"""`grouped-bench baseline`: runs as small files that a repository can keep, for `compare`."""

import click

from grouped_bench.commands.output import say


@click.group(no_args_is_help=False)
def baseline() -> None:
    """Keep runs as small files in git or a folder, for `compare`.

    A baseline is a run with one round of each visit, whose figures are the
    medians of all, so that `compare` and `history` find the same. It is a file of
    its own, FOLDER/MACHINE/COMMIT/RUN_ID.parquet, and no other file tells of it:
    branches that add baselines merge.

    \b
    Examples:
      grouped-bench baseline save latest --to baselines
      grouped-bench compare baselines latest
      grouped-bench baseline prune baselines --keep 20
    """


@baseline.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--to", "folder", default="baselines", show_default=True, help="Folder of baselines.")
@click.option("--samples", type=int, default=1, show_default=True, help="Rounds of a visit to keep, at most.")
@click.option("--out", default="results", show_default=True, help="Folder of run ids and `latest`.")
def save(runs: tuple[str, ...], folder: str, samples: int, out: str) -> int:
    """Write runs that have ended as baselines.

    RUN is a Parquet file, a folder of runs, a run id, or `latest`. What is there
    already stays as it is; another file of the same run is not replaced.

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
    """List the runs of FOLDER by machine, from the oldest to the newest.

    \b
    JSON: {"schema": 1, "baselines": [{"machine", "commit": {"id", "date",
    "dirty"} or null, "run_id", "started_at", "tasks", "bytes", "rounds": kept of
    a visit, null where all are, "file"}]}
    \b
    Example:
      grouped-bench baseline list baselines --format json
    """
    import grouped_bench as gb
    from grouped_bench.report import baselines as telling

    say(telling.render([one.to_dict() for one in gb.baselines(folder)], format_))
    return 0


@baseline.command()
@click.argument("folder", default="baselines")
@click.option("--keep", type=click.IntRange(1), required=True, help="Commits to keep of each machine.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
def prune(folder: str, keep: int, dry_run: bool) -> int:
    """Remove baselines of all but the newest commits of each machine.

    The newest commit is the one whose run began last, as `compare` takes it. A
    run that does not tell its commit, or measured uncommitted changes, counts as
    one. Only what `baseline save` wrote is removed.

    \b
    Example:
      grouped-bench baseline prune baselines --keep 20 --dry-run
    """
    import grouped_bench as gb
    from grouped_bench.report import baselines as telling

    say(telling.pruned([one.to_dict() for one in gb.prune_baselines(folder, keep, dry=dry_run)], dry=dry_run))
    return 0
