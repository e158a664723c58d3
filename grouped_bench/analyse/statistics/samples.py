"""The samples of a run as one long table, a row for each round in which a task was timed."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse.compare.measurements import check_lines_up
from grouped_bench.analyse.statistics.derive import has_values
from grouped_bench.space.case import Setting
from grouped_bench.store.schema import RAW

_OF_VISITS = ("visit_process", "visit_stolen", "visit_throttled")
_SETTING = tuple(field.name for field in dataclasses.fields(Setting))


@dataclasses.dataclass(frozen=True)
class _Visit:
    """The rounds of one visit to a task; times are NaN in a round that has none."""

    task: int
    visit: int
    process: int
    seconds: np.ndarray
    reference: np.ndarray


def samples(frame: pd.DataFrame) -> pd.DataFrame:
    """The samples of the tasks that ended ok, in the order of `frame`; rounds that a task sat out have no row.

    Columns: `task` (its row in `frame`), `case`, `variant`, those of the setting that vary, `visit` and `round` (from
    0; in one round all tasks of a case are timed in turn), `process`, `seconds` an iteration, and `reference_seconds`,
    what the reference workload took in the same round (NaN without one).

    Args:
        frame: the frame of one run.

    Raises:
        RunError: samples, reference and visits of a row do not line up, as in no file that a run has written.
    """
    visits = list(_visits(frame))
    lengths = [len(one.seconds) for one in visits]

    def repeated(numbers: Sequence[int]) -> np.ndarray:
        return np.repeat(np.array(numbers, dtype=int), lengths)

    task = repeated([one.task for one in visits])
    names = ["case", "variant", *(name for name in _SETTING if frame[name].nunique(dropna=False) > 1)]
    timed = pd.DataFrame(
        {
            "task": task,
            **{name: frame[name].to_numpy()[task] for name in names},
            "visit": repeated([one.visit for one in visits]),
            "process": repeated([one.process for one in visits]),
            "round": _joined([np.arange(length) for length in lengths]).astype(int),
            "seconds": _joined([one.seconds for one in visits]),
            "reference_seconds": _joined([one.reference for one in visits]),
        }
    )
    return timed[timed["seconds"].notna()].reset_index(drop=True)


def _visits(frame: pd.DataFrame) -> Iterator[_Visit]:
    """The visits of the tasks that ended ok."""
    records = frame[["run_id", "variant", "status", *RAW, *_OF_VISITS]].to_dict("records")
    for task, record in enumerate(records):
        samples = record["samples_s"]
        if record["status"] != "ok" or not has_values(samples):
            continue
        check_lines_up({str(name): value for name, value in record.items()})
        reference = (
            record["reference_s"] if has_values(record["reference_s"]) else [[None] * len(one) for one in samples]
        )
        parts = zip(record["visit_process"], samples, reference, strict=True)
        for visit, (process, seconds, beside) in enumerate(parts):
            yield _Visit(task, visit, int(process), _array(seconds), _array(beside))


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.array([])


def _array(values: Sequence[Any]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
