"""Where a cohort stands in a run: what was measured, what failed, and which variants still need time."""

import math
from typing import Any

import numpy as np

from grouped_bench.analyse import stats
from grouped_bench.analyse.tasks import Pair, by_process, judge, log_ratios, visit_medians
from grouped_bench.measure.rounds import DEAR_S
from grouped_bench.plan import LEAST_VISITS, Cohort
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE

LEAST_DEAR_VISITS = 3
Record = dict[str, Any]


class Standing:
    """One cohort's state, a function of its records alone.

    Args:
        number, cohort: the cohort and its place in the plan.
        pairs: comparisons of the whole run, for which every verdict is corrected.
        control: precision, margin and visits of the run.
    """

    def __init__(self, number: int, cohort: Cohort, pairs: int, control: Control) -> None:
        self.number, self.cohort = number, cohort
        self._pairs, self._control = pairs, control
        self.active: list[str] = list(cohort.variants)
        self.failed: set[str] = set()
        self.settled: set[str] = set()
        self.iterations: dict[str, int] = {}
        self._medians: dict[str, list[float]] = {name: [] for name in cohort.variants}
        self._ratios: dict[str, list[float]] = {name: [] for name in cohort.variants}
        self._processes: dict[str, list[int]] = {name: [] for name in cohort.variants}
        self._paired_processes: dict[str, list[int]] = {name: [] for name in cohort.variants}
        self.start_is_dear = True
        self.visits = 0
        self.seconds = 0.0

    @property
    def unchecked(self) -> bool:
        """Whether no process has verified the cohort yet."""
        return not self.iterations

    @property
    def pairs(self) -> dict[str, Pair]:
        """Each variant that was paired with the baseline, as it stands."""
        return {name: self._judge(name) for name, ratios in self._ratios.items() if ratios and name != BASELINE}

    def absorb(self, record: Record) -> None:
        """Take in the record of a visit and settle what it settles."""
        self.failed |= set(record["failed"])
        for name, built in record["built"].items():
            self.iterations.setdefault(name, built["iterations"])
        if record["samples"]:
            self.visits += 1
            self.seconds = record["seconds"]
            baseline = record["samples"].get(BASELINE)
            for name, samples in record["samples"].items():
                medians = visit_medians([samples])
                ratios = log_ratios([baseline], [samples]) if baseline is not None else []
                self._medians[name] += medians
                self._processes[name] += [record["process"]] * len(medians)
                self._ratios[name] += ratios
                self._paired_processes[name] += [record["process"]] * len(ratios)
            if record["built"]:
                self.start_is_dear = record["start_seconds"] > record["seconds"] - record["start_seconds"]
        self.active = self._unsettled()

    def _unsettled(self) -> list[str]:
        alive = [name for name in self.cohort.variants if name not in self.failed]
        paired = BASELINE in alive and len(alive) > 1
        for name in alive:
            waits = name in self.settled or (paired and name == BASELINE)
            if not waits and self._is_settled(name, paired):
                self.settled.add(name)
        open_ = [name for name in alive if name not in self.settled]
        if paired and open_ == [BASELINE]:
            self.settled.add(BASELINE)
            open_ = []
        return open_

    def _is_settled(self, name: str, paired: bool) -> bool:
        medians = self._medians[name]
        if len(medians) >= self._control.visits:
            return True
        if len(medians) < self._least(medians):
            return False
        if not paired:
            return self._latency_is_precise(name)
        pair = self._judge(name)
        return stats.is_look(pair.visits) and (pair.verdict != "undecided" or self._is_precise(pair))

    def _judge(self, name: str) -> Pair:
        ratios, processes = self._ratios[name], self._paired_processes[name]
        return judge(ratios, processes, pairs=self._pairs, margin=self._control.margin)

    def _least(self, medians: list[float]) -> int:
        """Visits before anything settles: fewer where one sample fills a visit."""
        dear = bool(medians) and float(np.median(medians)) > DEAR_S
        return min(LEAST_DEAR_VISITS if dear else LEAST_VISITS, self._control.visits)

    def _is_precise(self, pair: Pair) -> bool:
        found = pair.interval
        return found is not None and math.log(found.high / found.low) / 2 <= self._control.precision

    def _latency_is_precise(self, name: str) -> bool:
        found = stats.latency_interval(by_process(self._medians[name], self._processes[name]))
        return found is not None and (found.high - found.low) / 2 / found.estimate <= self._control.precision
