"""From raw samples to latency, speed-up and verdict of each task: everything here can be derived again from a file."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse import stats
from grouped_bench.space.case import BASELINE
from grouped_bench.store.schema import COHORT_KEY

Samples = Sequence[Sequence[float | None]]


@dataclasses.dataclass(frozen=True)
class Pair:
    """A variant against the baseline: corrected interval of the speed-up, verdict, and visits that both made."""

    interval: stats.Interval | None
    verdict: str
    visits: int


def visit_medians(samples: Samples) -> list[float]:
    """Median of each visit's samples, visits without any left out; seconds an iteration."""
    present = [_array(visit) for visit in samples]
    return [float(np.nanmedian(visit)) for visit in present if np.isfinite(visit).any()]


def _present(samples: Samples, processes: Sequence[int]) -> list[int]:
    """Processes of the visits in which there are samples."""
    return [int(p) for visit, p in zip(samples, processes, strict=True) if np.isfinite(_array(visit)).any()]


def log_ratios(baseline: Samples, variant: Samples) -> list[float]:
    """Median log ratio of each visit over the rounds that both took part in."""
    ratios = [np.log(_array(b) / _array(v)) for b, v in zip(baseline, variant, strict=True)]
    return [float(np.nanmedian(visit)) for visit in ratios if np.isfinite(visit).any()]


def paired(baseline: Samples, variant: Samples, processes: Sequence[int]) -> tuple[list[float], list[int]]:
    """Log ratios of the visits that both made, and the process of each."""
    ratios: list[float] = []
    made_in: list[int] = []
    for b, v, process in zip(baseline, variant, processes, strict=True):
        found = log_ratios([b], [v])
        ratios += found
        made_in += [int(process)] * len(found)
    return ratios, made_in


def by_process(values: Sequence[float], processes: Sequence[int]) -> list[float]:
    """Mean of the visits of each process: what a process settled on is in all of its visits."""
    grouped: dict[int, list[float]] = {}
    for value, process in zip(values, processes, strict=True):
        grouped.setdefault(process, []).append(value)
    return [float(np.mean(visits)) for visits in grouped.values()]


def judge(ratios: Sequence[float], processes: Sequence[int], *, pairs: int, margin: float) -> Pair:
    """Interval and verdict of one log ratio a visit, made in `processes`, in a run of `pairs` comparisons."""
    interval = stats.ratio_interval(by_process(ratios, processes), pairs, visits=len(ratios))
    return Pair(interval, stats.verdict(interval, margin), len(ratios))


def derive(frame: pd.DataFrame, margin: float) -> pd.DataFrame:
    """`frame` of one run with latency, speed-up and verdict columns filled from its samples.

    Rows whose status is not ok keep nulls; a cohort without an ok baseline has no verdicts.
    """
    keys = [tuple(map(_hashable, row)) for row in frame[list(COHORT_KEY)].itertuples(index=False)]
    records: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    baselines = {key: record for key, record in zip(keys, records, strict=True) if record["variant"] == BASELINE}
    others = [r for k, r in zip(keys, records, strict=True) if k in baselines and r["variant"] != BASELINE]
    for key, record in zip(keys, records, strict=True):
        record.update(_latency(record))
        record.update(_speedup(record, baselines.get(key), len(others), margin))
    return pd.DataFrame(records, columns=frame.columns, dtype=object)


def _latency(record: dict[str, Any]) -> dict[str, Any]:
    medians = visit_medians(record["samples_s"]) if record["status"] == "ok" else []
    interval = None
    if medians:
        processes = _present(record["samples_s"], record["visit_process"])
        interval = stats.latency_interval(by_process(medians, processes))
    latency = float(np.median(medians)) if medians else None
    return {
        "latency_s": latency,
        "latency_low_s": min(interval.low, latency) if interval and latency else None,
        "latency_high_s": max(interval.high, latency) if interval and latency else None,
    }


def _speedup(record: dict[str, Any], baseline: dict[str, Any] | None, pairs: int, margin: float) -> dict[str, Any]:
    empty = dict.fromkeys(("speedup", "speedup_low", "speedup_high", "verdict"))
    if baseline is None or baseline is record or record["status"] != "ok" or baseline["status"] != "ok":
        return empty
    pair = judge(
        *paired(baseline["samples_s"], record["samples_s"], record["visit_process"]), pairs=pairs, margin=margin
    )
    found = pair.interval
    return {
        "speedup": found.estimate if found else None,
        "speedup_low": found.low if found else None,
        "speedup_high": found.high if found else None,
        "verdict": pair.verdict,
    }


def _array(visit: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if sample is None else sample for sample in visit], dtype=float)


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(int(part) for part in value)
    return None if pd.isna(value) else value
