"""From raw samples to latency, speed-up, verdict and flags of each task: all can be derived again from a file."""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse.environment.turns import by_turn, turn_ratios
from grouped_bench.analyse.statistics import moderation, stability, stats
from grouped_bench.analyse.statistics.limits import IMPLAUSIBLE
from grouped_bench.analyse.statistics.moderation import ProcessLogs
from grouped_bench.analyse.statistics.pairs import Pair, judge
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.analyse.statistics.tasks import Samples, Value, as_array, by_process, counted, latencies, log_ratios
from grouped_bench.errors import RunError
from grouped_bench.space.case import BASELINE, BASELINES
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import COHORT_KEY

_DERIVED = (
    *("latency_s", "latency_low_s", "latency_high_s", "flags"),
    *("speedup", "speedup_low", "speedup_high", "verdict"),
    *("env_speedup", "env_speedup_low", "env_speedup_high", "env_verdict"),
)
# With what a task is compared: its baseline, and itself under the first environment.
_BASELINE, _FIRST = "baseline", "first"
# Of the controls on record, the one that says that the verdicts are by these rules.
RULES = "false_coverage"
# These rules, as a text that changes when they do.
RULES_NOW = f"{RULES} {stats.FALSE_COVERAGE}"
_ENVIRONMENT = ("env", "threads")
_APART = tuple(name for name in COHORT_KEY if name not in _ENVIRONMENT)
_RAW = (
    *("scope", "variant", "status", "flags"),
    *("samples_s", "reference_s", "visit_process", "visit_stolen", "visit_throttled", "visit_turn"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class _Raw:
    """What a row holds before anything is derived from it."""

    variant: str
    is_baseline: bool
    is_ok: bool
    flags: tuple[str, ...]
    samples: Samples
    reference: Samples
    visits: tuple[Visit, ...]
    turns: tuple[int, ...]

    @property
    def is_judged(self) -> bool:
        """Whether it may have a verdict."""
        return self.is_ok and IMPLAUSIBLE not in self.flags


@dataclasses.dataclass(frozen=True)
class _Timed:
    """The latency of a task, None where it is unknown, and what makes it unsure."""

    value: float | None
    low: float | None
    high: float | None
    flags: tuple[str, ...]


def derive(frame: pd.DataFrame, margin: float) -> pd.DataFrame:
    """`frame` of one run with latency, speed-up, verdict and flag columns filled from its samples.

    Rows whose status is not ok keep nulls, and implausible ones have no verdict. A cohort without an ok baseline has no
    verdicts, and neither has a task that is not ok under the first environment of its family.
    """
    keys = [tuple(map(_hashable, row)) for row in frame[list(COHORT_KEY)].itertuples(index=False)]
    tasks = [_raw(record) for record in frame[list(_RAW)].to_dict("records")]
    values = [counted(latencies(task.samples, task.visits)) if task.is_ok else [] for task in tasks]
    prior = moderation.fit((ProcessLogs(np.log(by_process(found))) for found in values), moderation.IN_TURN)
    timed = [_timed(task, found, prior) for task, found in zip(tasks, values, strict=True)]
    places = {key: place for place, (key, task) in enumerate(zip(keys, tasks, strict=True)) if task.is_baseline}
    baselines = [None if task.is_baseline else places.get(key) for key, task in zip(keys, tasks, strict=True)]
    firsts = _firsts(keys, tasks)
    count = sum(place is not None for place in baselines) + sum(first is not None for first in firsts)
    ratios = _ratios(tasks, baselines, firsts)
    verdicts = judge(ratios, count=count, margin=margin, by_turn=[key for key in ratios if key[1] == _FIRST])
    rows = []
    for place, (own, baseline) in enumerate(zip(timed, baselines, strict=True)):
        pair = verdicts.get((place, _BASELINE))
        flags = list(own.flags)
        if baseline is not None and pair is not None:  # a ratio is no steadier than its baseline
            theirs = [flag for flag in timed[baseline].flags if flag in stability.FLAGS]
            flags = list(dict.fromkeys([*theirs, *flags]))
        in_turn = _judged(verdicts.get((place, _FIRST)))
        rows.append((own.value, own.low, own.high, flags, *_judged(pair), *in_turn))
    derived = {
        name: pd.Series([row[place] for row in rows], frame.index, dtype=object) for place, name in enumerate(_DERIVED)
    }
    return frame.assign(**derived)


def by_present_rules(frame: pd.DataFrame, metadata: Facts, path: Path) -> tuple[pd.DataFrame, Facts]:
    """A run as read, its verdicts by the rules of today where its file has them by older ones.

    A file whose samples were thinned keeps what it has: the ratios of single rounds are gone.

    Raises:
        RunError: samples that do not line up, as in no file that a run has written.
    """
    control = metadata.get("control") or {}
    margin = control.get("margin")
    if not isinstance(margin, float) or RULES in control or metadata.get("thinned"):
        return frame, metadata
    try:
        return derive(frame, margin), metadata
    except (ValueError, TypeError, IndexError) as problem:
        raise RunError(
            "The samples of a run must line up", received=f"{path.name} ({problem})", remedy="Measure the run again"
        ) from None


def _raw(record: Mapping[Hashable, Any]) -> _Raw:
    samples = record["samples_s"] if has_values(record["samples_s"]) else ()
    return _Raw(
        variant=record["variant"],
        is_baseline=record["variant"] == BASELINES.get(record["scope"], BASELINE),
        is_ok=record["status"] == "ok",
        flags=tuple(flag for flag in _plain(record["flags"]) if flag not in stability.FLAGS),
        samples=samples,
        reference=record["reference_s"] if has_values(record["reference_s"]) else (),
        visits=tuple(visits_of(record)),
        turns=tuple(map(int, record["visit_turn"])) if has_values(record["visit_turn"]) else (),
    )


def _firsts(keys: Sequence[tuple[Any, ...]], tasks: Sequence[_Raw]) -> list[_Raw | None]:
    """Of each task the same one under the first environment of its family; None for that one, and where it has none."""
    places = [COHORT_KEY.index(name) for name in _APART]
    environments = [COHORT_KEY.index(name) for name in _ENVIRONMENT]
    families = [tuple(key[place] for place in places) for key in keys]
    own = [tuple(key[place] for place in environments) for key in keys]
    first_of: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for family, environment in zip(families, own, strict=True):
        first_of.setdefault(family, environment)
    members = list(zip(families, own, tasks, strict=True))
    firsts = {(family, task.variant): task for family, env, task in members if env == first_of[family]}
    return [None if env == first_of[family] else firsts.get((family, task.variant)) for family, env, task in members]


def visits_of(record: Mapping[Any, Any]) -> list[Visit]:
    """How each visit of a row went; a file may not say what was stolen."""
    lists = [record[name] for name in ("visit_process", "visit_stolen", "visit_throttled")]
    count = len(record["samples_s"])
    columns = [_plain(values) if has_values(values) else [None] * count for values in lists]
    return [Visit(int(process), *disturbed) for process, *disturbed in zip(*columns, strict=True)]


def _timed(task: _Raw, found: Sequence[Value], prior: moderation.Prior) -> _Timed:
    """The latency of a task from the visits that count; a load only adds to it, so the low end gives way."""
    if not found:
        return _Timed(None, None, None, task.flags)
    interval = stats.latency_interval(by_process(found), prior)
    latency = float(np.median([value.value for value in found]))
    used = {value.visit for value in found}
    places = [place for place, visit in enumerate(task.visits) if visit in used]
    flags = stability.flags(
        [task.visits[place] for place in places],
        [as_array(task.samples[place]) for place in places],
        [as_array(task.reference[place]) for place in places] if len(task.reference) else [],
    )
    moved = math.exp(math.fsum(stability.slack(visit) for visit in used) / len(used))
    low, high = (min(interval.low, latency) / moved, max(interval.high, latency)) if interval else (None, None)
    return _Timed(latency, low, high, (*flags, *task.flags))


def _ratios(
    tasks: Sequence[_Raw], baselines: Sequence[int | None], firsts: Sequence[_Raw | None]
) -> dict[tuple[int, str], Sequence[Value]]:
    """One log ratio a visit of each task with its baseline, and with itself under the first environment."""
    found: dict[tuple[int, str], Sequence[Value]] = {}
    for place, (task, baseline, first) in enumerate(zip(tasks, baselines, firsts, strict=True)):
        base = None if baseline is None else tasks[baseline]
        if base is not None and task.is_judged and base.is_judged:
            found[place, _BASELINE] = log_ratios(base.samples, task.samples, task.visits)
        if first is not None and task.is_judged and first.is_judged:
            found[place, _FIRST] = turn_ratios(_turned(first), _turned(task))
    return found


def _turned(task: _Raw) -> dict[int, Value]:
    return by_turn(task.samples, task.visits, task.turns) if task.turns else {}


def _judged(pair: Pair | None) -> tuple[float | None, float | None, float | None, str | None]:
    """The estimate, its ends and the verdict, as the record has them."""
    found = pair.interval if pair else None
    ends = (found.estimate, found.low, found.high) if found else (None, None, None)
    return *ends, pair.verdict if pair else None


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
