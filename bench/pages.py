"""What a page costs: `grouped-bench report` of runs of 1,000, 20,000 and 100,000 tasks, and how soon each is usable.

The runs are made up: a case for every channels, groups and pass, five variants, noisy samples. A report is the command
as typed, in a process of its own. A page is usable once its table answers; Chromium opens it from a file, five times.
About 5 minutes.

python bench/pages.py --save   # on a quiet machine
"""

import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import evidence
import numpy as np
import pandas as pd

from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import BASELINE, Case
from grouped_bench.space.counts import convolution_counts
from grouped_bench.store import schema
from grouped_bench.store.runs import write_run

SIZES = (1_000, 20_000, 100_000)
SMOKE_SIZES = (50,)
OPENINGS = 5
GROUPS = (1, 2, 4, 8, 16)
PASSES = ("inference", "training")
VARIANTS = {
    BASELINE: "dense",
    "split_sum": "dense",
    **dict.fromkeys(("grouped", "grouped_native", "split_concat"), "grouped"),
}
VISITS, ROUNDS = 8, 5
SECONDS, BYTES, USABLE_S = {1_000: 10.0, 100_000: 60.0}, 2_000_000, 1.0
PEAK_BYTES = 2 * 2**30


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(SMOKE_SIZES if given.smoke else SIZES)
    for page in found["pages"]:
        told = [
            evidence.shown(page[name], unit) for name, unit in (("report_s", "s"), ("bytes", "B"), ("peak_bytes", "B"))
        ]
        print(f"{page['tasks']:,} tasks: {', '.join(told)}, usable in {evidence.shown(page['usable_s'], 's')}")
    evidence.conclude("pages", found, given)


def measure(sizes: tuple[int, ...]) -> evidence.Findings:
    """A page of each size."""
    found: evidence.Findings = {"pages": [], "browser": browser_path() is not None}
    with evidence.as_far_as_it_goes(found), tempfile.TemporaryDirectory() as folder:
        for tasks in sizes:
            evidence.say(f"a run of {tasks:,} tasks")
            run, page = Path(folder, f"{tasks}.parquet"), Path(folder, f"{tasks}.html")
            write_run(
                made_up(tasks), {"schema": schema.SCHEMA_VERSION, "run_id": str(tasks), "machine": "made-up"}, run
            )
            report_s, peak = reported(run, page)
            sized = {"tasks": tasks, "report_s": report_s, "peak_bytes": peak, "bytes": page.stat().st_size}
            found["pages"].append({**sized, "usable_s": usable(page)})
    return {**found, "targets": targets({page["tasks"]: page for page in found["pages"]})}


def targets(pages: dict[int, evidence.Findings]) -> list[evidence.Findings]:
    """What is asked of the pages, and what was found."""
    first, last = pages.get(SIZES[0], {}), pages.get(SIZES[-1], {})
    return [
        *(
            evidence.target(
                f"report of {tasks:,} tasks in {limit:g} s", pages.get(tasks, {}).get("report_s"), limit, "s"
            )
            for tasks, limit in SECONDS.items()
        ),
        evidence.target(f"report of {SIZES[-1]:,} tasks within 2 GiB", last.get("peak_bytes"), PEAK_BYTES, "B"),
        evidence.target(f"page of {SIZES[0]:,} tasks within 2 MB", first.get("bytes"), BYTES, "B"),
        evidence.target(f"page of {SIZES[0]:,} tasks usable in 1 s", first.get("usable_s"), USABLE_S, "s"),
    ]


def made_up(tasks: int) -> pd.DataFrame:
    """A frame of `tasks` measured tasks, whole cohorts of them."""
    random, count = np.random.default_rng(1), len(VARIANTS)
    rows: list[dict[str, Any]] = []
    for number in range(tasks // count):
        rest, pass_ = divmod(number, len(PASSES))
        channels, groups = divmod(rest, len(GROUPS))
        rows += cohort(16 * (channels + 1), GROUPS[groups], PASSES[pass_], random, str(tasks))
    return pd.DataFrame(rows, columns=list(schema.NAMES))


def cohort(channels: int, groups: int, pass_: str, random: np.random.Generator, run_id: str) -> list[dict[str, Any]]:
    """The rows of one case."""
    case = Case(
        **{"rank": 2, "batch_size": 8, "in_channels": channels, "out_channels": channels, "groups": groups},
        **{"size": (28, 28), "kernel_size": (3, 3), "stride": (1, 1), "dilation": (1, 1), "padding": "same"},
        **{"bias": False, "dtype": "float32", "data_format": "channels_last", "pass_": pass_},
    )  # fmt: skip
    base = 1e-6 * channels**1.5
    return [row(case, variant, base * random.uniform(0.2, 2), base, random, run_id) for variant in VARIANTS]


def row(
    case: Case, variant: str, latency: float, base: float, random: np.random.Generator, run_id: str
) -> dict[str, Any]:
    """One task, with noisy samples."""
    counts = convolution_counts(case, case.groups if VARIANTS[variant] == "grouped" else 1)
    speedup = 1.0 if variant == BASELINE else base / latency
    samples = latency * random.lognormal(0, 0.05, (VISITS, ROUNDS))
    return {
        **case.to_columns(),
        **{"run_id": run_id, "machine": "made-up", "started_at": pd.Timestamp("2026-01-01", tz="UTC")},
        **{"backend": "tensorflow", "backend_version": "2.21.0", "execution": "graph", "device": "cpu"},
        **{"device_name": "made-up", "cache": "hot", "variant": variant, "computes": VARIANTS[variant]},
        **{"params": counts.params, "params_total": counts.params_total, "macs": counts.macs},
        **{"min_bytes": counts.min_bytes, "status": "ok", "relative_error": 3e-7, "first_calls_s": [0.4, 0.5, 0.4]},
        **{"latency_s": latency, "latency_low_s": latency * 0.98, "latency_high_s": latency * 1.02},
        **{"speedup": speedup, "speedup_low": speedup * 0.97, "speedup_high": speedup * 1.03},
        "verdict": None if variant == BASELINE else "faster" if speedup > 1.03 else "slower",
        **{"peak_memory_bytes": 4 * case.in_channels * 28 * 28 * 8, "memory_source": "allocator"},
        **{
            "samples_s": samples.tolist(),
            "visit_process": [i % 3 for i in range(VISITS)],
            "iterations": 10,
            "flags": [],
        },
    }


def reported(run: Path, page: Path) -> tuple[float, int]:
    """Seconds and peak resident memory of the command."""
    code = "import grouped_bench.commands.main as cli; cli.main()"
    start = read_clock()
    child = subprocess.Popen(
        [sys.executable, "-c", code, "report", str(run), "-o", str(page)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, "grouped-bench report")
    return read_clock() - start, usage.ru_maxrss * 1024


def browser_path() -> str | None:
    """Chromium, if it and what drives it are there."""
    return shutil.which("chromium") if importlib.util.find_spec("playwright") else None


def usable(page: Path) -> float | None:
    """Seconds from the opening of the page until it says that it is usable: the median of OPENINGS."""
    path = browser_path()
    if path is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found = []
        for _ in range(OPENINGS):
            opened = browser.new_page(viewport={"width": 1280, "height": 900})
            opened.goto(page.as_uri())
            opened.wait_for_selector("#explorer[data-ready]", state="attached")
            found.append(opened.evaluate("performance.getEntriesByName('usable')[0].startTime") / 1000)
            opened.close()
        browser.close()
    return statistics.median(found)


if __name__ == "__main__":
    main()
