"""From raw samples to latency, speed-up, verdict and flags of each task: all can be derived again from a file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse import stability, stats
from grouped_bench.analyse.environment.turns import by_turn, turn_ratios
from grouped_bench.analyse.stability import Visit
from grouped_bench.analyse.tasks import Pair, Value, as_array, by_process, counted, judge, latencies, log_ratios
from grouped_bench.space.case import BASELINE, BASELINES
from grouped_bench.store.schema import COHORT_KEY

_DERIVED = (
    *("latency_s", "latency_low_s", "latency_high_s", "flags"),
    *("speedup", "speedup_low", "speedup_high", "verdict"),
    *("env_speedup", "env_speedup_low", "env_speedup_high", "env_verdict"),
)
_ENVIRONMENT = ("env", "threads")
_APART = tuple(name for name in COHORT_KEY if name not in _ENVIRONMENT)
_RAW = (
    *("scope", "variant", "status", "flags"),
    *("samples_s", "reference_s", "visit_process", "visit_stolen", "visit_throttled", "visit_turn"),
)


def derive(frame: pd.DataFrame, margin: float) -> pd.DataFrame:
    """`frame` of one run with latency, speed-up, verdict and flag columns filled from its samples.

    Rows whose status is not ok keep nulls; a cohort without an ok baseline has no verdicts, and neither has a task that
    is not ok under the first environment of its family.
    """
    keys = [tuple(map(_hashable, row)) for row in frame[list(COHORT_KEY)].itertuples(index=False)]
    records: list[dict[str, Any]] = frame[list(_RAW)].to_dict("records")  # type: ignore[assignment]
    baselines = {key: record for key, record in zip(keys, records, strict=True) if _is_baseline(record)}
    others = [r for k, r in zip(keys, records, strict=True) if k in baselines and not _is_baseline(r)]
    firsts = _firsts(keys, records)
    pairs = len(others) + sum(first is not None for first in firsts)
    made = [visits_of(record) for record in records]
    for record, visits in zip(records, made, strict=True):
        record.update(_latency(record, visits))
    for key, record, visits, first in zip(keys, records, made, firsts, strict=True):
        record.update(_speedup(record, baselines.get(key), visits, pairs, margin))
        record.update(_env_speedup(record, first, pairs, margin))
    derived = {name: pd.Series([r[name] for r in records], frame.index, dtype=object) for name in _DERIVED}
    return frame.assign(**derived)


def _firsts(keys: Sequence[tuple[Any, ...]], records: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """Of each task the same one under the first environment of its family; None for that one, and where it has none."""
    places = [COHORT_KEY.index(name) for name in _APART]
    environments = [COHORT_KEY.index(name) for name in _ENVIRONMENT]
    families = [tuple(key[place] for place in places) for key in keys]
    own = [tuple(key[place] for place in environments) for key in keys]
    first_of: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for family, environment in zip(families, own, strict=True):
        first_of.setdefault(family, environment)
    tasks = {
        (family, record["variant"]): record
        for family, environment, record in zip(families, own, records, strict=True)
        if environment == first_of[family]
    }
    return [
        None if environment == first_of[family] else tasks.get((family, record["variant"]))
        for family, environment, record in zip(families, own, records, strict=True)
    ]


def visits_of(record: dict[str, Any]) -> list[Visit]:
    """How each visit of a row went; a file may not say what was stolen."""
    lists = [record[name] for name in ("visit_process", "visit_stolen", "visit_throttled")]
    count = len(record["samples_s"])
    columns = [_plain(values) if has_values(values) else [None] * count for values in lists]
    return [Visit(int(process), *disturbed) for process, *disturbed in zip(*columns, strict=True)]


def _is_baseline(record: dict[str, Any]) -> bool:
    return bool(record["variant"] == BASELINES.get(record["scope"], BASELINE))


def _latency(record: dict[str, Any], visits: Sequence[Visit]) -> dict[str, Any]:
    found = counted(latencies(record["samples_s"], visits)) if record["status"] == "ok" else []
    kept = [flag for flag in _plain(record["flags"]) if flag not in stability.FLAGS]
    if not found:
        return {"latency_s": None, "latency_low_s": None, "latency_high_s": None, "flags": kept}
    interval = stats.latency_interval(by_process(found))
    latency = float(np.median([value.value for value in found]))
    used = {value.visit for value in found}
    places = [place for place, visit in enumerate(visits) if visit in used]
    reference = record["reference_s"] if has_values(record["reference_s"]) else None
    flags = stability.flags(
        [visits[place] for place in places],
        [as_array(record["samples_s"][place]) for place in places],
        [as_array(reference[place]) for place in places] if reference is not None else [],
    )
    return {
        "latency_s": latency,
        "latency_low_s": min(interval.low, latency) if interval else None,
        "latency_high_s": max(interval.high, latency) if interval else None,
        "flags": [*flags, *kept],
    }


def _speedup(
    record: dict[str, Any], baseline: dict[str, Any] | None, visits: Sequence[Visit], pairs: int, margin: float
) -> dict[str, Any]:
    empty = dict.fromkeys(("speedup", "speedup_low", "speedup_high", "verdict"))
    if baseline is None or baseline is record or record["status"] != "ok" or baseline["status"] != "ok":
        return empty
    pair = judge(log_ratios(baseline["samples_s"], record["samples_s"], visits), pairs=pairs, margin=margin)
    return {
        **_judged("", pair),
        # A ratio is no steadier than its baseline.
        "flags": list(dict.fromkeys([*(f for f in baseline["flags"] if f in stability.FLAGS), *record["flags"]])),
    }


def _env_speedup(record: dict[str, Any], first: dict[str, Any] | None, pairs: int, margin: float) -> dict[str, Any]:
    if first is None or record["status"] != "ok" or first["status"] != "ok":
        return dict.fromkeys(("env_speedup", "env_speedup_low", "env_speedup_high", "env_verdict"))
    return _judged("env_", judge(turn_ratios(_turned(first), _turned(record)), pairs=pairs, margin=margin))


def _turned(record: dict[str, Any]) -> dict[int, Value]:
    turns = record["visit_turn"]
    if not has_values(turns):
        return {}
    return by_turn(record["samples_s"], visits_of(record), [int(turn) for turn in turns])


def _judged(prefix: str, pair: Pair) -> dict[str, Any]:
    """A pair under the names of the record."""
    found = pair.interval
    return {
        f"{prefix}speedup": found.estimate if found else None,
        f"{prefix}speedup_low": found.low if found else None,
        f"{prefix}speedup_high": found.high if found else None,
        f"{prefix}verdict": pair.verdict,
    }


def has_values(values: Any) -> bool:
    """Whether a list column holds a list with something in it."""
    return isinstance(values, (list, tuple, np.ndarray)) and len(values) > 0


def _plain(values: Any) -> list[Any]:
    """A list column as a list, its nulls None."""
    return [None if pd.isna(value) else value for value in values]


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(int(part) for part in value)
    return None if pd.isna(value) else value
