"""Reference runs and what `results/` shows of them: measure them, or draw them again from the files that are there.

python bench/publish.py --measure                  # some 30 minutes on two cores
python bench/publish.py --measure quick resnext50  # only the runs whose commands have one of these words
python bench/publish.py                            # only READMEs, figures and the example page
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import evidence_page
import pandas as pd

import grouped_bench as gb
from grouped_bench.analyse import pictures
from grouped_bench.analyse.environment import machines
from grouped_bench.analyse.rows import plain
from grouped_bench.report.drawing import registry
from grouped_bench.report.run import tables
from grouped_bench.units import format_seconds, significant

RESULTS = Path(__file__).resolve().parent.parent / "results"
# Names the reference runs, since anybody's own runs may lie beside them.
PUBLISHED = RESULTS / "published.txt"
# A page weighs up to 2 MB, so one is kept as an example: that of the first run, which the package's README reads aloud.
EXAMPLE = RESULTS / "page.html"
# What the README shows where it is telling. Peak memory stands in the trade-off; `grouped-bench report --figures`
# draws every figure.
FIGURES = ("savings", "winners", "ranking", "latency", "speedup", "crossover", "tradeoff")
_HEAD = """# Reference runs

Made by `python bench/publish.py --measure`; do not edit. [One page](page.html) is kept as an example.
This command writes the page of any run and all of its figures:

```sh
grouped-bench report results/MACHINE/RUN.parquet -o page.html --figures figures
```
"""
# One machine plays both classes of processors, those on which TensorFlow turns oneDNN on and the others.
_BOTH = {"env": "TF_ENABLE_ONEDNN_OPTS=0,1"}
RUNS = (
    {"preset": "quick", "budget": "3m", **_BOTH},
    {
        "groups": "32", "channels": "128", "size": "28", "batch-size": "8", "pass": "training",
        "variant": "regular,grouped,grouped_native,split_concat,merged_groups,depthwise_sum",
        "budget": "6m", **_BOTH,
    },
    {"preset": "resnext50", "pass": "inference", "budget": "6m"},
    {"preset": "resnext50", "pass": "training", "budget": "12m", **_BOTH},
    {
        "groups": "8,32", "channels": "64,128,256", "size": "14,28", "batch-size": "1,8",
        "variant": "regular,grouped,grouped_native,split_concat", "budget": "7m",
    },
    {
        "backend": "tensorflow,jax,torch", "variant": "all", "groups": "8,32", "channels": "128",
        "pass": "inference,training", "budget": "12m",
    },
    {"preset": "resnext-table2", "variant": "all", "budget": "5m"},
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="*", metavar="WORD", help="measure runs anew, in place of those there")
    words = parser.parse_args().measure
    if words is not None:
        measure(words)
    write_page([gb.load(path) for path in published()])
    evidence_page.write()


def published() -> list[Path]:
    """Files of the reference runs, and of no run that somebody made beside them."""
    return [RESULTS / line for line in PUBLISHED.read_text(encoding="utf-8").split()]


def measure(words: Sequence[str]) -> None:
    """Put fresh reference runs in place of this machine's old ones: all, or those with one of `words`."""
    for options in RUNS:
        asked = ["run", *(word for name, value in options.items() for word in (f"--{name}", value)), "--explain"]
        if words and not set(words) & set(asked):
            continue
        axes = {name.replace("-", "_"): value for name, value in options.items() if name != "preset"}
        space = gb.Space.preset(options["preset"]) if "preset" in options else gb.Space()
        run = gb.run(
            space, out=RESULTS, page=False, quiet=False, command=["grouped-bench", *asked], explain=True, **axes
        )
        _replace(run)


def _replace(fresh: gb.Run) -> None:
    """Name `fresh` among the reference runs, in the place of this machine's run of the same command."""
    paths = published()
    for place, path in enumerate(paths):
        if path.parent == fresh.path.parent and _asked(gb.load(path)) == _asked(fresh):
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            for suffix in (".parquet", ".html"):
                path.with_suffix(suffix).unlink(missing_ok=True)
            paths[place] = fresh.path
            break
    else:
        paths.append(fresh.path)
    PUBLISHED.write_text("\n".join(path.relative_to(RESULTS).as_posix() for path in paths) + "\n", encoding="utf-8")


def _asked(run: gb.Run) -> list[str]:
    """What a run was asked to measure; a look into its variants changes nothing of that."""
    return [word for word in run.metadata["environment"]["command"] if word != "--explain"]


def write_page(runs: list[gb.Run]) -> None:
    """`results/README.md`, the example page and, in a folder a run, the figures; in place of all that was there."""
    parts = [_HEAD]
    for run in runs:
        parts += part_of(run)
    (RESULTS / "README.md").write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    runs[0].report(EXAMPLE)


def part_of(run: gb.Run) -> list[str]:
    """The lines of one run: command, findings, network time, tables, figures, which are drawn into its folder."""
    folder = run.path.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    run.path.with_suffix(".html").unlink(missing_ok=True)
    relative = folder.relative_to(RESULTS)
    facts = run.metadata["environment"]
    # The findings come first, before the headings of the cohorts.
    found, rest = tables.render(run.frame, [run.metadata], format="markdown").split("\n### ", 1)
    lines = [
        f"## `{' '.join(facts['command'])}`",
        "",
        f"{', '.join(machines.classes([run.metadata]))}; {facts['processor']['usable']} processors, "
        f"{_versions(run)}, Keras {facts['libraries']['keras']}, "
        f"{run.metadata['started_at'][:10]}, {run.metadata['time']['total_s'] / 60:.1f} minutes. "
        f"[Parquet]({relative}.parquet).",
        "",
        found,
        "",
        *network_time(run),
        "<details><summary>Tables</summary>",
        "",
        f"### {rest}",
        "",
        "</details>",
        "",
    ]
    record = registry.Drawable(plain(run.frame))
    telling = {pictures.first_picture(record.answers), *pictures.telling(record.rows)} & {*FIGURES}
    for drawn in registry.draw(run.frame, [run.metadata]):
        if drawn.svg and drawn.name in telling:
            (folder / f"{drawn.name}.svg").write_text(drawn.svg, encoding="utf-8")
            lines += [f"![{drawn.alt}]({relative}/{drawn.name}.svg)", ""]
    return lines


def _versions(run: gb.Run) -> str:
    """The backends of a run with their versions."""
    used = run.frame[["backend", "backend_version"]].drop_duplicates().itertuples(index=False)
    return ", ".join(f"{name} {version}" for name, version in used)


def network_time(run: gb.Run) -> list[str]:
    """Time of all convolutions of a network in each environment, its grouped ones computed each way."""
    frame = run.frame
    if frame["label"].isna().any() or frame["multiplicity"].notna().sum() == 0:
        return []
    frame = frame.assign(times=frame["multiplicity"].fillna(1).astype(int))
    parts = frame.groupby("env", dropna=False, sort=False)
    return [line for env, part in parts for line in _network_time(part, env if isinstance(env, str) else None)]


def _network_time(frame: pd.DataFrame, env: str | None) -> list[str]:
    """The lines of one environment; none where a layer is missing."""
    dense, grouped = frame[frame["groups"] == 1], frame[frame["groups"] > 1]
    if (dense["status"] != "ok").any():
        return []
    rest = float((dense["latency_s"] * dense["times"]).sum())
    with_env = f" with `{env}`" if env else ""
    lines = [
        "All convolutions of the network, each as often as it stands there: sums of medians, which carry no interval. "
        f"Those with one group take {format_seconds(rest)}{with_env}; its grouped ones, computed by",
        "",
        "| variant | computes | grouped convolutions | all | share of the grouped ones |",
        "|---|---|--:|--:|--:|",
    ]
    for (function, name), rows in grouped.groupby(["computes", "variant"]):
        if (rows["status"] == "ok").all():
            spent = float((rows["latency_s"] * rows["times"]).sum())
            total = spent + rest
            share = significant(100 * spent / total, 2)
            lines.append(f"| {name} | {function} | {format_seconds(spent)} | {format_seconds(total)} | {share}% |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
