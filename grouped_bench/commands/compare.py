"""`grouped-bench compare`: whether head is worse than base, by more than a threshold, and how sure that is."""

from pathlib import Path

import click

from grouped_bench.commands.output import say

NO_REGRESSION, REGRESSION, INCONCLUSIVE = 0, 1, 3
_FORMATS = ("table", "markdown", "json", "junit")


@click.command()
@click.argument("base")
@click.argument("head")
@click.option(
    "--threshold",
    "thresholds",
    metavar="[METRIC=]SHARE",
    multiple=True,
    help="By how much a metric may become worse, or `off` to tell it only; a bare share is of the latency. May be "
    "repeated, or a comma list.  [default: latency=5%,memory=5%,first_call=off,params=0%,status=0%]",
)
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="table", show_default=True)
@click.option(
    "--save",
    "files",
    metavar="FILE",
    multiple=True,
    help="Also write the answer here; .txt, .md, .json or .xml (JUnit) tells the format. May be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Show unchanged tasks in the table too.")
@click.option("--out", default="results", show_default=True, help="Folder of run ids and `latest`.")
def compare(
    base: str,
    head: str,
    thresholds: tuple[str, ...],
    format_: str,
    files: tuple[str, ...],
    everything: bool,
    out: str,
) -> int:
    """Say whether HEAD is worse than BASE, task by task, and how sure that is.

    BASE and HEAD are each a Parquet file, a journal, a run id or `latest`; a
    folder of runs, of which those of its newest commit are taken together; or
    pytest-benchmark's JSON, a file or a folder. Ratios are head over base, their
    intervals corrected over all tasks. Runs of different machines are compared
    by what was measured beside the machine's reference workload.

    Exit codes: 0 no regression; 1 a regression: an interval wholly beyond its
    threshold, or a task that worked and now fails; 3 not decided; 2 cannot be
    carried out. A regression outweighs what is not decided.

    \b
    JSON: {"schema": 1, "verdict", "headline", "basis", "why", "thresholds":
    {metric: share or null}, "differences": [{"fact", "base", "head"}],
    "base", "head": {"runs": [{"run_id", "machine", "started_at", "commit"}],
    "left_out"}, "tasks": [{the case and setting, "verdict", "flags",
    "changes": [{"metric", "base", "head", "ratio", "low", "high", "verdict",
    "reason"}]}], "new", "gone": [{the case and setting, "status", "reason"}]}
    \b
    JUnit: a test a task and metric; a regression fails, what is not decided,
    new or gone is skipped.
    \b
    Examples:
      grouped-bench compare results/base results/head
      grouped-bench compare baseline.parquet latest --threshold 3%,memory=10%
      grouped-bench compare base head --save answer.md --save junit.xml
    """
    from grouped_bench import comparing
    from grouped_bench.report import comparisons
    from grouped_bench.store.runs import check_writable

    named = {Path(name): comparisons.format_of(name) for name in files}
    for path in named:
        check_writable(path.parent)
    limits = comparing.read_thresholds(thresholds)
    found = comparing.compare(base, head, out=out, thresholds=limits)
    texts = {path: comparisons.render(found, kind, everything=everything) for path, kind in named.items()}
    for path, text in texts.items():
        comparisons.save(text, path)
    say(comparisons.render(found, format_, everything=everything))
    return {"regression": REGRESSION, "inconclusive": INCONCLUSIVE}.get(found.verdict, NO_REGRESSION)
