"""Runs in the order of their commits: one latency a run for each task and machine, and the steps between them."""

import dataclasses
import datetime
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse.compare.basis import NORMALISED, RAW
from grouped_bench.analyse.compare.measurements import Key, Measurement, of_frames
from grouped_bench.analyse.environment.differences import Difference, differences
from grouped_bench.analyse.environment.machines import older_names
from grouped_bench.analyse.history import change_points
from grouped_bench.analyse.statistics import stats, tasks
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.analyse.statistics.tasks import Value
from grouped_bench.space.facts import Facts

# Below these there is nothing to see a line in, and nothing to find a step in.
LEAST_POINTS, LEAST_FOR_STEPS = 4, 2 * change_points.LEAST_RUNS


@dataclasses.dataclass(frozen=True)
class Commit:
    """What was checked out; `dirty` where tracked files differed from it."""

    id: str
    date: datetime.datetime
    dirty: bool


@dataclasses.dataclass(frozen=True)
class PlacedRun:
    """A run's place in the history: when it began, and the commit that it measured, where one was recorded."""

    run_id: str
    started_at: datetime.datetime
    commit: Commit | None = None

    @property
    def date(self) -> datetime.datetime:
        """The commit's, else when the run began."""
        return self.commit.date if self.commit else self.started_at


@dataclasses.dataclass(frozen=True)
class Reading:
    """One run's latency of a task in seconds, with its 95 % interval where at least three processes measured it."""

    moment: PlacedRun
    seconds: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class LevelStep:
    """From `before`, the last run at the old level, to `after`, the first at the new one.

    `ratio` is the new level over the old with a 99 % interval; `runs` how many are at the new one; `changed` the facts
    besides the commit that certainly differ between the two runs.
    """

    place: int
    before: PlacedRun
    after: PlacedRun
    ratio: Interval
    runs: int
    changed: tuple[Difference, ...] = ()

    @property
    def same_commit(self) -> bool:
        """Whether both runs measured one commit as it is, so that hardly a commit made the step."""
        old, new = self.before.commit, self.after.commit
        return old is not None and new is not None and old.id == new.id and not (old.dirty or new.dirty)


@dataclasses.dataclass(frozen=True)
class Series:
    """A task on one machine over the runs that measured it, in order.

    `basis` is `normalised` where every run has the reference workload beside the task: the ratio to it, back in
    seconds by the median of the reference over the runs with the same version of the backend; else `raw`.
    """

    columns: Mapping[str, Any]
    basis: str
    points: tuple[Reading, ...]
    steps: tuple[LevelStep, ...] = ()

    @property
    def levels(self) -> list[tuple[int, int, float]]:
        """First and last place of each stretch without a step, and its median latency in seconds."""
        ends = [0, *(step.place for step in self.steps), len(self.points)]
        seconds = [point.seconds for point in self.points]
        return [(a, b - 1, float(np.median(seconds[a:b]))) for a, b in itertools.pairwise(ends)]


@dataclasses.dataclass(frozen=True)
class Unmatched:
    """An expression that holds for no task of any run, and the number of runs."""

    where: str
    runs: int


@dataclasses.dataclass(frozen=True)
class History:
    """All runs in order, and the series of each task that any of them measured, those with steps first.

    `left_out` counts runs that are one side of a comparison of two environments, which is no history of one.
    """

    moments: tuple[PlacedRun, ...]
    series: tuple[Series, ...]
    left_out: int = 0
    unmatched: Unmatched | None = None

    @property
    def steps(self) -> list[tuple[Series, LevelStep]]:
        """Every step with its series, the newest first, larger ones before smaller ones of the same place."""
        places = {moment: place for place, moment in enumerate(self.moments)}
        found = [(series, step) for series in self.series for step in series.steps]
        return sorted(found, key=lambda one: (-places[one[1].after], -abs(math.log(one[1].ratio.estimate))))


def of_frame(frame: pd.DataFrame, metadata: Sequence[Facts]) -> History:
    """The history of the runs whose rows are in `frame`.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        metadata: the run-wide facts of each run; any may be missing.

    Raises:
        RunError: samples and visits of a row that do not line up, as in no file that a run has written.
    """
    facts = {one.get("run_id"): one for one in metadata}
    parts = dict(list(frame.groupby("run_id", sort=False))) if len(frame) else {}
    sided = [name for name in parts if "side_by_side" in facts.get(name, {})]
    moments = _ordered(
        _moment(str(name), part, facts.get(name, {})) for name, part in parts.items() if name not in sided
    )
    found: dict[tuple[Any, Key], list[tuple[PlacedRun, Measurement]]] = {}
    names = older_names(metadata)
    for moment in moments:
        part = parts[moment.run_id]
        named = part.assign(machine=names[moment.run_id]) if moment.run_id in names else part
        for key, one in of_frames([named]).items():
            if one.latencies:
                found.setdefault((one.columns["machine"], key), []).append((moment, one))
    long_enough = sum(len(measured) >= LEAST_FOR_STEPS for measured in found.values())
    series = [_series(measured, long_enough, facts) for measured in found.values()]
    return History(tuple(moments), tuple(sorted(series, key=lambda one: not one.steps)), len(sided))


def of_enough(frame: pd.DataFrame, metadata: Sequence[Facts]) -> History | None:
    """The history of the runs in `frame`; None where they are too few for any line.

    Raises:
        RunError: samples and visits of a row that do not line up, as in no file that a run has written.
    """
    few = "run_id" not in frame or frame["run_id"].nunique() < LEAST_POINTS
    return None if few else of_frame(frame, metadata)


def _moment(run_id: str, part: pd.DataFrame, facts: Facts) -> PlacedRun:
    started = part["started_at"].iloc[0].to_pydatetime()
    told = facts.get("commit")
    commit = told and Commit(told["id"], datetime.datetime.fromisoformat(told["date"]), told["dirty"])
    return PlacedRun(run_id, started, commit)


def _ordered(moments: Iterable[PlacedRun]) -> list[PlacedRun]:
    """By date of the commit, then of the run; runs of one commit are neighbours, also where others have its date."""
    made = list(moments)
    first: dict[str, datetime.datetime] = {}
    for one in made:
        if one.commit:
            first[one.commit.id] = min(one.started_at, first.get(one.commit.id, one.started_at))

    def place(one: PlacedRun) -> tuple[Any, ...]:
        name = one.commit.id if one.commit else ""
        return (one.date, first.get(name, one.started_at), name, one.started_at, one.run_id)

    return sorted(made, key=place)


def _series(measured: Sequence[tuple[PlacedRun, Measurement]], count: int, facts: Mapping[Any, Facts]) -> Series:
    """The series of one task, and its steps, which is one of `count` in which steps are looked for."""
    ones = [one for _, one in measured]
    normalised = all(one.relative for one in ones)
    logs = [tasks.by_process(one.relative) if normalised else _raw(one) for one in ones]
    offsets = _offsets(ones) if normalised else [0.0] * len(ones)
    points = [_point(moment, of_one, by) for (moment, _), of_one, by in zip(measured, logs, offsets, strict=True)]
    moments = [moment for moment, _ in measured]
    shifts = change_points.find([math.log(point.seconds) for point in points], max(1, count))
    ends = [*(shift.place for shift in shifts[1:]), len(points)]
    found = [_step(shift, end, moments, facts) for shift, end in zip(shifts, ends, strict=False)]
    return Series(ones[-1].columns, NORMALISED if normalised else RAW, tuple(points), tuple(found))


def _step(shift: change_points.Shift, end: int, moments: Sequence[PlacedRun], facts: Mapping[Any, Facts]) -> LevelStep:
    before, after = moments[shift.place - 1], moments[shift.place]
    told = [facts.get(moment.run_id, {}) for moment in (before, after)]
    changed = tuple(one for one in differences(told) if one.is_certain)
    return LevelStep(shift.place, before, after, shift.ratio, end - shift.place, changed)


def _by_process(values: Sequence[Value]) -> list[float]:
    return tasks.by_process(tasks.counted(values))


def _raw(one: Measurement) -> list[float]:
    """Logarithms of its latency, one a process."""
    return _by_process([Value(math.log(value.value), value.visit) for value in one.latencies])


def _offsets(ones: Sequence[Measurement]) -> list[float]:
    """Of each run the logarithm of the reference workload's usual latency, as far as it is the same one."""
    references: dict[Any, list[float]] = {}
    for one in ones:
        reference = float(np.mean(_raw(one)) - np.mean(_by_process(one.relative)))
        references.setdefault(_reference(one), []).append(reference)
    usual = {version: float(np.median(logs)) for version, logs in references.items()}
    return [usual[_reference(one)] for one in ones]


def _reference(one: Measurement) -> tuple[Any, str]:
    """What two runs' reference workloads have in common where they are the same one."""
    return one.columns["backend_version"], one.reference


def _point(moment: PlacedRun, logs: Sequence[float], offset: float) -> Reading:
    centre = float(np.mean(logs)) + offset
    if len(logs) < stats.LEAST_PROCESSES:
        return Reading(moment, math.exp(centre))
    found = stats.student_interval(logs, 1 - stats.LATENCY_LEVEL)
    half = found.high - found.estimate
    # Beyond this an interval says that nothing is known.
    low, high = (math.exp(min(700.0, max(-700.0, end))) for end in (centre - half, centre + half))
    return Reading(moment, math.exp(centre), low, high)
