"""Seeded synthetic frames whose true answers are known, and the metadata that goes with them."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.space.case import Case
from grouped_bench.space.counts import convolution_counts
from grouped_bench.store import schema

COMPUTES = {
    "regular": "dense",
    "split_sum": "dense",
    "grouped": "grouped",
    "grouped_native": "grouped",
    "split_concat": "grouped",
}
# What a worker of TensorFlow uses on that machine.
IN_FORCE = {"onednn": True, "onednn_isa": "Intel AVX2", "threads": {"tensorflow": 2, "xla": 2}, "flags": {}}
HOSTILE = "<script>alert('x')</script>\x1b[31mred|pipe\nnew`*_$\\frac$" + "long" * 60
_TRUTH = {
    "regular": lambda groups: 1.0,
    "split_sum": lambda groups: 1.0 if groups == 1 else 0.8,
    "grouped": lambda groups: 1.0 if groups == 1 else 0.3 / groups,
    "grouped_native": lambda groups: groups**0.6,
    "split_concat": lambda groups: groups**0.4,
}


def true_speedup(variant: str, groups: int) -> float:
    """The speed-up over `regular` that the frames are drawn around."""
    return _TRUTH[variant](groups)


def frame(
    *,
    groups: Sequence[int] = (1, 4, 32),
    channels: Sequence[int] = (64, 128),
    passes: Sequence[str] = ("inference", "training"),
    variants: Sequence[str] = tuple(COMPUTES),
    rank: int = 2,
    seed: int = 1,
    run_id: str = "20261123-012233-ab12",
    **columns: Any,
) -> pd.DataFrame:
    """A run in which every task was measured; `columns` overwrite whole columns."""
    random = np.random.default_rng(seed)
    rows = [
        _row(_case(rank, g, c, pass_), variant, random, run_id)
        for pass_ in passes
        for c in channels
        for g in groups
        for variant in variants
    ]
    made = pd.DataFrame(rows, columns=list(schema.NAMES))
    for name, value in columns.items():
        made[name] = [value] * len(made)
    for column in schema.COLUMNS:
        if str(column.type) == "int64":
            made[column.name] = made[column.name].astype("Int64")
    return made


def fail(made: pd.DataFrame, where: "pd.Series[bool]", status: str, reason: str | None) -> pd.DataFrame:
    """A copy in which the rows `where` ended in `status`; their (fast) latencies are kept as a trap."""
    made = made.copy()
    for name, value in (("status", status), ("reason", reason)):
        made[name] = made[name].astype(object).mask(where, value)
    return made


def metadata(**facts: Any) -> dict[str, Any]:
    """The run-wide facts of `frame()`."""
    return {
        "schema": 1,
        "run_id": "20261123-012233-ab12",
        "version": "0.1.0",
        "machine": "amd-epyc-2",
        "started_at": "2026-11-23T01:22:33Z",
        "command": ["grouped-bench", "run", "--groups", "1,4,32"],
        "space": {"groups": [1, 4, 32], "channels": [64, 128], "pass": ["inference", "training"]},
        "control": {
            **{"precision": 0.02, "margin": 0.03, "visits": 24, "budget": None},
            **{"task_timeout": 60, "alpha": 0.01},
        },
        "seed": 1,
        "environment": {
            "processor": {"model": "AMD EPYC 7B13", "cores": 2, "flags": ["avx2", "fma"]},
            "memory": {"total_bytes": 8 * 2**30},
            "libraries": {"tensorflow": "2.21.0", "keras": "3.15.1"},
            "variables": {"TF_ENABLE_ONEDNN_OPTS": "1"},
            "backend": {"tensorflow": {"onednn": True, "threads": None}},
            "in_force": {"tensorflow": IN_FORCE},
        },
        "skipped": [
            {
                "groups": 3,
                "in_channels": 64,
                "out_channels": 64,
                "reason": "3 groups do not divide 64 input channels",
            }
        ],
        "time": {
            **{"total_s": 61.0, "import_s": 5.0, "first_calls_s": 12.0, "verify_s": 4.0, "warmup_s": 3.0},
            **{"samples_s": 30.0, "memory_s": 4.0, "other_s": 3.0},
        },
        "stopped_by": "settled",
        "finished": True,
        **facts,
    }


def _case(rank: int, groups: int, channels: int, pass_: str) -> Case:
    return Case(
        rank=rank,
        batch_size=8,
        in_channels=channels,
        out_channels=channels,
        groups=groups,
        size=(28,) * rank,
        kernel_size=(3,) * rank,
        stride=(1,) * rank,
        dilation=(1,) * rank,
        padding="same",
        bias=False,
        dtype="float32",
        data_format="channels_last",
        pass_=pass_,
    )


def _row(case: Case, variant: str, random: np.random.Generator, run_id: str) -> dict[str, Any]:
    computes = COMPUTES.get(variant, "dense")
    counts = convolution_counts(case, case.groups if computes == "grouped" else 1)
    base = 4e-3 * (case.in_channels / 64) ** 2 * (3 if case.pass_ == "training" else 1)
    speedup = true_speedup(variant, case.groups)
    latency = base / speedup * (1 + 0.002 * random.standard_normal())
    verdict = "equivalent" if speedup == 1 else "faster" if speedup > 1 else "slower"
    baseline = variant == "regular"
    return {
        **case.to_columns(),
        "run_id": run_id,
        "machine": "amd-epyc-2",
        "started_at": pd.Timestamp("2026-11-23T01:22:33Z"),
        **{"backend": "tensorflow", "backend_version": "2.21.0", "execution": "graph"},
        **{"device": "cpu", "device_name": "AMD EPYC 7B13", "cache": "hot"},
        "in_force": json.dumps(IN_FORCE, sort_keys=True),
        **{"variant": variant, "computes": computes},
        "params": counts.params,
        "params_total": counts.params_total,
        "macs": counts.macs,
        "min_bytes": counts.min_bytes,
        "status": "ok",
        "relative_error": 3e-7,
        "first_calls_s": np.array([0.4, 0.5, 0.4]),
        **{"latency_s": latency, "latency_low_s": latency * 0.98, "latency_high_s": latency * 1.02},
        "speedup": 1.0 if baseline else speedup,
        "speedup_low": 1.0 if baseline else speedup * 0.98,
        "speedup_high": 1.0 if baseline else speedup * 1.02,
        "verdict": None if baseline else verdict,
        "peak_memory_bytes": int(2**20 * (3 + case.in_channels / 32 + (computes == "dense") * 4)),
        "memory_source": "allocator",
        "samples_s": [[latency] * 4] * 6,
        "visit_process": np.array([0, 1, 2, 0, 1, 2]),
        "iterations": 10,
        "flags": [],
    }
