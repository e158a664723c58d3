"""Fewer rounds a visit with the same medians: the samples that a baseline needs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse.compare.measurements import check_lines_up
from grouped_bench.analyse.statistics import derive
from grouped_bench.store.schema import RAW

Rounds = list[float | None]
_LISTS = (*RAW, "visit_process", "visit_stolen", "visit_throttled")


def thin(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """`frame` with at most `most` rounds of each visit.

    They are taken evenly from those of the visit and scaled, so that the median latency of the visit, and the median of
    its log ratios to the reference workload, stay what they were, up to the rounding of a float: all that `compare` and
    `history` make of them. Ratios of two variants round by round, and how a visit's samples spread, do not stay.

    Raises:
        RunError: samples, reference and visits of a row that do not line up, as in no file that a run has written.
    """
    records = frame[["run_id", "variant", *_LISTS]].to_dict("records")
    made = [_thinned({str(name): value for name, value in record.items()}, most) for record in records]
    columns = zip(*made, strict=True) if made else ([], [])
    raw = zip(RAW, columns, strict=True)
    return frame.assign(**{name: pd.Series(list(of_all), frame.index, dtype=object) for name, of_all in raw})


def _thinned(record: Mapping[str, Any], most: int) -> tuple[Any, Any]:
    """The samples and the reference of a row."""
    samples, reference = (record[name] for name in RAW)
    if not derive.has_values(samples):
        return samples, reference
    check_lines_up(record)
    if not derive.has_values(reference):
        return [_visit(_array(visit), None, most)[0] for visit in samples], reference
    beside = zip(samples, reference, strict=True)
    visits = [_visit(_array(visit), _array(of_reference), most) for visit, of_reference in beside]
    return [visit for visit, _ in visits], [of_reference for _, of_reference in visits]


def _visit(samples: np.ndarray, reference: np.ndarray | None, most: int) -> tuple[Rounds, Rounds]:
    """Samples and reference of one visit, of which a round has none where it is NaN."""
    if reference is None:
        reference = np.full(len(samples), np.nan)
    if len(samples) <= most:
        return _plain(samples), _plain(reference)
    timed = np.isfinite(samples)
    both = timed & np.isfinite(reference)
    chosen = _spread(np.flatnonzero(both if both.any() else timed), most)
    kept, beside = samples[chosen], reference[chosen]
    if len(chosen):
        scaled = float(np.median(samples[timed])) * (kept / np.median(kept))
        if both.any():
            logs, of_all = np.log(kept / beside), np.log(samples[both] / reference[both])
            beside = scaled / np.exp(float(np.median(of_all)) + (logs - np.median(logs)))
        kept = scaled
    missing = np.full(most - len(chosen), np.nan)  # the rounds of a cohort line up across its variants
    return _plain(np.concatenate([kept, missing])), _plain(np.concatenate([beside, missing]))


def _spread(places: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the places, from the middle of as many equal stretches."""
    count = min(most, len(places))
    return np.array([places[int((number + 0.5) * len(places) / count)] for number in range(count)], dtype=int)


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def _plain(values: np.ndarray) -> Rounds:
    return [float(value) if np.isfinite(value) else None for value in values]
