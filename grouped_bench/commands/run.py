"""`grouped-bench run`: measure a space, print its answer, write its file and its page."""

import sys
import webbrowser
from typing import TYPE_CHECKING, Any

import click

from grouped_bench.commands.shared.options import (
    GroupedOptions,
    measuring_options,
    space_of,
    space_options,
    whole_number,
    with_progress,
)
from grouped_bench.commands.shared.output import (
    FAILED,
    INTERRUPTED,
    OK,
    RUN_FORMATS,
    drop_output,
    terminal_width,
    usage_error,
)
from grouped_bench.errors import NotUploadedError
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.api.runs import Run


@click.command(cls=GroupedOptions)
@space_options
@click.option("--out", metavar="DIR", help="Folder for the run's files, or s3://BUCKET/PREFIX.  [default: results]")
@measuring_options
@click.option(
    "--executor", metavar="NAME", help="Where to measure: local, or a fleet by ray or slurm.  [default: local]"
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Of Ray HOST:PORT or auto, of SLURM the number of jobs; local:N starts N nodes here.",
)
@click.option(
    "--repeat-devices",
    metavar="N",
    callback=whole_number(2, 64, example=3),
    help="In a fleet, measure some cases on N devices of a class, to see how they differ.",
)
@click.option("--resume", metavar="RUN", help="Resume an unfinished run: its id, its journal, or latest.")
@click.option(
    "--explain",
    is_flag=True,
    default=None,
    help="Explain the slowest and fastest variant of each case, beyond the budget.",
)
@click.option("--no-report", "page", flag_value=False, default=None, help="Leave out the HTML page.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@click.option("--tables", is_flag=True, help="Print every table and finding before the answer.")
@click.option("--strict", is_flag=True, help="Exit 1 if the status of a task is not ok.")
@click.option("--format", "format_", type=click.Choice(RUN_FORMATS), default="table", show_default=True)
def run(resume: str | None, strict: bool, format_: str, open_page: bool, tables: bool, **options: Any) -> int:
    """Measure a space; print the answer, write its file and page.

    The answer names the fastest form of each case, how much faster it is, and how
    sure that is. Without an axis, preset, file or model, the preset `quick` runs.
    With an axis and no preset, the other axes take their defaults. LIST is a
    comma list, such as 1,2,4.

    Exit codes: 0 every task has an outcome, and a failure is one; 1 nothing was
    measured, or with --strict a task failed; 2 cannot be carried out; 130
    interrupted.

    \b
    Examples:
      grouped-bench run
      grouped-bench run --model net.keras --pass training --open
      grouped-bench run --groups 1,32 --channels 128 --pass inference,training
      grouped-bench run --space my_sweep.toml --budget 30m --out results
      grouped-bench run --import my_variant.py --variant all --groups 1,32
      grouped-bench run --preset ci --executor ray --address local:3
      grouped-bench run --resume latest
    """
    import grouped_bench as gb
    from grouped_bench.analyse.rows import measured_nothing

    space, given = space_of(with_progress(options), usual=None if resume else "quick")
    if open_page and given.get("page") is False:
        raise usage_error("--open must go with a page", received="--no-report", remedy="Leave one of them out")
    if open_page:
        given["page"] = True  # also of a run that is resumed and was begun without
    refused = None
    try:
        made = gb.resume(resume, space=space, **given) if resume else gb.run(space, **given)
    except NotUploadedError as error:
        made, refused = error.run, error
    try:
        for one in (made, *made.others):
            _tell(one, given, format_, tables)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()  # a reader who has gone still gets the exit code, and how to resume
    if open_page and made.page and not webbrowser.open(made.page.resolve().as_uri()):
        click.echo("No browser could be opened. The page is at the address above.", err=True)
    if refused is not None:
        raise refused
    if made.metadata["stopped_by"] == "user":
        from grouped_bench.store.journal import resume_command

        command = resume_command(made.path, given.get("out", DEFAULT_OUT))
        click.echo(f"Interrupted: what was measured is kept in the file above. Resume with `{command}`.", err=True)
        return INTERRUPTED
    failed = measured_nothing(made.frame["status"]) or (strict and (made.frame["status"] != "ok").any())
    return FAILED if failed else OK


def _tell(made: "Run", given: dict[str, Any], format_: str, tables: bool) -> None:
    """The answer on standard output; for a program, the record, and the names of the files on standard error."""
    import grouped_bench as gb
    from grouped_bench.analyse.rows import plain
    from grouped_bench.report.run import answer
    from grouped_bench.report.run.next_steps import Next

    width = terminal_width()
    if format_ != "table" or tables:
        click.echo(gb.show([made], format=format_, width=width, styled=True))
    if format_ == "table":
        after = Next(made.path, given.get("out", DEFAULT_OUT), made.page is not None, made.url)
        click.echo("\n".join(answer.of_run(made.frame, made.metadata, width=width, after=after)))
    else:
        if nothing := answer.unmeasured(plain(made.frame), made.metadata):
            click.echo(nothing, err=True)
        for file in filter(None, (made.path, made.page, made.url)):
            click.echo(f"Wrote {file}", err=True)
