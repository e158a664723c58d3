"""Where the time of a run goes, and what a fresh worker costs before its first trace.

Run it on a quiet machine: python bench/overhead.py
"""

import argparse
import dataclasses
import statistics
import tempfile

import grouped_bench as gb
from grouped_bench.harness.hosts import Host
from grouped_bench.plan import make_plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a small space and two workers")
    given = parser.parse_args()
    small = gb.Space(channels=8, size=7, batch_size=1, control={"visits": 3})
    show_shares(small if given.smoke else gb.Space.preset("quick"))
    show_start(2 if given.smoke else 20)


def show_shares(space: gb.Space) -> None:
    """Share of each part of a run's time after the import and without the memory pass."""
    with tempfile.TemporaryDirectory() as folder:
        spent = gb.run(space, out=folder, quiet=False, page=False, seed=0).metadata["time"]
    base = spent["total_s"] - spent["import_s"] - spent["memory_s"]
    print(f"{spent['total_s']:.1f} s: import {spent['import_s']:.1f} s, memory pass {spent['memory_s']:.1f} s, and")
    parts = ("samples_s", "warm_up_s", "first_calls_s", "start_s", "verify_s", "other_s")
    for part in parts:
        print(f"  {part:14} {spent[part]:6.1f} s  {spent[part] / base:5.1%}")
    print(f"  samples and warm-up: {(spent['samples_s'] + spent['warm_up_s']) / base:.1%}")


def show_start(workers: int) -> None:
    """Seconds from the request to fork until the first trace may begin, inputs drawn and the device's context made."""
    cohort = make_plan(gb.Space(channels=64, size=28, batch_size=4)).cohorts[0]
    request = {
        "op": "build",
        "case": cohort.case.to_columns(),
        "setting": dataclasses.asdict(cohort.setting),
        "seed": 0,
        "variants": ["regular"],
        "iterations": {},
        "check": False,
    }
    host = Host("tensorflow")
    costs = []
    for _ in range(workers):
        worker = host.fork(60)
        answer = worker.ask(request)
        costs.append(answer["start_s"] + answer["inputs_s"])
        worker.close()
    host.close()
    low, high = min(costs), max(costs)
    print(f"A fresh worker before its first trace: median {statistics.median(costs):.3f} s, {low:.3f} to {high:.3f} s")


if __name__ == "__main__":
    main()
