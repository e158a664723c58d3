"""How much devices of one class differ, by cohorts that several of them measured; which verdicts hold for the class.

A device that was not measured lies as far from the others as they from each other: Student's t predicts its ratio.
Source: Higgins, Thompson and Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x, with the moment estimator of
between-device variance pooled over the comparisons.
"""

import dataclasses
import functools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from grouped_bench.analyse.rows import case_title, is_baseline, is_ok, plain, setting_title
from grouped_bench.analyse.statistics import stats
from grouped_bench.analyse.statistics.tasks import round_ratios
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.schema import Task

LEAST_DEVICES = 2
_DECIDED = ("faster", "slower", "equivalent")


@dataclasses.dataclass(frozen=True)
class Repeated:
    """One comparison on several devices.

    Attributes:
        case, setting, variant: whose speed-up over the baseline it is.
        logs: logarithm of the speed-up on each device; None where it was not measured.
        errors: standard error of each.
    """

    case: str
    setting: str
    variant: str
    logs: tuple[float | None, ...]
    errors: tuple[float | None, ...]

    @property
    def known(self) -> list[tuple[float, float]]:
        """Logarithms and their errors where they were measured."""
        pairs = zip(self.logs, self.errors, strict=True)
        return [(log, error) for log, error in pairs if log is not None and error is not None]


@dataclasses.dataclass(frozen=True)
class Devices:
    """What several devices of a class measured.

    Attributes:
        names: of the devices.
        repeated: each comparison that at least two of them measured.
        margin: share within which times count as equal.
    """

    names: tuple[str, ...]
    repeated: tuple[Repeated, ...]
    margin: float

    @functools.cached_property
    def deviation(self) -> float:
        """Standard deviation of the logarithm of a speed-up between devices, without what noise explains."""
        parts = [one.known for one in self.repeated]
        freedom = sum(len(known) - 1 for known in parts)
        excess = sum(
            (len(known) - 1)
            * (statistics.variance(log for log, _ in known) - statistics.fmean(error**2 for _, error in known))
            for known in parts
        )
        return math.sqrt(max(0.0, excess / freedom)) if freedom else 0.0

    @functools.cached_property
    def half(self) -> float:
        """Half the width of the interval in which another device's logarithm lies, around that of these."""
        from scipy import special  # takes a quarter second

        count = len(self.names)
        quantile = float(special.stdtrit(count - 1, (1 + stats.LATENCY_LEVEL) / 2))
        return quantile * self.deviation * math.sqrt(1 + 1 / count)

    def verdict(self, row: Task) -> str | None:
        """The verdict on a task for any device of the class; None where the task has none here."""
        if row.verdict not in _DECIDED or not row.speedup_low or not row.speedup_high:
            return row.verdict
        low, high = (math.log(end) for end in (row.speedup_low, row.speedup_high))
        middle, half = (low + high) / 2, math.hypot((high - low) / 2, self.half)
        low, high = middle - half, middle + half
        if row.verdict == "equivalent":
            return "equivalent" if -math.log1p(self.margin) <= low and high <= math.log1p(self.margin) else "undecided"
        return "faster" if low > 0 else "slower" if high < 0 else "undecided"


def devices_of(facts: Facts) -> Devices | None:
    """What a run recorded of several devices; None where it measured on one."""
    told = facts.get("devices")
    if not isinstance(told, dict):
        return None
    control = facts.get("control")
    margin = control.get("margin") if isinstance(control, dict) else None
    names = tuple(map(str, told["nodes"]))
    found = [Repeated(one["case"], one["setting"], one["variant"], *map(tuple, (one["logs"], one["errors"])))
             for one in told["ratios"]]  # fmt: skip
    kept = tuple(one for one in found if len(one.logs) == len(one.errors) == len(names) and len(one.known) > 1)
    if len(names) < LEAST_DEVICES or not kept:
        return None
    return Devices(names, kept, margin if isinstance(margin, float) else 0.0)


def facts_of(names: Sequence[str], runs: Sequence[str], frames: Sequence[pd.DataFrame]) -> Json:
    """What a run records of several devices.

    Args:
        names: of the devices.
        runs: id of the run of each.
        frames: what each measured, of the same tasks in the same order.
    """
    each = [dict(_ratios(frame)) for frame in frames]
    keys = list(dict.fromkeys(key for found in each for key in found))
    ratios = [
        {
            **dict(zip(("case", "setting", "variant"), key, strict=True)),
            "logs": [found[key][0] if key in found else None for found in each],
            "errors": [found[key][1] if key in found else None for found in each],
        }
        for key in keys
    ]
    return {"nodes": list(names), "runs": list(runs), "ratios": ratios}


def _ratios(frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], tuple[float, float]]]:
    """Of each task that was measured beside its baseline the logarithm of its speed-up, and its standard error."""
    rows, told = plain(frame), frame.to_dict("records")
    bases: dict[tuple[str, str], Mapping[Any, Any]] = {}
    for row, raw in zip(rows, told, strict=True):
        if is_baseline(row) and is_ok(row):
            bases[_place(row)] = raw
    for row, raw in zip(rows, told, strict=True):
        base = bases.get(_place(row))
        if base is None or is_baseline(row) or not is_ok(row):
            continue
        made = [
            (process, statistics.median(known))
            for process, ours, theirs in zip(raw["visit_process"], raw["samples_s"], base["samples_s"], strict=True)
            if (known := _finite(round_ratios(theirs, ours)))
        ]
        means = stats.process_means(made)
        if len(means) > 1:
            error = math.sqrt(statistics.variance(means) / len(means))
            yield (*_place(row), str(row.variant)), (statistics.fmean(means), error)


def _finite(values: Any) -> list[float]:
    return [value for value in values.tolist() if math.isfinite(value)]


def _place(row: Task) -> tuple[str, str]:
    return case_title(row), setting_title(row)
