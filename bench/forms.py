"""Exact forms where the framework's own op is slow: each backend's best, TensorFlow's with oneDNN and without it.

Runs over the grouped layers of three presets. On TensorFlow and JAX all forms that may be best, on PyTorch its own
operation. A best variant is the fastest of those that compute the grouped function.

python bench/forms.py --save --minutes 15                    # training, on a quiet machine
python bench/forms.py --save --minutes 15 --pass inference
"""

import argparse
import collections
import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import evidence
from scipy.stats import gmean

import grouped_bench as gb
from grouped_bench.analyse.rows import case_title, extended, gathered, is_ok, plain
from grouped_bench.space.space import Point
from grouped_bench.store.schema import COHORT_KEY, Task

PRESETS = ("quick", "resnext50", "regnet-width-sweep")
SMOKE = [{"channels": 8, "size": 5, "groups": 2, "batch_size": 1}]
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
SPLIT, OWN = "split_concat", "grouped_native"
FORMS = (SPLIT, "merged_groups", "depthwise_sum", "composed", OWN)
# Backend, variants and what is set of each side that is measured. XLA takes seconds for what it has no kernels for.
SIDES: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "oneDNN off": ("tensorflow", FORMS, {ONEDNN: "0"}),
    "oneDNN on": ("tensorflow", FORMS, {ONEDNN: "1"}),
    "jax": ("jax", (SPLIT, "merged_groups", "composed"), {}),
    "torch": ("torch", (OWN,), {}),
}
# What is asked: a side's best over another's, in the geometric mean.
ASKED = (("oneDNN off", "oneDNN on"), ("jax", "torch"))
LIMIT, SLACK = 2.0, 1.05
_SKIPPED = ("scope", "in_channels", "out_channels", "pass", "cardinality", "width")
_CASE = ("preset", *(name for name in COHORT_KEY if name not in ("backend", "execution")))


@dataclasses.dataclass(frozen=True, slots=True)
class FormTask(Task):
    """A task of a preset, as one side measured it."""

    preset: str = ""
    side: str = ""


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="of all runs together")
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--pass", dest="pass_", default="training", choices=("training", "inference"))
    given = evidence.parse(parser)
    found = summary(measure(given))
    for one in found["cases"]:
        print(f"{one['preset']} {one['case']}")
        for side, best in one["best"].items():
            print(f"  {side:10} {_told(best)}, {SPLIT} {evidence.shown(one['split'].get(side), 's')}")
    for side, gain in found["gains"].items():
        wins = ", ".join(f"{name} {count}" for name, count in gain["best"].items())
        print(f"{side}: {evidence.shown(gain['over_split'], '×')} as fast as {SPLIT}; best: {wins or 'none'}")
    for name, mean in found["means"].items():
        print(f"{name}: {evidence.shown(mean['mean'], '×')} in {mean['cases']} cases")
    evidence.conclude("forms" if given.pass_ == "training" else f"forms-{given.pass_}", found, given)


def measure(given: argparse.Namespace) -> list[FormTask]:
    """Rows of every preset and side, each with its `preset` and its `side`."""
    presets = ["smoke"] if given.smoke else given.presets.split(",")
    sides = given.sides.split(",")
    cases = {name: list(_cases(name)) for name in presets}
    total = sum(map(len, cases.values())) * len(sides)
    rows: list[FormTask] = []
    for preset, points in cases.items():
        for side in sides:
            minutes = given.minutes * len(points) / total
            rows += [
                extended(FormTask, row, preset=preset, side=side) for row in _measured(points, side, minutes, given)
            ]
    return rows


def _cases(preset: str) -> Iterator[Point]:
    """The grouped layers of a preset, one a shape."""
    space = gb.Space(cases=SMOKE) if preset == "smoke" else gb.Space.preset(preset)
    shapes: dict[tuple[Any, ...], Point] = {}
    for point in space.points():
        if point.case.groups > 1 and point.case.scope == "layer":
            shapes.setdefault(tuple({**point.case.to_columns(), "pass": None}.values()), point)
    yield from shapes.values()


def _measured(points: Sequence[Point], side: str, minutes: float, given: argparse.Namespace) -> list[Task]:
    backend, variants, environment = SIDES[side]
    tables = [
        {**_table(point), "backend": [backend], "variant": [*variants], "pass": [given.pass_]} for point in points
    ]
    limits: dict[str, Any] = evidence.IN_A_SMOKE if given.smoke else {"visits": 6, "budget": f"{60 * minutes:g}s"}
    evidence.say(f"{side}, {len(points)} cases")
    with tempfile.TemporaryDirectory() as folder, _set(environment):
        run = gb.run(gb.Space(cases=tables, source="forms"), out=folder, memory=False, page=False, quiet=True, **limits)
    return plain(run.frame)


@contextlib.contextmanager
def _set(environment: dict[str, str]) -> Iterator[None]:
    """Variables that the processes of a run inherit."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _table(point: Point) -> dict[str, Any]:
    columns = point.case.to_columns()
    axes = {name: [value] for name, value in columns.items() if name not in _SKIPPED and value is not None}
    return {**axes, "channels": [(columns["in_channels"], columns["out_channels"])], "label": point.label}


def summary(rows: Sequence[FormTask]) -> evidence.Findings:
    """Each case with the best of every side, the geometric means that were asked for, and the targets."""
    cases = [one for group in gathered(rows, _CASE) if (one := _case(group))["best"]]
    means = {}
    for side, other in ASKED:
        for preset in ("all", *dict.fromkeys(one["preset"] for one in cases)):
            ratios = [
                one["best"][side]["latency_s"] / one["best"][other]["latency_s"]
                for one in cases
                if {side, other} <= set(one["best"]) and preset in ("all", one["preset"])
            ]
            mean = float(gmean(ratios)) if ratios else None
            means[f"{side} over {other}, {preset}"] = {"mean": mean, "cases": len(ratios), "ratios": ratios}
    slower = [(one["case"], side) for one in cases for side, gain in one["over_split"].items() if gain < 1 / SLACK]
    targets = [
        evidence.target(
            f"best of {side} over best of {other}, geometric mean of all cases",
            means[f"{side} over {other}, all"]["mean"], LIMIT, "×",
        )
        for side, other in ASKED
    ]  # fmt: skip
    targets.append(evidence.target(f"cases in which all others are slower than {SPLIT}", len(slower), 0, "cases"))
    return {"cases": cases, "means": means, "gains": gains(cases), "slower": slower, "targets": targets}


def gains(cases: Sequence[evidence.Findings]) -> dict[str, evidence.Findings]:
    """Of each side how many times as fast as `split_concat` the best other variant is, and which is how often best."""
    found = {}
    for side in SIDES:
        over = [one["over_split"][side] for one in cases if side in one["over_split"]]
        best = [one["best"][side]["variant"] for one in cases if side in one["best"]]
        mean = float(gmean(over)) if over else None
        found[side] = {"over_split": mean, "cases": len(over), "best": dict(collections.Counter(best).most_common())}
    return found


def _case(rows: Sequence[FormTask]) -> evidence.Findings:
    """One case: the best row of each side, `split_concat`, and every latency."""
    ok = [row for row in rows if is_ok(row) and row.computes == "grouped"]
    by_side = {side: [row for row in ok if row.side == side] for side in dict.fromkeys(row.side for row in ok)}
    split = {side: _latency(row) for side, mine in by_side.items() for row in mine if row.variant == SPLIT}
    others = {
        side: [_latency(row) for row in mine if row.variant != SPLIT] for side, mine in by_side.items() if side in split
    }
    return {
        "preset": rows[0].preset,
        "case": case_title(rows[0]),
        "best": {side: _brief(min(mine, key=_latency)) for side, mine in by_side.items()},
        "split": split,
        "over_split": {side: split[side] / min(latencies) for side, latencies in others.items() if latencies},
        "every": {side: [_brief(row) for row in sorted(mine, key=_latency)] for side, mine in by_side.items()},
        "failed": [
            {name: row[name] for name in ("side", "variant", "status", "reason")} for row in rows if not is_ok(row)
        ],
    }


def _latency(row: FormTask) -> float:
    return row.seconds


def _brief(row: FormTask) -> evidence.Findings:
    return {key: row[key] for key in ("variant", "choice", "latency_s", "latency_low_s", "latency_high_s")}


def _told(best: evidence.Findings) -> str:
    name = best["variant"] + (f" {best['choice']}" if best["choice"] else "")
    return f"{evidence.shown(best['latency_s'], 's')} {name}"


if __name__ == "__main__":
    main()
