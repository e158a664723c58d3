"""One exact answer per shape: TensorFlow's best exact variant against JAX's and PyTorch's own grouped convolution.

One run a preset, in which every backend measures the grouped cases: on TensorFlow all exact variants, on the others
their own operation. What each variant gains over Keras' `groups=` comes from the same run.

python bench/across.py --save --minutes 7               # a preset, on a quiet machine
python bench/across.py --save --minutes 7 --threads 1   # the same with one thread each
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import evidence
from scipy.stats import gmean

import grouped_bench as gb
from grouped_bench import variants
from grouped_bench.analyse.rows import case_title, extended, gathered, is_ok, plain
from grouped_bench.space.space import Point
from grouped_bench.store.schema import COHORT_KEY, Task

PRESETS = ("quick", "resnext50", "regnet-width-sweep")
OTHERS = ("jax", "torch")
OWN = "grouped_native"
KERAS = "grouped"
LIMIT = 1.05
SMOKE = [{"channels": 8, "size": 5, "groups": 2, "batch_size": 1}]
_CASE = ("preset", *(name for name in COHORT_KEY if name not in ("backend", "execution")))


@dataclasses.dataclass(frozen=True, slots=True)
class PresetTask(Task):
    """A task of a preset."""

    preset: str = ""


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=7.0, help="budget of each preset's run")
    parser.add_argument("--presets", default=",".join(PRESETS))
    parser.add_argument("--threads", type=int, help="have every backend compute in so many")
    given = evidence.parse(parser)
    found = measure(given)
    for one in found["cases"]:
        print(f"{one['case']}: {_told(one)}")
    for name, gain in found["gains"].items():
        print(f"{name}: {_range(gain)} over Keras' groups= in {gain['cases']} cases")
    evidence.conclude(f"across-{given.threads}" if given.threads else "across", found, given)


def measure(given: argparse.Namespace) -> evidence.Findings:
    """The cases of every preset, those that miss the target among them, and what each variant gains."""
    names = ["smoke"] if given.smoke else given.presets.split(",")
    rows: list[PresetTask] = []
    for name in names:
        rows += [extended(PresetTask, row, preset=name) for row in _measured(name, given)]
    return summary(rows)


def summary(rows: Sequence[PresetTask]) -> evidence.Findings:
    """The same of rows that were measured, each with the preset that it is of."""
    cases = [one for group in gathered(rows, _CASE) if (one := compare(group))]
    within = sum(one["ratio"] is not None and one["ratio"] <= LIMIT for one in cases)
    asked = f"of {len(cases)} cases, those in which TensorFlow's best takes at most {LIMIT} times the others' best"
    return {
        "cases": sorted(cases, key=lambda one: -(one["ratio"] or 0)),
        "gains": gains(rows),
        "targets": [evidence.target(asked, within, len(cases), f"of {len(cases)}", at_least=True)],
    }


def _measured(name: str, given: argparse.Namespace) -> list[Task]:
    """Rows of the grouped cases of a preset, inference and training, on every backend."""
    grouped = [point for point in points(name) if point.case.groups > 1 and point.case.scope == "layer"]
    space = gb.Space(cases=[table for point in grouped for table in _tables(point)], source=name)
    budget = f"{60 * given.minutes:g}s"
    limits: dict[str, Any] = evidence.IN_A_SMOKE if given.smoke else {"visits": 12, "budget": budget}
    with tempfile.TemporaryDirectory() as folder:
        run = gb.run(space, out=folder, memory=False, page=False, quiet=False, threads=given.threads, **limits)
    return plain(run.frame)


def points(name: str) -> list[Point]:
    """The points of a preset, or of the smoke."""
    return gb.Space(cases=SMOKE).points() if name == "smoke" else gb.Space.preset(name).points()


def _tables(point: Point) -> Iterable[dict[str, Any]]:
    """The case of a preset as tables of a space, one a backend with its variants."""
    columns, skipped = point.case.to_columns(), ("scope", "in_channels", "out_channels", "pass", "cardinality", "width")
    axes = {name: [value] for name, value in columns.items() if name not in skipped and value is not None}
    axes["channels"] = [(columns["in_channels"], columns["out_channels"])]
    axes |= {"label": point.label, "pass": ["inference", "training"]}
    exact = [name for name in variants.names() if variants.get(name).computes == "grouped"]
    yield {**axes, "backend": ["tensorflow"], "variant": ["regular", *exact]}
    for backend in OTHERS:
        yield {**axes, "backend": [backend], "variant": [OWN]}


def compare(rows: Sequence[PresetTask]) -> evidence.Findings | None:
    """TensorFlow's best exact variant against the best of the others' own operations; None where neither ran."""
    exact = [row for row in rows if is_ok(row) and row.computes == "grouped"]
    ours = min((row for row in exact if row.backend == "tensorflow"), key=_latency, default=None)
    theirs = min((row for row in exact if row.backend in OTHERS), key=_latency, default=None)
    if ours is None and theirs is None:
        return None
    both = ours is not None and theirs is not None
    return {
        "preset": rows[0].preset,
        "case": case_title(rows[0]),
        "best": ours and _brief(ours),
        "other": theirs and _brief(theirs),
        "ratio": ours.latency_s / theirs.latency_s if both else None,
    }


def gains(rows: Sequence[PresetTask]) -> dict[str, evidence.Findings]:
    """Of each exact variant on TensorFlow, and of the best of them, the speed-up over Keras' `groups=`."""
    found: dict[str, list[float]] = {}
    exact = (row for row in rows if row.backend == "tensorflow" and row.computes == "grouped")
    for case in gathered(exact, _CASE):
        ok = {row.variant: row.latency_s for row in case if is_ok(row)}
        if KERAS in ok:
            for name, latency in {**ok, "the best of them": min(ok.values())}.items():
                found.setdefault(name, []).append(ok[KERAS] / latency)
    return {
        name: {"cases": len(ratios), "mean": float(gmean(ratios)), "worst": min(ratios), "best": max(ratios)}
        for name, ratios in found.items()
        if name != KERAS
    }


def _latency(row: Task) -> float:
    return float(row.latency_s)


def _brief(row: Task) -> evidence.Findings:
    keys = ("backend", "variant", "latency_s", "latency_low_s", "latency_high_s")
    return {key: row[key] for key in keys}


def _told(one: evidence.Findings) -> str:
    sides = [f"{side['backend']} {side['variant']} {evidence.shown(side['latency_s'], 's')}" if side else "none"
             for side in (one["best"], one["other"])]  # fmt: skip
    return f"{' against '.join(sides)}: {evidence.shown(one['ratio'], '×')}"


def _range(gain: evidence.Findings) -> str:
    mean, worst, best = (evidence.shown(gain[key], "×") for key in ("mean", "worst", "best"))
    return f"{mean} ({worst} to {best})"


if __name__ == "__main__":
    main()
