"""`grouped-bench compare`: whether head is worse than base, by more than a threshold, and how sure that is."""

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from grouped_bench.commands.shared.options import (
    GroupedOptions,
    measuring_options,
    space_of,
    space_options,
    with_progress,
)
from grouped_bench.commands.shared.output import FAILED, INCONCLUSIVE, INTERRUPTED, OK, say, terminal_width, usage_error
from grouped_bench.units import counted

if TYPE_CHECKING:
    from grouped_bench.analyse.compare.side_selection import Judgement

# Options whose parameters have other names.
_OPTIONS = {"space_file": "space", "files": "import", "passes": "pass", "memory": "no-memory"}
_FORMATS = ("table", "markdown", "json", "junit")


@click.command(cls=GroupedOptions)
@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option("--base-python", metavar="PYTHON", help="Measure base with this interpreter, side by side with head.")
@click.option("--head-python", metavar="PYTHON", help="Measure head with this interpreter, side by side with base.")
@click.option("--base-path", metavar="FOLDER", help="Folder of base's project, for --step and --model.")
@click.option("--head-path", metavar="FOLDER", help="Folder of head's project, for --step and --model.")
@click.option(
    "--step",
    metavar="MODULE:FUNCTION",
    help="Measure a step of your own project: a function without arguments that returns what to wait for.",
)
@click.option(
    "--threshold",
    "thresholds",
    metavar="[METRIC=]SHARE",
    multiple=True,
    help="Allowed worsening, such as 5% or memory=10%; `off` reports a metric without judging it. Repeatable, or a "
    "comma list.  [default: latency=5%, memory=5%, first_call=off, params=0%, status=0%]",
)
@click.option("--allow-gone", is_flag=True, help="Judge also where head lacks more than half of base's tasks.")
@click.option(
    "--as-one", is_flag=True, help="Take all files of a folder as repetitions of one side, whatever their commits."
)
@click.option(
    "--rerun",
    is_flag=True,
    help="Measure tasks that are worse or undecided once more, and judge all their visits together.",
)
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option(
    "--save",
    "saves",
    metavar="FILE",
    multiple=True,
    help="Also write the answer to this file; .txt, .md, .json or .xml (JUnit) sets the format. Repeatable.",
)
@click.option("--all", "everything", is_flag=True, help="Show unchanged tasks in the table too.")
@click.option("--out", default="results", show_default=True, help="Folder of run ids, `latest` and new runs.")
@space_options
@measuring_options
def compare(
    base: str | None,
    head: str | None,
    base_python: str | None,
    head_python: str | None,
    base_path: str | None,
    head_path: str | None,
    step: str | None,
    thresholds: tuple[str, ...],
    allow_gone: bool,
    as_one: bool,
    rerun: bool,
    format_: str,
    saves: tuple[str, ...],
    everything: bool,
    out: str,
    **options: Any,
) -> int:
    """Judge whether HEAD is worse than BASE, task by task.

    BASE and HEAD are each a Parquet file, a journal, a run id, `latest`, a file of
    steps (.steps.json), or a folder of these. From a folder, the runs of the
    commit measured last are pooled, with the same uncommitted changes if any. Both
    may instead be JSON of pytest-benchmark, a file or a folder. The answer names
    the files of a folder that were left out, and why.

    Ratios are head over base, with intervals corrected over all tasks. Each
    latency is divided by that of the reference workload timed beside it, unless
    the answer names another basis. For different machines, this is the only
    basis. The answer begins with what differs between the sides: machine, oneDNN
    on or off, instruction sets. A task that ran by other kernels on another
    machine is not judged.

    With --base-python and --head-python, both sides are measured now, in
    alternating visits. Each side uses its own interpreter and libraries. Preset
    `ci` is measured unless an option names a space. Options of `run` need these
    two. Controls that are not given are those of `ci`, not the defaults below:
    --visits 10 --visit-time 100ms --reference case --budget 5m. Both runs are
    kept under --out.

    --step MODULE:FUNCTION and --model MODULE:FUNCTION measure your own project.
    Each side imports MODULE with its interpreter, from its --base-path or
    --head-path if given. Without a path, MODULE is the installed one. --step times
    the function, or the function that it returns. --model times a Keras model that
    the function returns, as a whole and layer by layer. Options that go with both
    are --visits, --visit-time, --budget, --task-timeout, --memory-limit, --seed
    and --no-memory. Those of a model are --backend, --execution, --device,
    --batch-size, --pass and --input-shape. By default both passes are timed.

    With --rerun, a task that is worse or undecided is measured once more, by new
    processes, before it is called so. All its visits count.

    Exit codes: 0 no regression; 1 a regression: an interval wholly beyond its
    threshold, or a task that worked and now fails; 3 undecided, or nothing to
    decide by: fewer than half of base's tasks in head, one run on both sides, or no
    interval that rules out a slow-down; 2 cannot be carried out; 130 interrupted.
    A regression outweighs the others.

    \b
    JSON: {"schema": 1, "verdict", "headline", "basis" ("mixed" if tasks differ),
    "why", "apart": [how the sides differ], "thresholds": {metric: share or
    null}, "differences": [{"fact", "base", "head"}], "base", "head": {"runs":
    [{"run_id", "machine", "class", "started_at", "commit"}], "left_out": number,
    "others": [{"file", "why"}]}, "same_run": whether base and head are one run,
    "decided", "undecided": tasks, "open": those whose interval reaches beyond
    the threshold, "tasks": [{the case and setting, "verdict", "basis", "flags":
    {"base", "head"}, "changes": [{"metric", "base", "head", "ratio", "low",
    "high", "verdict", "reason"}]}], "new", "gone": [{the case and setting,
    "status", "reason"}]}
    \b
    JUnit: one test per task and metric. A regression fails; an undecided, new or
    gone task is skipped.
    \b
    Examples:
      grouped-bench compare results/base results/head
      grouped-bench compare --base-python A/bin/python --head-python B/bin/python
      grouped-bench compare --base-path ../main --head-path . --step train:step
      grouped-bench compare --base-path ../main --head-path . --model nets:build
      grouped-bench compare baseline.parquet latest --threshold 3%,memory=10%
      grouped-bench compare base head --save answer.md --save junit.xml
    """
    import grouped_bench as gb
    from grouped_bench.api.gate.compare import thresholds_of
    from grouped_bench.report.comparison import table
    from grouped_bench.store.runs import check_writable

    project = _project(step, options)
    paths = {"--base-path": base_path, "--head-path": head_path}
    pythons = {"--base-python": base_python, "--head-python": head_python}
    asked = [name for name, value in options.items() if value is not None and name != "quiet"]
    asked += ["rerun"] if rerun else []
    if project is not None:
        _refuse_unlike_sides(f"--{project[0]} {project[1]}", {"BASE": base, "HEAD": head, **pythons, **paths})
    elif any(paths.values()):
        raise usage_error(
            f"{' and '.join(paths)} must go with --step or --model MODULE:FUNCTION",
            received="neither",
            remedy="Name what to measure, or leave them out",
        )
    measured = project is not None or _is_measured((base, head), (base_python, head_python), asked)
    named = {Path(name): table.format_of(name) for name in saves}
    for path in named:
        check_writable(path.parent)
    limits = thresholds_of(thresholds)  # refused before anything is measured
    measure: _Measure | None = None
    if project is not None:
        own = {name: value for name, value in with_progress(options).items() if name != "model"}
        own |= {"base_path": base_path, "head_path": head_path}
        own |= {name[2:].replace("-", "_"): python or sys.executable for name, python in pythons.items()}
        measure = functools.partial(gb.step_both, project[1], kind=project[0], out=out, **own)
    elif measured:
        space, own = space_of(with_progress(options), usual=None)
        measure = functools.partial(_files_of_runs, str(base_python), str(head_python), space, out=out, **own)
    judge = functools.partial(gb.compare, out=out, thresholds=limits, allow_gone=allow_gone, as_one=as_one)
    found, is_cut_short = (judge(str(base), str(head)), False) if measure is None else _judged(measure, judge, rerun)
    texts = {path: table.render(found, kind, everything=everything) for path, kind in named.items()}
    for path, text in texts.items():
        table.save(text, path)
    say(table.render(found, format_, everything=everything, width=terminal_width()))
    if is_cut_short:
        click.echo(
            "Interrupted: the answer covers what was measured so far, which is kept in the files above.", err=True
        )
        return INTERRUPTED
    return {"regression": FAILED, "inconclusive": INCONCLUSIVE}.get(found.verdict, OK)


# Measures both sides, or what of them is named by `again`, and returns the files.
_Measure = Callable[..., tuple[Path, Path]]


def _files_of_runs(*arguments: Any, **options: Any) -> tuple[Path, Path]:
    import grouped_bench as gb

    base, head = gb.run_both(*arguments, **options)
    return base.path, head.path


def _judged(measure: _Measure, judge: Callable[..., "Judgement"], rerun: bool) -> tuple["Judgement", bool]:
    """What both sides are found to be, and whether the user cut the measurement short.

    Args:
        measure: measures them.
        judge: compares files.
        rerun: whether what is worse or open is measured once more, and all its visits are judged together.
    """
    from grouped_bench.analyse.compare.again import Again

    bases, heads = ([path] for path in _told(measure()))
    found = judge(bases, heads)
    again = Again.of(found) if rerun and not _is_cut_short(found) else None
    if again is not None:
        click.echo(f"Measuring {counted(len(found.comparison.open_tasks), 'task')} once more.", err=True)
        base, head = _told(measure(again=again))
        found = judge([*bases, base], [*heads, head])
    return found, _is_cut_short(found)


def _told(files: tuple[Path, Path]) -> tuple[Path, Path]:
    for path in files:
        click.echo(f"Wrote {path}", err=True)
    return files


def _is_cut_short(found: "Judgement") -> bool:
    return any(facts.get("stopped_by") == "user" for facts in (*found.base.runs, *found.head.runs))


def _project(step: str | None, options: dict[str, Any]) -> tuple[Literal["step", "model"], str] | None:
    """What of a user's own project is to be measured; None where it is a space."""
    from grouped_bench.harness.side_by_side.project_request import names_function

    model = options.get("model")
    if step is not None and model is not None:
        raise usage_error(
            "--step and --model must not be given together", received=f"{step} and {model}", remedy="Give one of them"
        )
    if step is not None:
        return "step", step
    return ("model", model) if model is not None and names_function(model) else None


def _refuse_unlike_sides(what: str, given: dict[str, str | None]) -> None:
    """UsageError unless something tells the sides of a project apart, and nothing is measured already."""
    named = [name for name, value in given.items() if value]
    measured = [name for name in named if not name.startswith("--")]
    if measured or not named:
        raise usage_error(
            f"{what} must go with folders or interpreters of base and head",
            received=", ".join(measured) or "none",
            remedy="Give --base-path and --head-path, or --base-python and --head-python",
        )


def _is_measured(
    sides: tuple[str | None, str | None], pythons: tuple[str | None, str | None], asked: Sequence[str]
) -> bool:
    """Whether both sides are yet to be measured; UsageError where that is not clear."""
    named = dict(zip(("BASE", "HEAD", "--base-python", "--head-python"), (*sides, *pythons), strict=True))
    given = [name for name, value in named.items() if value]
    if given not in (["BASE", "HEAD"], ["--base-python", "--head-python"]):
        raise usage_error(
            "`compare` takes BASE and HEAD, or --base-python and --head-python",
            received=", ".join(given) or "none of them",
            remedy="Give one of the two pairs; for your own code, --step with --base-path and --head-path",
        )
    if any(pythons):
        return True
    if asked:
        option = _OPTIONS.get(asked[0], asked[0]).replace("_", "-")
        raise usage_error(
            f"--{option} must go with --base-python and --head-python",
            received="BASE and HEAD, which are measured already",
            remedy="Leave it out, or measure both sides now",
        )
    return False
