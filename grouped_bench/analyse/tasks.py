"""From raw samples to latency, speed-up, verdict and flags of each task: all can be derived again from a file."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse import stability, stats
from grouped_bench.analyse.stability import Visit
from grouped_bench.space.case import BASELINE, BASELINES
from grouped_bench.store.schema import COHORT_KEY

Samples = Sequence[Sequence[float | None]]
_DERIVED = (
    *("latency_s", "latency_low_s", "latency_high_s", "flags"),
    *("speedup", "speedup_low", "speedup_high", "verdict"),
)
_RAW = (
    *("scope", "variant", "status", "flags"),
    *("samples_s", "reference_s", "visit_process", "visit_stolen", "visit_throttled"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What one visit says of a task: a latency in seconds, or a log ratio."""

    value: float
    visit: Visit


@dataclasses.dataclass(frozen=True)
class Pair:
    """A variant against the baseline: corrected interval of the speed-up, verdict, and the visits that count."""

    interval: stats.Interval | None
    verdict: str
    visits: int


def latencies(samples: Samples, visits: Sequence[Visit]) -> list[Value]:
    """Median of each visit's samples, visits without any left out; seconds an iteration."""
    return list(_medians((_array(visit) for visit in samples), visits))


def log_ratios(baseline: Samples, variant: Samples, visits: Sequence[Visit]) -> list[Value]:
    """Median log ratio of each visit over the rounds that both took part in."""
    return list(_medians((round_ratios(b, v) for b, v in zip(baseline, variant, strict=True)), visits))


def round_ratios(baseline: Sequence[float | None], variant: Sequence[float | None]) -> np.ndarray:
    """Log ratio of every round of a visit, NaN where one sat out."""
    return np.asarray(np.log(_array(baseline) / _array(variant)))


def counted(values: Sequence[Value]) -> list[Value]:
    """The values that count: those of calm visits where at least three processes made such, else all."""
    calm = [value for value in values if value.visit.calm]
    return calm if len({value.visit.process for value in calm}) >= stats.LEAST_PROCESSES else list(values)


def by_process(values: Sequence[Value]) -> list[float]:
    """Mean of the visits of each process."""
    return stats.process_means((value.visit.process, value.value) for value in values)


def judge(ratios: Sequence[Value], *, pairs: int, margin: float) -> Pair:
    """Interval and verdict of one log ratio a visit, in a run of `pairs` comparisons."""
    used = counted(ratios)
    interval = stats.ratio_interval(by_process(used), pairs, visits=len(used))
    return Pair(interval, stats.verdict(interval, margin), len(used))


def derive(frame: pd.DataFrame, margin: float) -> pd.DataFrame:
    """`frame` of one run with latency, speed-up, verdict and flag columns filled from its samples.

    Rows whose status is not ok keep nulls; a cohort without an ok baseline has no verdicts.
    """
    keys = [tuple(map(_hashable, row)) for row in frame[list(COHORT_KEY)].itertuples(index=False)]
    records: list[dict[str, Any]] = frame[list(_RAW)].to_dict("records")  # type: ignore[assignment]
    baselines = {key: record for key, record in zip(keys, records, strict=True) if _is_baseline(record)}
    others = [r for k, r in zip(keys, records, strict=True) if k in baselines and not _is_baseline(r)]
    made = [visits_of(record) for record in records]
    for record, visits in zip(records, made, strict=True):
        record.update(_latency(record, visits))
    for key, record, visits in zip(keys, records, made, strict=True):
        record.update(_speedup(record, baselines.get(key), visits, len(others), margin))
    derived = {name: pd.Series([r[name] for r in records], frame.index, dtype=object) for name in _DERIVED}
    return frame.assign(**derived)


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
        [_array(record["samples_s"][place]) for place in places],
        [_array(reference[place]) for place in places] if reference is not None else [],
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
    found = pair.interval
    return {
        "speedup": found.estimate if found else None,
        "speedup_low": found.low if found else None,
        "speedup_high": found.high if found else None,
        "verdict": pair.verdict,
        # A ratio is no steadier than its baseline.
        "flags": list(dict.fromkeys([*(f for f in baseline["flags"] if f in stability.FLAGS), *record["flags"]])),
    }


def _medians(series: Iterator[np.ndarray], visits: Sequence[Visit]) -> Iterator[Value]:
    for values, visit in zip(series, visits, strict=True):
        if np.isfinite(values).any():
            yield Value(float(np.nanmedian(values)), visit)


def _array(samples: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if sample is None else sample for sample in samples], dtype=float)


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
