"""The command `grouped-bench`: words into library calls, results into exit codes, nothing else."""

import errno
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from grouped_bench import __version__
from grouped_bench.commands.advise import advise
from grouped_bench.commands.compare import compare
from grouped_bench.commands.explain import explain as explain_command
from grouped_bench.commands.history import history
from grouped_bench.commands.output import drop_output
from grouped_bench.errors import CutShortError, GroupedBenchError
from grouped_bench.options import import_option, measuring_options, space_of, space_options

OK, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
SHOW_FORMATS = ("table", "markdown", "csv", "json")


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    try:
        code = cli.main(prog_name="grouped-bench", standalone_mode=False)
        sys.stdout.flush()
    except GroupedBenchError as error:
        code = _refuse(str(error))
        code = INTERRUPTED if isinstance(error, CutShortError) else code
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "grouped-bench"
        told = error.format_message()
        code = _refuse(f"{told}{'' if told.endswith(('.', '?')) else '.'} Try `{path} --help`.")
    except (click.Abort, KeyboardInterrupt):
        click.echo("grouped-bench: interrupted", err=True)
        code = INTERRUPTED
    except SystemExit:
        code = OK  # outside standalone mode click leaves only where its own writing meets a closed pipe
    except BrokenPipeError:
        drop_output()
        code = OK  # the reader has had enough
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EBADF):
            raise
        drop_output()
        code = _refuse(f"The answer must reach standard output. Received: {error.strerror}. Send it elsewhere.")
    sys.exit(code if isinstance(code, int) else OK)


def _refuse(message: str) -> int:
    click.echo(f"grouped-bench: {' '.join(message.split())}", err=True)
    return REFUSED


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(__version__, prog_name="grouped-bench")
def cli() -> None:
    """Which way of computing a convolution is best on this machine.

    Measure with `run`, ask `advise` which variant to use, and `explain` why it
    takes its time.

    \b
    Examples:
      grouped-bench run --groups 1,8,32 --channels 128 --pass training
      grouped-bench advise --channels 128 --groups 32 --pass training --measure
      grouped-bench explain --channels 128 --groups 32 --pass training
    """


@cli.command()
@space_options
@click.option("--out", default="results", show_default=True, help="Folder for the run's files.")
@measuring_options
@click.option("--resume", metavar="RUN", help="Go on with a run that did not end: its id, its journal, or latest.")
@click.option("--explain", is_flag=True, help="Explain each case's slowest and fastest variant, after the budget.")
@click.option("--no-report", is_flag=True, help="Leave out the HTML page.")
@click.option("--strict", is_flag=True, help="Exit 1 when a task's status is not ok.")
@click.option("--format", "format_", type=click.Choice(SHOW_FORMATS), default="table", show_default=True)
def run(
    out: str,
    resume: str | None,
    wait: bool,
    explain: bool,
    no_report: bool,
    strict: bool,
    quiet: bool,
    format_: str,
    **options: Any,
) -> int:
    """Measure a space: print the tables, write the Parquet file and the page.

    Without any axis, preset, file or model this runs the preset `quick`. With an
    axis and no preset the other axes take their defaults. LIST is a comma
    list, such as 1,2,4.

    \b
    Examples:
      grouped-bench run
      grouped-bench run --groups 1,32 --channels 128 --pass inference,training
      grouped-bench run --space my_sweep.toml --budget 30m --out results
      grouped-bench run --model net.keras --input-shape 224,224,3
      grouped-bench run --import my_variant.py --variant all --groups 1,32
      grouped-bench run --resume latest
    """
    from grouped_bench import api
    from grouped_bench.report import tables

    how: dict[str, Any] = {"out": out, "page": not no_report, "quiet": quiet, "wait": wait, "explain": explain}
    space, given = space_of(options, resumed=resume is not None)
    result = api.resume(resume, space=space, **how, **given) if resume else api.run(space, **how, **given)
    files = [result.path] if no_report else [result.path, result.path.with_suffix(".html")]
    try:
        click.echo(tables.render(result.frame, [result.metadata], format=format_))
        for file in files:
            click.echo(f"Wrote {file}", err=format_ != "table")
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()  # a reader who has gone still gets the exit code, and how to go on
    if result.metadata["stopped_by"] == "user":
        from grouped_bench.store.journal import resume_command

        go_on = resume_command(result.path, Path(out))
        click.echo(f"Interrupted: what was measured is kept in the file above. Go on with `{go_on}`.", err=True)
        return INTERRUPTED
    return FAILED if strict and (result.frame["status"] != "ok").any() else OK


@cli.command()
@space_options
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def plan(format_: str, **options: Any) -> int:
    """Show what `run` would measure with the same options; measure nothing.

    The estimate is rough: it knows no slow implementation.

    \b
    JSON: {"schema": 1, "tasks": [analytic columns], "skipped": [the same,
    "reason"], "estimate": {"seconds", "peak_bytes"}}
    \b
    Example:
      grouped-bench plan --preset resnext50 --pass training
    """
    from grouped_bench import api
    from grouped_bench.report import plans

    space, given = space_of(options)
    planned, control = api.plan(space, **given)
    click.echo(plans.render(planned.to_dict(control), format_))
    return OK


@cli.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--by", metavar="COLUMN", help="Group the rows by this column instead of by cohort.")
@click.option("--sort", metavar="COLUMN", help="Sort by latency, speedup, memory, params or any column.")
@click.option("--where", metavar="EXPR", help="Keep rows for which this holds, such as 'groups > 1'.")
@click.option("--format", "format_", type=click.Choice(SHOW_FORMATS), default="table", show_default=True)
@click.option("--out", default="results", show_default=True, help="Folder of run ids and `latest`.")
def show(runs: tuple[str, ...], by: str, sort: str, where: str, format_: str, out: str) -> int:
    """Print the tables and findings of runs again, from their files.

    RUN is a Parquet file, a folder of runs, a run id, or `latest`. Of several
    runs, the facts come first in which their environments differ. With
    --where, findings are those of whole cohorts that rest on the rows kept.

    \b
    JSON: {"schema": 1, "tasks": [the columns without samples], "findings":
    [{"text", "tasks": [places in "tasks", from 0]}]}; of several runs also
    "differences": [{"fact", "values": [{"run_id", "value"}]}]
    \b
    Examples:
      grouped-bench show latest
      grouped-bench show results --where "groups > 1" --format csv
    """
    from grouped_bench import api
    from grouped_bench.report import tables

    found = api.load_all(list(runs), out)
    click.echo(
        tables.render(api.joined(found), [r.metadata for r in found], by=by, sort=sort, where=where, format=format_)
    )
    return OK


@cli.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--output", default="report.html", show_default=True, help="The page to write.")
@click.option("--figures", metavar="DIR", help="Also write each figure here, as SVG and PNG.")
@click.option("--out", default="results", show_default=True, help="Folder of run ids and `latest`.")
def report(runs: tuple[str, ...], output: str, figures: str | None, out: str) -> int:
    """Write one HTML page of runs.

    It holds findings, an explorer, figures and tables, and loads nothing from
    elsewhere. RUN is a Parquet file, a folder of runs, a run id, or `latest`.

    \b
    Example:
      grouped-bench report latest -o report.html --figures figures
    """
    from grouped_bench import api

    click.echo(f"Wrote {api.report(api.load_all(list(runs), out), output, figures)}")
    return OK


@cli.command()
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def doctor(format_: str) -> int:
    """Say whether this machine is fit to measure on, in under 30 seconds.

    Exit code 1 says that it is not. A layer is measured against itself for
    a while, to tell the smallest difference that one pair would show here.

    \b
    JSON: {"schema": 1, "fit", "checks": [{"name", "grade", "found",
    "remedy"}], "smallest_difference"}
    \b
    Example:
      grouped-bench doctor
    """
    from grouped_bench.harness.doctor import diagnose
    from grouped_bench.report import plans

    diagnosis = diagnose()
    click.echo(plans.diagnosis(diagnosis.to_dict(), format_))
    return OK if diagnosis.fit else FAILED


cli.add_command(explain_command)


@cli.command(name="list")
@click.argument("what", type=click.Choice(("variants", "presets", "backends", "devices", "columns")))
@import_option
@click.option("--format", "format_", type=click.Choice(("table", "json")), default="table", show_default=True)
def list_(what: str, files: tuple[str, ...] | None, format_: str) -> int:
    """List variants, presets, backends, devices or columns.

    \b
    JSON: {"schema": 1, WHAT: [{"name", …}]}
    \b
    Example:
      grouped-bench list variants --import my_variant.py
    """
    from grouped_bench import catalogue
    from grouped_bench.report import plans

    if files and what != "variants":
        raise click.UsageError("--import goes with `list variants`")
    rows = catalogue.rows(what, files or ())
    click.echo(json.dumps({"schema": 1, what: rows}, indent=1) if format_ == "json" else plans.listing(rows))
    return OK


cli.add_command(advise)
cli.add_command(history)
cli.add_command(compare)
