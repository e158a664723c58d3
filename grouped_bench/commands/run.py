"""`grouped-bench run`: measure a space, print its tables, write its file and its page."""

import sys
from pathlib import Path
from typing import Any

import click

from grouped_bench.commands.options import measuring_options, space_of, space_options, with_progress
from grouped_bench.commands.output import FAILED, INTERRUPTED, OK, RUN_FORMATS, drop_output
from grouped_bench.store import DEFAULT_OUT


@click.command()
@space_options
@click.option("--out", help="Folder for the run's files.  [default: results]")
@measuring_options
@click.option("--resume", metavar="RUN", help="Resume an unfinished run: its id, its journal, or latest.")
@click.option(
    "--explain",
    is_flag=True,
    default=None,
    help="Explain the slowest and fastest variant of each case, beyond the budget.",
)
@click.option("--no-report", "page", flag_value=False, default=None, help="Leave out the HTML page.")
@click.option("--strict", is_flag=True, help="Exit 1 if the status of a task is not ok.")
@click.option("--format", "format_", type=click.Choice(RUN_FORMATS), default="table", show_default=True)
def run(resume: str | None, strict: bool, format_: str, **options: Any) -> int:
    """Measure a space, print its tables, write its file and page.

    Without an axis, preset, file or model, the preset `quick` runs. With an axis
    and no preset, the other axes take their defaults. LIST is a comma list, such
    as 1,2,4.

    \b
    Examples:
      grouped-bench run
      grouped-bench run --groups 1,32 --channels 128 --pass inference,training
      grouped-bench run --space my_sweep.toml --budget 30m --out results
      grouped-bench run --model net.keras --input-shape 224,224,3
      grouped-bench run --import my_variant.py --variant all --groups 1,32
      grouped-bench run --resume latest
    """
    import grouped_bench as gb
    from grouped_bench.store.journal import resume_command

    space, given = space_of(with_progress(options), usual=None if resume else "quick")
    made = gb.resume(resume, space=space, **given) if resume else gb.run(space, **given)
    files = [made.path, *([] if given.get("page") is False else [made.path.with_suffix(".html")])]
    try:
        click.echo(gb.show([made], format=format_))
        for file in files:
            click.echo(f"Wrote {file}", err=format_ != "table")
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()  # a reader who has gone still gets the exit code, and how to go on
    if made.metadata["stopped_by"] == "user":
        go_on = resume_command(made.path, Path(given.get("out", DEFAULT_OUT)))
        click.echo(f"Interrupted: what was measured is kept in the file above. Resume with `{go_on}`.", err=True)
        return INTERRUPTED
    return FAILED if strict and (made.frame["status"] != "ok").any() else OK
