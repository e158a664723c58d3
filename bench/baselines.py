"""What a baseline keeps: its size beside the run's, and whether `compare` finds the same in both.

Every reference run is set against itself with samples changed: each task by a factor of its own, each visit by noise.
Base and head are compared as they are and thinned, metric by metric.

python bench/baselines.py --save     # some minutes
"""

import math
import tempfile
from pathlib import Path

import evidence
import numpy as np
import pandas as pd
import publish

import grouped_bench as gb
from grouped_bench.analyse.compare import compare
from grouped_bench.analyse.compare.measurements import of_frames
from grouped_bench.analyse.compare.thinning import thin
from grouped_bench.api.gate.baselines import ROUNDS, save_baselines
from grouped_bench.harness.progress import Progress

FACTORS, NOISE = (0.90, 0.95, 1.0, 1.0, 1.05, 1.10), 0.01
DRAWS = 20
MOST_DIFFERENT, LEAST_SMALLER, MOST_MOVED = 0.0, 2.0, 1e-9


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(publish.published(), draws=1 if given.smoke else DRAWS, runs=2 if given.smoke else None)
    for run in found["runs"]:
        print(f"{run['tasks']:4} tasks {run['bytes']:9,} B, as a baseline {run['baseline_bytes']:7,} B")
    print(f"{found['different']} of {found['compared']} verdicts differ; ends moved by at most {found['moved']:.1g}")
    evidence.conclude("baselines", found, given)


def measure(paths: list[Path], *, draws: int, runs: int | None = None) -> evidence.Findings:
    """Sizes of the runs and of their baselines, and what comparisons of both say."""
    found: evidence.Findings = {"draws": draws, "factors": FACTORS, "noise": NOISE, "runs": []}
    compared, different, moved = 0, 0, 0.0
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, evidence.as_far_as_it_goes(found), Progress(False) as progress:
        for number, path in enumerate(paths[:runs]):
            (kept,) = save_baselines([str(path)], folder)
            run = gb.load(path)
            sizes = {"bytes": path.stat().st_size, "baseline_bytes": kept.stat().st_size}
            found["runs"].append({"run": path.stem, "tasks": len(run.frame), **sizes})
            for draw in range(draws):
                progress.say(f"run {number + 1} of {len(paths)}, draw {draw + 1} of {draws}")
                head = changed(run.frame, rng)
                whole = changes(run.frame, head)
                thinned = changes(thin(run.frame, ROUNDS), thin(head, ROUNDS))
                for one, other in zip(whole, thinned, strict=True):
                    compared += 1
                    different += one.verdict != other.verdict
                    moved = max(moved, distance(one.ratio, other.ratio))
    smallest = min(run["bytes"] / run["baseline_bytes"] for run in found["runs"])
    targets = [
        evidence.target("no verdict differs", different / compared, MOST_DIFFERENT, "%"),
        evidence.target("a baseline is at most half as large", smallest, LEAST_SMALLER, "×", at_least=True),
        evidence.target("no end of an interval moves by more than rounding", moved, MOST_MOVED, ""),
    ]
    return {**found, "compared": compared, "different": different, "moved": moved, "targets": targets}


def changed(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The frame with each task's samples times a factor, and each visit's times noise."""

    def scaled(visits: object) -> object:
        if not isinstance(visits, (list, np.ndarray)):
            return visits
        factor = rng.choice(FACTORS)
        return [np.asarray(visit, float) * factor * math.exp(rng.normal(0, NOISE)) for visit in visits]

    return frame.assign(samples_s=[scaled(visits) for visits in frame["samples_s"]])


def changes(base: pd.DataFrame, head: pd.DataFrame) -> list[compare.Change]:
    """Every metric of every task, first calls judged too."""
    found = compare.compare(of_frames([base]), of_frames([head]), {"first_call": 0.2})
    return [change for task in found.tasks for change in task.changes]


def distance(one: object, other: object) -> float:
    """By how much of itself an estimate or an end of an interval differs."""
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    ends = [(part.estimate, part.low, part.high) if hasattr(part, "low") else (part,) for part in (one, other)]
    return max(abs(a / b - 1) for a, b in zip(*ends, strict=True))


if __name__ == "__main__":
    main()
