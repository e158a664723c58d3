"""One cohort swept alone, visit by visit: for scripts that ask when an answer was there, and what it had cost.

The only script that drives a sweep below `grouped_bench.run`.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from grouped_bench.analyse.statistics import stats, tasks
from grouped_bench.analyse.statistics.pairs import Verdicts
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.harness.plan import Cohort, Plan, make_plan
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.workers import Limits, Worker
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE
from grouped_bench.space.facts import Json
from grouped_bench.space.space import Space

LIMITS = Limits(60.0)


@dataclasses.dataclass(frozen=True)
class Stand:
    """What a run of one pair would have said: verdict and speed-up when it stopped, and the seconds it had taken.

    `settled` is false where the visits ended first.
    """

    verdict: str
    speedup: float | None
    seconds: float
    settled: bool


class EnoughError(Exception):
    """A sweep has shown what it was made for."""


def cohorts(cases: list[dict[str, Any]], variants: Sequence[str]) -> tuple[Cohort, ...]:
    """The cohorts of the union of `cases`, each with `variants`."""
    return make_plan(Space(cases=cases, variant=list(variants))).cohorts


def build(worker: Worker, cohort: Cohort, variants: Sequence[str]) -> dict[str, Any]:
    """The worker's answer once it has built and warmed up `variants`, unchecked."""
    return worker.ask({"op": "build", **cohort.request(variants, 0), "iterations": {}, "check": False})


def sweep(
    host: Host,
    cohort: Cohort,
    control: Control,
    *,
    enough: Callable[[list[Json]], bool] = lambda records: False,
    endless: bool = False,
    seed: int = 0,
) -> list[Json]:
    """Records of the visits of a run of `cohort` alone, in order.

    Args:
        host: a started host; its workers end with the sweep.
        enough: told all records after each; ends the sweep.
        endless: whether pairs stay open when they have settled, until there is enough.
    """
    records: list[Json] = []

    def keep(record: Json) -> None:
        if record["samples"]:
            records.append(record)
            if enough(records):
                raise EnoughError

    lent, plan = _Lent(host), Plan((cohort,), ())
    with Progress(quiet=True) as progress:
        running = Sweep(
            plan, control, visitors=[Visitor({cohort.setting.host: lent}, control)], keep=keep, progress=progress,
            seed=seed, memory=False, started=read_clock(), standing=_Endless if endless else Standing,
        )  # fmt: skip
        try:
            with contextlib.suppress(EnoughError):
                running.run()
        finally:
            lent.close()
    return records


def seconds_of(records: Sequence[Json], variant: str) -> float:
    """Seconds that the pair of `variant` and the baseline took.

    Of each visit that both made: the start of its process whole, and of the rest two parts in as many as there were
    variants, which all get about the same time.
    """
    return sum(
        record["time"]["start_s"] + (record["seconds"] - record["time"]["start_s"]) * 2 / len(record["samples"])
        for record in records
        if variant in record["samples"] and BASELINE in record["samples"]
    )


def stand(records: Sequence[Json], cohort: Cohort, variant: str, control: Control) -> Stand:
    """Where a run of `variant` and the baseline alone would have stopped, had it made these visits."""
    standing = Standing(
        0, dataclasses.replace(cohort, variants=(BASELINE, variant)), Verdicts(1, control.margin), control
    )
    seen: list[Json] = []
    for record in records:
        if variant in standing.settled or variant not in record["samples"]:
            break
        seen.append(record)
        standing.absorb(_only(record, variant))
    pair = standing.pairs.get(variant)
    verdict, interval = (pair.verdict, pair.interval) if pair else ("undecided", None)
    settled = variant in standing.settled
    speedup = interval.estimate if interval else None
    return Stand(verdict if settled else "undecided", speedup, seconds_of(seen, variant), settled)


def ratio_width(records: Sequence[Json], variant: str, alpha: float = 0.05) -> float | None:
    """Half the width of the uncorrected interval of the pair's log ratio, over processes; None below three."""
    ratios = [
        value
        for record in records
        for value in tasks.log_ratios([record["samples"][BASELINE]], [record["samples"][variant]], [visit_of(record)])
    ]
    logs = tasks.by_process(tasks.counted(ratios))
    if len(logs) < stats.LEAST_PROCESSES:
        return None
    interval = stats.student_interval(logs, alpha)
    return (interval.high - interval.low) / 2


def visit_of(record: Json) -> Visit:
    """How the visit of a record went."""
    return Visit(record["process"], record["stolen"], record["throttled"])


def _only(record: Json, variant: str) -> Json:
    """The record as if the baseline and `variant` had been alone."""
    pair = (BASELINE, variant)
    return record | {key: {n: v for n, v in record[key].items() if n in pair} for key in ("built", "failed", "samples")}


class _Endless(Standing):
    """A cohort in which nothing settles."""

    def absorb(self, record: Json) -> None:
        super().absorb(record)
        self.open = [name for name in self.cohort.variants if name not in self.failed]


class _Lent:
    """A host that takes all its workers back at once."""

    def __init__(self, host: Host) -> None:
        self._host, self._workers = host, list[Worker]()

    def fork(self, limits: Limits) -> Worker:
        self._workers.append(self._host.fork(limits))
        return self._workers[-1]

    def restart(self) -> None:
        self._host.restart()

    def close(self) -> None:
        for worker in self._workers:
            if not worker.ended:
                worker.close()
