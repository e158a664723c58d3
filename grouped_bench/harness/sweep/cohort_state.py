"""Where a cohort stands in a run: what was measured, what failed, and which variants still need time."""

import math
from typing import Any

import numpy as np

from grouped_bench.analyse.environment import turns
from grouped_bench.analyse.statistics import stats, tasks
from grouped_bench.analyse.statistics.pairs import Pair, Verdicts
from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.analyse.statistics.tasks import Value
from grouped_bench.harness.plan import LEAST_VISITS, Cohort
from grouped_bench.measure.rounds import LEAST_ROUNDS, MOST_ROUNDS
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Json

# No visit grows longer than so many first ones: the sooner another comes, the more of the run's weather is met.
_LONGEST_GROWTH = 4
# Where visits are never calm, so many times the least number of them must do.
PATIENCE = 3
_LEAST_OF_A_VARIANCE = 2
# Marks a pair of a variant with itself under the first environment of the family.
_FIRST = "first"


class Standing:
    """One cohort's state, a function of the run's records.

    Args:
        number, cohort: the cohort and its place in the plan.
        verdicts: on all pairs of the run, which this cohort adds its own to.
        control: precision, margin and visits of the run.
    """

    def __init__(self, number: int, cohort: Cohort, verdicts: Verdicts, control: Control) -> None:
        self.number, self.cohort, self._baseline = number, cohort, cohort.case.baseline
        self._verdicts, self._control = verdicts, control
        self.family: tuple[Standing, ...] = (self,)
        self.open: list[str] = list(cohort.variants)
        self.failed: set[str] = set()
        self.settled: set[str] = set()
        self.iterations: dict[str, int] = {}
        self.choices: dict[str, str] = {}
        self._latencies: dict[str, list[Value]] = {name: [] for name in cohort.variants}
        self._turned: dict[str, dict[int, Value]] = {name: {} for name in cohort.variants}
        self._ratios: dict[str, list[Value]] = {name: [] for name in cohort.variants}
        self._round_variances: dict[str, list[float]] = {name: [] for name in cohort.variants}
        self._round_counts: list[int] = []
        self._start_costs: list[float] = []
        self._round_costs: list[float] = []
        self.capped = False
        self.start_is_dear = True
        self.visits = 0
        self.processes = 0
        self.seconds = 0.0

    @property
    def active(self) -> list[str]:
        """Variants that the next visit times: what is open here, or in another environment of the family."""
        wanted = {name for member in self.family for name in member.open}
        return [name for name in self._alive if name in wanted]

    @property
    def unchecked(self) -> bool:
        """Whether some variant has been verified by no process yet."""
        return not self.iterations.keys() >= set(self.active)

    @property
    def seconds_a_call(self) -> dict[str, float]:
        """What a call of each variant took so far."""
        made = {name: [value.value for value in values] for name, values in self._latencies.items()}
        return {name: float(np.median(values)) for name, values in made.items() if values}

    @property
    def pairs(self) -> dict[str, Pair]:
        """Each variant that was paired with the baseline, as it stands."""
        return {
            name: self._verdicts[self.number, name] for name in self._ratios if (self.number, name) in self._verdicts
        }

    @property
    def width(self) -> float:
        """Half the widest interval of the open variants, as a logarithm: how undecided the cohort is."""
        widths = [self._width(name) for name in self.active if name != self._baseline or len(self.active) == 1]
        return max(widths, default=0.0)

    @property
    def rounds(self) -> int | None:
        """Rounds for the next visit, by the variances and costs seen so far; None where there are too few yet.

        Never fewer than in the first visit: the number of visits is limited too.
        """
        open_ = [
            name
            for name in self.active
            if len(self._logs(name)) >= stats.LEAST_PROCESSES and self._round_variances[name]
        ]
        if not open_ or min(self._round_counts) < LEAST_ROUNDS:
            return None
        wanted = [
            stats.best_rounds(
                self._logs(name),
                self._round_variances[name],
                self._round_counts,
                visit_cost=float(np.mean(self._start_costs)),
                round_cost=float(np.mean(self._round_costs)),
            )
            for name in open_
        ]
        least = self._round_counts[0]
        return int(np.clip(np.median(wanted), least, max(least, min(MOST_ROUNDS, _LONGEST_GROWTH * least))))

    def ratios(self, name: str) -> list[Value]:
        """The log ratios of a variant to the baseline, one a visit; none of the baseline."""
        return [] if name == self._baseline else self._ratios[name]

    def absorb(self, record: Json) -> None:
        """Take in the record of a visit and settle what it settles."""
        self.processes = max(self.processes, record["process"] + 1)
        self.failed |= set(record["failed"])
        for name, built in record["built"].items():
            self.iterations.setdefault(name, built["iterations"])
            if "choice" in built:
                self.choices.setdefault(name, built["choice"])
        if record["samples"]:
            self.visits += 1
            # Without the check and the search, which no later visit makes.
            once = (built["verify_s"] + built.get("search_s", 0.0) for built in record["built"].values())
            self.seconds = record["seconds"] - sum(once)
            self._take_in(record)
            if record["built"]:
                self.start_is_dear = record["start_seconds"] > record["seconds"] - record["start_seconds"]
        self.open = self._unsettled()

    def _take_in(self, record: Json) -> None:
        visit = [Visit(record["process"], record["stolen"], record["throttled"])]
        baseline = record["samples"].get(self._baseline)
        rounds = len(next(iter(record["samples"].values())))
        for name, samples in record["samples"].items():
            made = tasks.latencies([samples], visit)
            self._latencies[name] += made
            if record.get("turn") is not None and made:
                self._turned[name][record["turn"]] = made[0]
            if baseline is not None:
                self._ratios[name] += tasks.log_ratios([baseline], [samples], visit)
            paired = baseline is not None and name != self._baseline
            if paired:
                self._verdicts.put((self.number, name), self._ratios[name])
            series = tasks.round_ratios(baseline if paired else [1.0] * rounds, samples)
            if np.isfinite(series).sum() >= _LEAST_OF_A_VARIANCE:
                self._round_variances[name].append(stats.robust_variance(series))
            for member in self.family[1:]:
                member._put_apart(name)
        self._round_counts.append(rounds)
        self._start_costs.append(self.seconds - record["visit_seconds"])
        self._round_costs.append(record["visit_seconds"] / rounds)

    def _put_apart(self, name: str) -> None:
        """Take in what there is of a variant here beside the same one under the first environment of the family."""
        first, own = self.family[0]._turned.get(name), self._turned.get(name)
        if first and own:
            self._verdicts.put((self.number, name, _FIRST), turns.turn_ratios(first, own), by_turn=True)

    def _unsettled(self) -> list[str]:
        for name in self._alive:
            waits = name in self.settled or (self._is_paired and name == self._baseline)
            if not waits and self._is_settled(name):
                self.settled.add(name)
        open_ = [name for name in self._alive if name not in self.settled]
        if self._is_paired and open_ == [self._baseline] and self._is_settled_apart(self._baseline):
            self.settled.add(self._baseline)
            open_ = []
        return open_

    @property
    def _alive(self) -> list[str]:
        return [name for name in self.cohort.variants if name not in self.failed]

    @property
    def _is_paired(self) -> bool:
        """Whether there is a baseline that others are compared with."""
        return self._baseline in self._alive and len(self._alive) > 1

    def _is_settled(self, name: str) -> bool:
        if self._is_sure(name):
            return True
        used_up = len(self._latencies[name]) >= self._control.visits
        self.capped |= used_up
        return used_up

    def _is_settled_apart(self, name: str) -> bool:
        """Whether a variant under the first environment of the family is distinguished from the same one here."""
        first = self.family[0]
        if first is self or name not in first.cohort.variants or name in first.failed:
            return True
        used_up = len(self._latencies[name]) >= self._control.visits
        return used_up or self._tells((self.number, name, _FIRST))

    def _tells(self, key: tuple[Any, ...]) -> bool:
        """Whether a pair may be looked at, and is decided or as precise as was asked."""
        if not stats.is_look(self._verdicts.visits(key)):
            return False
        pair = self._verdicts[key]
        return pair.verdict != "undecided" or _half_width(pair.interval) <= self._control.precision

    def _is_sure(self, name: str) -> bool:
        """Whether calm visits have answered what was asked, or patience with a restless machine has ended."""
        made, least = self._latencies[name], self._least
        used = tasks.counted(made)
        waits = not all(value.visit.calm for value in used) and len(made) < PATIENCE * least
        if len(used) < least or waits:
            return False
        own = (self.number, name)
        told = self._tells(own) if self._is_paired else self._width(name) <= self._control.precision
        return told and self._is_settled_apart(name)

    def _judge(self, name: str) -> Pair:
        return self._verdicts[self.number, name]

    @property
    def _least(self) -> int:
        """Visits before anything settles."""
        return min(max(LEAST_VISITS, self._control.least_visits), self._control.visits)

    def _width(self, name: str) -> float:
        """Half the width of the variant's interval: of its speed-up where it has a baseline, else of its latency."""
        if self._is_paired and name != self._baseline:
            found = self._judge(name).interval
        else:
            found = stats.latency_interval(tasks.by_process(tasks.counted(self._latencies[name])))
        return _half_width(found)

    def _logs(self, name: str) -> list[float]:
        """What the visits say of the variant, as logarithms."""
        if not self._is_paired:
            return [math.log(value.value) for value in self._latencies[name]]
        return [] if name == self._baseline else [value.value for value in self._ratios[name]]


def _half_width(interval: stats.Interval | None) -> float:
    """Half the width of an interval, as a logarithm; infinite where there is none."""
    return math.inf if interval is None else math.log(interval.high / interval.low) / 2
