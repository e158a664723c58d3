"""How long a sweep will still take: the looks that each open pair will need, by what all visits have shown so far."""

import math
from collections.abc import Sequence

import numpy as np

from grouped_bench.analyse.statistics import moderation, stats, tasks
from grouped_bench.analyse.statistics.moderation import Prior, ProcessLogs
from grouped_bench.harness.plan import LEAST_VISITS
from grouped_bench.harness.sweep.cohort_state import PATIENCE, Standing
from grouped_bench.measure.rounds import DEAR_S
from grouped_bench.space.axes import Control

# The share of a run's pairs that will be decided, by which their level goes.
_DECIDED = 0.8
# Middles of fifths of a normal distribution, and by how much a skewed one's mean may lie above its middle.
_QUINTILES, _MOST_SKEW = np.array([-1.28, -0.52, 0.0, 0.52, 1.28]), 3.0
# Seconds of a visit that a variant takes besides its samples, and how many calls of a dear one a visit makes.
_START_S, _DEAR_CALLS = 0.4, 3


class Outlook:
    """What the open cohorts of a sweep still need.

    Args:
        standings: all cohorts of the run.
        control: precision, margin and visits of the run.
    """

    def __init__(self, standings: Sequence[Standing], control: Control) -> None:
        self._standings, self._control = standings, control

    def seconds(self) -> float | None:
        """Seconds of the visits that are still to come; None before the first."""
        visited = [standing for standing in self._standings if standing.visits]
        if not visited:
            return None
        prior = self._prior(visited)
        known = [self._of(standing, prior) for standing in visited]
        waiting = sum(bool(standing.active) and not standing.visits for standing in self._standings)
        first = sum(standing.seconds for standing in visited) / len(visited)
        return sum(known) + waiting * (first + sum(known) / len(known))

    def _prior(self, visited: Sequence[Standing]) -> Prior:
        """How much processes of a pair differ, by all pairs so far."""
        return moderation.fit(tasks.process_logs(one.ratios(name)) for one in visited for name in one.cohort.variants)

    def _of(self, standing: Standing, prior: Prior) -> float:
        """The visits that each open variant of a cohort needs, at its part of what a visit takes."""
        calls = standing.seconds_a_call
        parts = {name: _part(calls.get(name, 0.0)) for name in standing.active}
        if not parts:
            return 0.0
        needed = {name: self._visits(standing, name, prior) for name in parts}
        if standing.cohort.case.baseline in needed:
            needed[standing.cohort.case.baseline] = max(needed.values())  # is in every visit
        return standing.seconds * sum(needed[name] * part for name, part in parts.items()) / sum(parts.values())

    def _visits(self, standing: Standing, name: str, prior: Prior) -> float:
        """How many more visits a variant will need on average, if they are like those so far."""
        made, most = standing.visits, self._control.visits
        ratios = standing.ratios(name)
        patience = PATIENCE if sum(value.visit.calm for value in ratios) < len(ratios) / 2 else 1
        least = min(patience * max(LEAST_VISITS, self._control.least_visits), most)
        if not ratios:
            return max(1, least - made)
        looks = [look for look in stats.looks(most) if look > made and look >= least] or [most]
        return float(np.mean(self._looks_needed(np.array(looks), tasks.process_logs(ratios), made, prior))) - made

    def _looks_needed(self, looks: np.ndarray, settled: ProcessLogs, made: int, prior: Prior) -> np.ndarray:
        """At which of `looks` a pair will be answered, for each of the ratios that it may have."""
        from scipy import special

        logs = settled.logs
        middle, freedom = float(np.mean(logs)), prior.freedom
        variance = prior.at(middle) + settled.sampling
        if len(logs) > 1:
            variance, freedom = prior.moderated(settled)
        variance *= min(_MOST_SKEW, freedom / max(freedom - 1, 1e-9))  # between middle and mean of what it may be
        processes = len(logs) * looks / made
        shares = np.array([stats.look_share(int(look)) for look in looks])
        quantiles = special.stdtrit(prior.freedom + processes - 1, 1 - stats.FALSE_COVERAGE * _DECIDED * shares / 2)
        half = quantiles * np.sqrt(variance / processes)
        centre = np.abs(middle + _QUINTILES * math.sqrt(variance / len(logs)))[:, None]
        within = centre + half <= math.log1p(self._control.margin)
        told = (centre > half) | within | (half <= self._control.precision)
        return np.asarray(np.where(told.any(axis=1), looks[told.argmax(axis=1)], self._control.visits))


def _part(seconds: float) -> float:
    """What a variant's part of a visit costs, up to a factor: its start, and the calls of a dear one."""
    return _START_S + (_DEAR_CALLS * seconds if seconds > DEAR_S else 0.0)
