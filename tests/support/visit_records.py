"""Records of visits, made up."""

import numpy as np
import pandas as pd

BEGAN = pd.Timestamp("2026-01-01", tz="UTC")
# What every task of a run has in common.
SHARED = {"run_id": "r", "machine": "m", "started_at": BEGAN, "backend_version": "1", "device_name": "d"}
BUILT = {"first_call_s": 1.0, "relative_error": 0.0, "iterations": 3}


def visit(process, samples, failed=None, cohort=0, stolen=0.0):
    """The record of a visit, with samples in seconds by variant."""
    return {
        "kind": "visit",
        "cohort": cohort,
        "process": process,
        "built": dict.fromkeys(samples, BUILT),
        "failed": failed or {},
        "samples": samples,
        "reference": [0.001] * len(next(iter(samples.values()))),
        "stolen": stolen,
        "throttled": None,
    }


def noisy(rng, latency, rounds=5):
    """Samples around a latency."""
    return list(latency * np.exp(rng.normal(0, 0.002, rounds)))
