"""Tasks of one case on machines of several kinds."""

import dataclasses
import json

from frames import frame

from grouped_bench.analyse.rows import plain

# Seconds of each variant; those that are not named were not tried.
FAST_NATIVE = {"regular": 1.0, "grouped": 0.5, "grouped_native": 0.1, "split_concat": 0.4}
FAST_SPLIT = {"regular": 1.0, "grouped": 5.0, "grouped_native": 4.0, "split_concat": 0.2}


def tasks(seconds, machine="amx-2", *, env=None, onednn=None, spread=0.02, run="a", started="2026-01-01", failed=()):
    """The tasks of one case on a machine, each with an interval of its own."""
    made = plain(frame(groups=[8], channels=[64], passes=["training"], variants=list(seconds), run_id=run))

    def told(row):
        value, base = seconds[row.variant], seconds["regular"]
        if row.variant in failed:
            return {"status": "unsupported", "latency_s": None, "speedup": None}
        ends = (base / value / (1 + spread), base / value * (1 + spread))
        known = {"latency_s": value, "latency_low_s": value / (1 + spread), "latency_high_s": value * (1 + spread)}
        if row.variant == "regular":
            return known
        verdict = "faster" if ends[0] > 1 else "slower" if ends[1] < 1 else "undecided"
        return {**known, "speedup": base / value, "speedup_low": ends[0], "speedup_high": ends[1], "verdict": verdict}

    facts = {"machine": machine, "env": env, "started_at": started, "flags": ()}
    facts["in_force"] = None if onednn is None else json.dumps({"onednn": onednn, "flags": {}})
    return [dataclasses.replace(row, **facts, **told(row)) for row in made]
