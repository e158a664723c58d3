"""The sweep: visits over all cohorts in random order, again and again, until every pair is settled or time is up."""

import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from grouped_bench.analyse.statistics.pairs import Verdicts
from grouped_bench.harness.plan import Plan
from grouped_bench.harness.processes.slots import VISITS_A_PROCESS, HostLike, Processes
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.harness.progress import Moment, Progress
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.harness.sweep.family import Family
from grouped_bench.harness.sweep.forecast import Forecast
from grouped_bench.harness.sweep.memory_pass import MemoryPass
from grouped_bench.harness.sweep.outlook import Outlook
from grouped_bench.harness.sweep.visits import Order, Visitor
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

_CLOSING_S = 3.0


class Sweep:
    """One run's visits.

    Args:
        plan, control: what to measure and how closely.
        hosts: a host for each backend and environment of the plan.
        keep: called with each record; returns when it is on disk.
        progress: shows what the run does.
        seed: of inputs, orders and rounds.
        memory: whether to make the memory pass.
        started: reading of `clock` when the run began, from which its budget counts.
        force: whether to try tasks that are predicted to run out of memory.
        stop: asked before each visit; true ends the sweep.
        recalled: records of an earlier part of the same run, which this one resumes.
        visits_a_process: how many visits of a cohort a process serves where starting one is dear.
        memory_at_once: tasks whose memory is read side by side.
        standing: what keeps a cohort's state.
    """

    def __init__(
        self,
        plan: Plan,
        control: Control,
        *,
        hosts: Mapping[HostKey, HostLike],
        keep: Callable[[Json], None],
        progress: Progress,
        seed: int,
        memory: bool,
        started: float,
        force: bool = False,
        stop: Callable[[], bool] = lambda: False,
        recalled: Sequence[Json] = (),
        visits_a_process: int = VISITS_A_PROCESS,
        memory_at_once: int = 1,
        standing: type[Standing] = Standing,
        clock: Clock = read_clock,
    ) -> None:
        self._plan, self._keep, self._progress, self._stop = plan, keep, progress, stop
        self._seed, self._clock, self._started = seed, clock, started
        self._deadline = None if control.budget is None else started + control.budget - _CLOSING_S
        # Not the orders over again that the earlier part drew.
        self._rng = np.random.default_rng([seed, len(recalled)])
        # What was begun may take a part of the time that is kept for the end.
        ends = math.inf if self._deadline is None else self._deadline + _CLOSING_S / 2
        limits = Limits(control.task_timeout, control.memory_limit, ends)
        self._visitor = Visitor(Processes(hosts, limits, visits_a_process), clock)
        self._visit_time = control.visit_time
        self._choices = {"visit_s": control.visit_time, "reference": control.reference}
        self._forecast = None if force else Forecast(control.memory_limit)
        verdicts = Verdicts(plan.pairs, control.margin)
        self.standings = [standing(number, cohort, verdicts, control) for number, cohort in enumerate(plan.cohorts)]
        places = {(cohort.case, cohort.setting): number for number, cohort in enumerate(plan.cohorts)}
        self._families = [
            Family([self.standings[places[c.case, c.setting]] for c in family]) for family in plan.families
        ]
        self._outlook = Outlook(self.standings, control)
        self._turns = itertools.count(1 + max((record.get("turn") or 0 for record in recalled), default=0))
        self._memory = MemoryPass(self.standings if memory else [], seed, memory_at_once)
        self.time: dict[str, float] = defaultdict(float)
        for record in recalled:
            self._absorb(record)

    def run(self) -> str:
        """Measure, and leave the workers to the end of their hosts.

        Returns why it ended: `settled`, `visits`, `budget`, `failed` (every task has) or `user` (`stop` said so).
        """
        for number, now, make_record in self._work():
            if self._stop():
                return "user"
            if self._progress.is_shown:
                self._progress.show(self._moment(number, now))
            self._record(make_record)
        if any(standing.active for standing in self.standings):
            return "budget"
        if not any(standing.visits for standing in self.standings):
            return "failed"
        return "visits" if any(standing.capped for standing in self.standings) else "settled"

    def visit(self, number: int, process: int) -> None:
        """Visit the cohort in the place `number`, where it is open; the record gives the process the number `process`.

        For who has an order of its own, as `run` has.
        """
        standing = self.standings[number]
        if standing.active:
            turn = process if len(standing.family) > 1 else None
            self._record(lambda: [self._visitor.visit(self._order(standing, turn)) | {"process": process}])

    def read_memory(self) -> None:
        """Read the memory of every task once."""
        for batch in self._memory.batches():
            self._record(functools.partial(self._visitor.read, batch))

    def affords(self, seconds: float) -> bool:
        """Whether the budget has room for `seconds` more, and for the memory pass."""
        return self._deadline is None or self._clock() + self._memory.guess_s + seconds <= self._deadline

    def _record(self, make_records: Callable[[], Sequence[Json]]) -> None:
        """Make records, keep them, and take them in."""
        for record in make_records():
            record["at"] = self._clock() - self._started
            self._keep(record)
            self._absorb(record)

    def _work(self) -> Iterator[tuple[int, str, Callable[[], Sequence[Json]]]]:
        """What makes some records, with the number of its pass and a name: passes over the cohorts that need one more
        visit; the memory pass follows the first.

        The order is random; in a pass that the budget will cut short the most undecided come first.
        """
        for number in itertools.count(1):
            todo = [family for family in self._families if family.active and self.affords(family.seconds)]
            for family in self._in_order(todo, first=number == 1):
                if self.affords(family.seconds):
                    turn = next(self._turns) if len(family.members) > 1 else None
                    for standing in family.turn(self._rng):
                        yield number, standing.cohort.title(), functools.partial(self._visits, standing, turn)
            if number == 1:
                for batch in itertools.takewhile(lambda _: not self._is_late, self._memory.batches()):
                    now = f"{batch[0].variant}, {self.standings[batch[0].cohort].cohort.title()}"
                    yield number, now, functools.partial(self._visitor.read, batch)
                self._memory.unread.clear()
            elif not todo:
                return

    def _in_order(self, todo: list[Family], *, first: bool) -> list[Family]:
        order = [todo[index] for index in self._rng.permutation(len(todo))]
        if first:
            return sorted(order, key=lambda family: family.visits)  # in a resumed run some have none
        if not self.affords(sum(family.seconds for family in todo)):
            order.sort(key=lambda family: -family.width)
        return order

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and self._clock() > self._deadline

    def _absorb(self, record: Json) -> None:
        standing = self.standings[record["cohort"]]
        for name, seconds in record["time"].items():
            self.time[name] += seconds
        if record["kind"] == "memory":
            self._memory.unread.pop((record["cohort"], record["variant"]), None)
            return
        standing.absorb(record)
        self._visitor.recall(standing.number, record["process"])
        self._visitor.rest(standing.number, is_needed=standing.start_is_dear and bool(standing.active))
        if self._forecast is not None:
            self._forecast.absorb(standing.cohort, record["failed"])

    def _visits(self, standing: Standing, turn: int | None) -> list[Json]:
        return [self._visitor.visit(self._order(standing, turn))]

    def _order(self, standing: Standing, turn: int | None = None) -> Order:
        """The next visit of a cohort; `turn` is shared by the visits of a family in a row."""
        doomed = self._forecast.doomed(standing) if self._forecast else {}
        names = [name for name in standing.active if name not in doomed]
        build: Json = {"iterations": standing.iterations, "expected_s": standing.seconds_a_call}
        build |= {"check": standing.unchecked, "within_s": self._building_s(standing, names)}
        seed = int(self._rng.integers(2**32))
        return Order(
            standing.number,
            standing.cohort.setting.host,
            standing.cohort.request(names, self._seed, standing.choices),
            standing.visits,
            build,
            {"seed": seed, "rounds": standing.rounds, **self._choices},
            doomed,
            turn,
        )

    def _building_s(self, standing: Standing, names: Sequence[str]) -> float | None:
        """What is left for building where nobody knows yet how long it takes; None: as long as it takes."""
        if self._deadline is None or standing.visits:
            return None
        return self._deadline - self._clock() - 2 * len(names) * self._visit_time

    def _moment(self, number: int, now: str) -> Moment:
        """Where the sweep stands in its pass `number`: the first pass, the memory pass, or those until all is said."""
        first = [standing for standing in self.standings if not standing.visits and standing.active]
        if number == 1 and first:
            stage, done, total = "first visits", len(self.standings) - len(first), len(self.standings)
        elif number == 1 and self._memory.unread:
            stage, done, total = "memory", self._plan.tasks - len(self._memory.unread), self._plan.tasks
        else:
            settled = sum(len(s.settled) + len(s.failed) for s in self.standings)
            stage, done, total = "settled", settled, self._plan.tasks
        spent = self._clock() - self._started
        return Moment(stage, done, total, spent, self._seconds_left(), now)

    def _seconds_left(self) -> float | None:
        """A guess: what the visits that each open cohort still needs will take, and the memory pass."""
        left = self._outlook.seconds()
        if left is None:
            return None
        left += self._memory.guess_s
        return left if self._deadline is None else min(left, max(0.0, self._deadline - self._clock()))
