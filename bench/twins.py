"""Twins: at groups=1 every variant computes one function, so a verdict `faster` or `slower` is a suspect.

Run it on a quiet machine: python bench/twins.py
It measures 20 cohorts of twins and counts their verdicts.
"""

import argparse
import tempfile
from collections import Counter

import grouped_bench as gb
from grouped_bench.report import tables

SHAPES = {
    "channels": [32, 64],
    "size": [14, 28],
    "kernel_size": [1, 3],
    "batch_size": [4, 8],
}
TRAINING = {"channels": 64, "size": [14, 28], "batch_size": [4, 8]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one small cohort, three visits")
    parser.add_argument("--visits", type=int, default=36, help="visits of a cohort, at most")
    parser.add_argument("--variant", default="regular,split_sum,split_concat", help="twins to compare")
    given = parser.parse_args()
    cases = [SHAPES, {**TRAINING, "pass": "training"}]
    space = gb.Space(cases=cases, groups=1, variant=given.variant)
    if given.smoke:
        space = gb.Space(groups=1, channels=8, size=7, batch_size=1, variant=given.variant)
    with tempfile.TemporaryDirectory() as folder:
        run = gb.run(
            space, out=folder, memory=False, page=False, quiet=False, visits=3 if given.smoke else given.visits, seed=0
        )
    frame = run.frame
    cohorts = frame["samples_s"].map(len)[frame["variant"] == "regular"]
    pairs = frame[frame["variant"] != "regular"]
    counts = Counter(pairs["verdict"])
    print(f"{len(cohorts)} cohorts of twins, {len(pairs)} pairs, {cohorts.min()} to {cohorts.max()} visits a cohort")
    for verdict in ("equivalent", "undecided", "faster", "slower"):
        print(f"  {verdict:10} {counts[verdict]:3}")
    if counts["equivalent"] < len(pairs):
        print(tables.render(frame, [], where="verdict in ['undecided', 'faster', 'slower']", by="verdict"))
    print(f"{run.metadata['time']['total_s'] / len(pairs):.1f} s a pair")


if __name__ == "__main__":
    main()
