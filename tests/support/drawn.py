"""Seeded runs whose true latencies are known: what a slow-down, a slow machine and noise leave in their samples."""

import json
from collections.abc import Mapping

import numpy as np
from frames import frame, metadata

from grouped_bench.analyse.compare.compare import compare
from grouped_bench.analyse.compare.measurements import of_frames
from grouped_bench.analyse.compare.side_selection import Judgement, Taken
from grouped_bench.store.runs import write_run

COMMIT, OTHER = "a" * 40, "b" * 40
CHANGES = "c" * 64
_ROUNDS = 6
_REFERENCE_S = 1e-3


def drawn(
    seed: int,
    *,
    slower: Mapping[str, float] | None = None,
    machine: float = 1.0,
    noise: float = 0.003,
    load: float = 0.1,
    processes: int = 8,
    reference: bool = True,
    reference_name: str | None = None,
    **columns,
):
    """A run with a visit a process, of `regular` and `grouped` in two cases unless `columns` say otherwise.

    Args:
        seed: of everything that is drawn.
        slower: by how much each variant takes longer.
        machine: by how much everything takes longer, the reference workload too.
        noise: standard deviation of the logarithms of what processes settle on.
        reference_name: which workload the reference is, where the run tells.
        load: the same of what the machine does in a visit, to the reference workload too.
    """
    axes = {"groups": [4, 32], "channels": [64], "passes": ["inference"], "variants": ["regular", "grouped"]}
    axes |= {name: columns.pop(name) for name in axes if name in columns}
    made, random = frame(**axes, **columns), np.random.default_rng(seed)
    samples, references = [], []
    for variant, true in zip(made["variant"], [1e-3 * (1 + place) for place in range(len(made))], strict=True):
        weather = machine * np.exp(load * random.standard_normal((processes, 1)))
        settled = np.exp(noise * random.standard_normal((processes, 1)))
        rounds = weather * np.exp(0.002 * random.standard_normal((processes, _ROUNDS)))
        samples.append((true * (slower or {}).get(variant, 1.0) * settled * rounds).tolist())
        references.append((_REFERENCE_S * rounds).tolist() if reference else None)
    count = len(made)
    return made.assign(
        samples_s=samples,
        reference_s=references,
        visit_process=[np.arange(processes)] * count,
        reference=reference_name,
        first_calls_s=[np.exp(0.05 * random.standard_normal(processes))] * count,
    )


def judged(base, head, thresholds=None, *, facts=({}, {}), paired=False):
    """The judgement of two frames, or two lists of them, with the run-wide facts of either."""
    sides = [of_frames(one if isinstance(one, list) else [one]) for one in (base, head)]
    taken = [Taken((metadata(**{"run_id": name, **one}),)) for name, one in zip(("old", "new"), facts, strict=True)]
    return Judgement(compare(*sides, thresholds or {}, paired=paired), *taken)


def saved(made, folder, run_id, **facts):
    """The path of a run with this frame."""
    return write_run(made.assign(run_id=run_id), metadata(run_id=run_id, **facts), folder / f"{run_id}.parquet")


def of_commit(name, moment=None, *, dirty=False, changes=None, **facts):
    """Run-wide facts of a run of the commit `name`, begun in the minute `moment`; `changes` is a digest."""
    began = {} if moment is None else {"started_at": f"2026-11-23T01:{moment:02}:00+00:00"}
    told = {"id": name, "date": "2026-11-22T00:00:00+00:00", "dirty": dirty}
    return {"commit": told if changes is None else {**told, "changes": changes}, **began, **facts}


def change(judgement, metric, place=0):
    """One metric of one task."""
    return next(one for one in judgement.comparison.tasks[place].changes if one.metric == metric)


def verdicts(judgement, metric="latency"):
    """The verdict on each task that has the metric."""
    return [one.verdict for task in judgement.comparison.tasks for one in task.changes if one.metric == metric]


def loaded(text):
    """JSON as a program reads it, which knows no NaN."""
    return json.loads(text, parse_constant=lambda name: 1 / 0)
