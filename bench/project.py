"""A gate for a project of one's own: does it stay silent where two commits compute the same, and see what is slower?

A project of a small model and of steps is made in two folders. Both sides the same: the whole step and each layer, in
both passes, must pass. A step of NumPy that is 10 % slower in head must be found, one that is the same must pass. A
convolution that head makes in groups must be told as slower in training.

python bench/project.py --save     # some 15 minutes on two cores, most of it for --repeats of the model
"""

import math
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import evidence

import grouped_bench as gb
from grouped_bench.analyse.compare import compare
from grouped_bench.analyse.compare.compare import Compared
from grouped_bench.analyse.statistics.stats import Interval

NETS = """import keras
from keras import layers


def build():
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(128, 3, padding="same", strides=2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(10)(x))
"""
# What head of the last question has in its place.
DENSE, GROUPED = "strides=2", "strides=2, groups=16"
STEPS = """import time

import numpy as np

MATRIX = np.random.default_rng(0).normal(size=(300, 300))


def step():
    start = time.perf_counter()
    made = MATRIX @ MATRIX @ MATRIX
    until = time.perf_counter() + SHARE * (time.perf_counter() - start)
    while time.perf_counter() < until:
        pass
    return made
"""
SLOWER = 0.10
MOST_ALARMS, LEAST_FOUND = 0.01, 0.99


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="comparisons of models of each kind")
    parser.add_argument("--steps", type=int, default=10, help="comparisons of steps of each kind")
    given = evidence.parse(parser)
    found = measure(*((1, 1) if given.smoke else (given.repeats, given.steps)), smoke=given.smoke)
    for name, told in found.items():
        print(f"{name}: {told}")
    evidence.conclude("project", {**found, "targets": targets(found)}, given)


def measure(repeats: int, steps: int, *, smoke: bool = False) -> evidence.Findings:
    """What the gate says of each kind of change."""
    control: dict[str, Any] = {"visits": 1, "memory": False} if smoke else {}
    told: dict[str, list[Compared]] = {}
    seconds: dict[str, list[float]] = {}
    found: evidence.Findings = {"repeats": repeats, "steps": steps, "slower": SLOWER}
    with evidence.as_far_as_it_goes(found):
        for number in range(max(repeats, steps)):
            for name, (head, function, more) in _kinds(smoke).items():
                if number >= (repeats if "kind" in more else steps):
                    continue
                evidence.say(f"{name}, {number + 1}")
                with tempfile.TemporaryDirectory() as folder:
                    paths = [_project(Path(folder) / side, files) for side, files in (("base", {}), ("head", head))]
                    files = gb.step_both(
                        function, base_path=paths[0], head_path=paths[1], out=Path(folder) / "out",
                        seed=number, **{**control, **more},
                    )  # fmt: skip
                    judged = gb.compare(*files)
                told.setdefault(name, []).extend(judged.comparison.tasks)
                seconds.setdefault(name, []).append(judged.head.runs[0]["time"]["total_s"])
    return found | {
        name: {**_counted(tasks), "seconds": statistics.mean(seconds[name])} for name, tasks in told.items()
    }


def _kinds(smoke: bool) -> dict[str, tuple[dict[str, str], str, dict[str, Any]]]:
    """Of each kind of change what head has in place of a file, what is timed, and how."""
    passes = "inference" if smoke else "inference,training"
    model = {"kind": "model", "batch_size": 4, "passes": passes}
    return {
        "same model": ({}, "nets:build", model),
        "same step": ({}, "steps:step", {}),
        "slower step": ({"steps.py": STEPS.replace("SHARE", str(SLOWER))}, "steps:step", {}),
        "groups": ({"nets.py": NETS.replace(DENSE, GROUPED)}, "nets:build", {**model, "passes": "training"}),
    }


def _project(folder: Path, changed: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in ({"nets.py": NETS, "steps.py": STEPS.replace("SHARE", "0.0")} | changed).items():
        (folder / name).write_text(text)
    return folder


def _counted(tasks: Sequence[Compared]) -> evidence.Findings:
    changes = [change for task in tasks for change in task.changes if change.metric == "latency"]
    intervals = [change.ratio for change in changes if isinstance(change.ratio, Interval)]
    wholes = [task for task in tasks if str(task.head.columns["name"]).startswith("whole")]
    return {
        "tasks": len(tasks),
        "regressions": sum(change.verdict == compare.REGRESSION for change in changes),
        "open": sum(change.verdict == compare.INCONCLUSIVE for change in changes),
        "whole_regressions": sum(task.verdict == compare.REGRESSION for task in wholes),
        "wholes": len(wholes),
        "ratio": statistics.median(one.estimate for one in intervals) if intervals else None,
        "width": math.expm1(statistics.median(math.log(one.high / one.low) for one in intervals))
        if intervals
        else None,
    }


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """What the project asks of it."""
    same = [found[name] for name in ("same model", "same step") if name in found]
    alarms = sum(one["regressions"] for one in same) / sum(one["tasks"] for one in same) if same else None
    slow, groups = found.get("slower step"), found.get("groups")
    return [
        evidence.target("false alarms in at most 1% of comparisons", alarms, MOST_ALARMS, "%"),
        evidence.target(
            "a step that is 10% slower is found", slow and slow["regressions"] / slow["tasks"], LEAST_FOUND, "%",
            at_least=True,
        ),
        evidence.target(
            "groups in one convolution are found in the whole step",
            groups and groups["whole_regressions"] / groups["wholes"], LEAST_FOUND, "%", at_least=True,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
