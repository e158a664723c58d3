"""The sweep: visits over all cohorts in random order, again and again, until every pair is settled or time is up."""

import contextlib
import dataclasses
import functools
import itertools
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from grouped_bench.analyse.statistics.pairs import Verdicts
from grouped_bench.errors import HostError
from grouped_bench.harness.plan import Plan
from grouped_bench.harness.progress import Moment, Progress
from grouped_bench.harness.record import LEFT, MOVED
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.harness.sweep.family import Family
from grouped_bench.harness.sweep.forecast import Forecast
from grouped_bench.harness.sweep.memory_pass import MemoryPass
from grouped_bench.harness.sweep.outlook import Outlook
from grouped_bench.harness.sweep.readings import MemoryOrder
from grouped_bench.harness.sweep.visits import LostError, Order, VisitorLike
from grouped_bench.measure.machine.available_memory import memory_total
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Json
from grouped_bench.units import format_percent

# A device whose reference workload moves by more is not what it was when its cohorts began.
MOST_DRIFT = 0.10
_CLOSING_S = 3.0
# How often a lane without work looks for some, and how often newcomers are asked for.
_PATIENCE_S, _POLL_S = 0.2, 1.0


@dataclasses.dataclass
class Lane:
    """A place that visits, and what is its own: a cohort is visited in one place alone."""

    visitor: VisitorLike
    rng: np.random.Generator
    families: list[Family] = dataclasses.field(default_factory=list)
    passes: int = 0
    is_idle: bool = False

    @property
    def cohorts(self) -> set[int]:
        """Numbers of its cohorts."""
        return {member.number for family in self.families for member in family.members}


class Sweep:
    """One run's visits.

    Args:
        plan, control: what to measure and how closely.
        visitors: the places that visit, at once where there are several.
        keep: called with each record; returns when it is on disk.
        progress: shows what the run does.
        seed: of inputs, orders and rounds.
        memory: whether to make the memory pass.
        started: reading of `clock` when the run began, from which its budget counts.
        force: whether to try tasks that are predicted to run out of memory.
        stop: asked before each visit; true ends the sweep.
        recalled: records of an earlier part of the same run, which this one resumes.
        memory_at_once: tasks whose memory is read side by side.
        memory_bytes: memory of the smallest place that visits; this machine's unless given.
        newcomers: places that may visit from now on; asked again and again.
        standing: what keeps a cohort's state.
    """

    def __init__(
        self,
        plan: Plan,
        control: Control,
        *,
        visitors: Sequence[VisitorLike],
        keep: Callable[[Json], None],
        progress: Progress,
        seed: int,
        memory: bool,
        started: float,
        force: bool = False,
        stop: Callable[[], bool] = lambda: False,
        recalled: Sequence[Json] = (),
        memory_at_once: int = 1,
        memory_bytes: int | None = None,
        newcomers: Callable[[], Sequence[VisitorLike]] | None = None,
        standing: type[Standing] = Standing,
        clock: Clock = read_clock,
    ) -> None:
        self._plan, self._keep, self._progress, self._stop = plan, keep, progress, stop
        self._seed, self._clock, self._started = seed, clock, started
        self._deadline = None if control.budget is None else started + control.budget - _CLOSING_S
        self._visit_time = control.visit_time
        self._choices = {"visit_s": control.visit_time, "reference": control.reference}
        self._forecast = None if force else Forecast(control.memory_limit, memory_bytes or memory_total())
        self._verdicts, self._control, self._standing = Verdicts(plan.pairs, control.margin), control, standing
        self.standings = [self._new(number) for number in range(len(plan.cohorts))]
        # Not the orders over again that the earlier part drew.
        seeds = [[seed, len(recalled), *([place] if place else [])] for place in range(len(visitors))]
        self._lanes = [Lane(one, np.random.default_rng(own)) for one, own in zip(visitors, seeds, strict=True)]
        self._newcomers, self._recalled = newcomers, len(recalled)
        self._memory = MemoryPass(self.standings if memory else [], seed, memory_at_once)
        self._outlook = Outlook(self.standings, control)
        self._turns = itertools.count(1 + max((record.get("turn") or 0 for record in recalled), default=0))
        self.time: dict[str, float] = defaultdict(float)
        self._turn = threading.Condition()
        self._broken: BaseException | None = None
        self._is_stopped = False
        homes: dict[int, str | None] = {}
        for record in recalled:
            self._absorb(record)
            homes[record["cohort"]] = record.get("node")
        places = {(cohort.case, cohort.setting): number for number, cohort in enumerate(plan.cohorts)}
        families = [Family([self.standings[places[c.case, c.setting]] for c in family]) for family in plan.families]
        self._waiting: deque[Family] = deque()
        for index in self._lanes[0].rng.permutation(len(families)):
            self._place(families[index], homes)

    def _place(self, family: Family, homes: Mapping[int, str | None]) -> None:
        """Give a family to the lane that visited it before, or leave it to the first that is free."""
        before = {homes[member.number] for member in family.members if member.number in homes}
        lane = next((one for one in self._lanes if before == {one.visitor.name}), None)
        if lane is not None:
            lane.families.append(family)
        else:
            self._waiting.append(self._anew(family) if before and family.active else family)

    def run(self) -> str:
        """Measure, and leave the workers to the end of their hosts.

        Returns why it ended: `settled`, `visits`, `budget`, `failed` (every task has) or `user` (`stop` said so).

        Raises:
            HostError: every place that visits is gone.
        """
        if len(self._lanes) == 1 and self._newcomers is None:
            with self._turn:
                self._drive(self._lanes[0])
        else:
            self._drive_all()
        if self._broken is not None:
            raise self._broken
        if self._is_stopped:
            return "user"
        if any(standing.active for standing in self.standings):
            return "budget"
        if not any(standing.visits for standing in self.standings):
            return "failed"
        return "visits" if any(standing.capped for standing in self.standings) else "settled"

    @property
    def places(self) -> set[str | None]:
        """Names of the places that visit still: none that was lost or has drifted."""
        return {lane.visitor.name for lane in self._lanes}

    def visit(self, number: int, process: int) -> None:
        """Visit the cohort in the place `number`, where it is open; the record gives the process the number `process`.

        For who has an order of its own, as `run` has.
        """
        standing, (lane,) = self.standings[number], self._lanes
        if standing.active:
            turn = process if len(standing.family) > 1 else None
            with self._turn:
                self._settle(lane, [lane.visitor.visit(self._order(lane, standing, turn)) | {"process": process}])

    def read_memory(self) -> None:
        """Read the memory of every task once."""
        (lane,) = self._lanes
        for batch in self._memory.batches(range(len(self.standings))):
            self._take_in(lane, self._read(lane, batch))

    def affords(self, seconds: float) -> bool:
        """Whether the budget has room for `seconds` more, and for the memory pass."""
        if self._deadline is None:
            return True
        return self._clock() + self._memory.guess_s / max(1, len(self._lanes)) + seconds <= self._deadline

    def _drive_all(self) -> None:
        """Every lane in a thread of its own, and those of newcomers."""
        # A lane that is lost leaves the list, perhaps before the next is begun.
        threads = [self._begun(lane) for lane in tuple(self._lanes)]
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(_POLL_S)
            for visitor in self._newcomers() if self._newcomers else ():
                with self._turn:
                    lane = Lane(visitor, np.random.default_rng([self._seed, self._recalled, len(threads)]))
                    self._lanes.append(lane)
                threads.append(self._begun(lane))

    def _begun(self, lane: Lane) -> threading.Thread:
        """A thread that drives a lane."""
        thread = threading.Thread(target=self._drive_apart, args=[lane], daemon=True)
        thread.start()
        return thread

    def _drive_apart(self, lane: Lane) -> None:
        with self._turn:
            try:
                self._drive(lane)
            except BaseException as error:  # raised again by who waits for this thread
                self._broken = self._broken or error
            lane.is_idle = True
            self._turn.notify_all()

    def _drive(self, lane: Lane) -> None:
        """All that a lane has to do. Others have their turn while it visits."""
        try:
            for now, make_records in self._work(lane):
                if self._ends():
                    return
                if self._progress.is_shown:
                    self._progress.show(self._moment(lane, now))
                with self._others_turn():
                    records = make_records()
                self._settle(lane, records)
                self._check_drift(lane)
        except LostError as error:
            self._lanes.remove(lane)
            self._leave(lane, str(error.received))
            if not self._lanes:  # what it had begun may go on there
                raise HostError(error.rule, received=error.received, remedy=error.remedy) from None
            self._abandon(lane)

    @contextlib.contextmanager
    def _others_turn(self) -> Iterator[None]:
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    def _take_in(self, lane: Lane, records: Sequence[Json]) -> None:
        """Keep what a lane has made, and take it in."""
        for record in records:
            record["at"] = self._clock() - self._started
            if lane.visitor.name is not None:
                record["node"] = lane.visitor.name
            self._keep(record)
            self._absorb(record)

    def _settle(self, lane: Lane, records: Sequence[Json]) -> None:
        """Take in what a lane has made, then leave asleep what is needed again, and end what is not."""
        self._take_in(lane, records)
        visited = [self.standings[record["cohort"]] for record in records if record["kind"] == "visit"]
        rests = {standing.number: standing.start_is_dear and bool(standing.active) for standing in visited}
        with self._others_turn():
            for cohort, is_needed in rests.items():
                lane.visitor.rest(cohort, is_needed=is_needed)

    def _check_drift(self, lane: Lane) -> None:
        """LostError where a device is not what it was, and another one can take its place."""
        if lane.visitor.drift > MOST_DRIFT and len(self._lanes) > 1:
            raise LostError(
                "A node must keep its speed within 10% while it measures",
                received=f"a reference workload that moved by {format_percent(lane.visitor.drift, 2)}",
                remedy="Leave other programs out, and resume the run",
            )

    def _leave(self, lane: Lane, reason: str) -> None:
        """Record that a node measures no more, and say so."""
        if lane.visitor.name is not None:
            at = self._clock() - self._started
            self._keep({"kind": LEFT, "node": lane.visitor.name, "reason": reason, "at": at})
            self._progress.tell(f"Left out node {lane.visitor.name}: {reason}")

    def _abandon(self, lane: Lane) -> None:
        """Leave the open cohorts of a lane that is gone to the others, which begin them anew."""
        self._waiting += [self._anew(family) for family in lane.families if family.active]
        self._turn.notify_all()

    def _anew(self, family: Family) -> Family:
        """The family as if nothing had been measured of it; its records count no more."""
        for member in family.members:
            if member.visits or member.failed:
                self._keep({"kind": MOVED, "cohort": member.number, "at": self._clock() - self._started})
            self._verdicts.forget(member.number)
            self.standings[member.number] = self._new(member.number)
            self._memory.renew(self.standings[member.number])
        return Family([self.standings[member.number] for member in family.members])

    def _new(self, number: int) -> Standing:
        return self._standing(number, self._plan.cohorts[number], self._verdicts, self._control)

    def _work(self, lane: Lane) -> Iterator[tuple[str, Callable[[], Sequence[Json]]]]:
        """What makes some records, with a name: passes over the cohorts of a lane that need one more visit, then over
        those that wait for one; after each pass the memory of what was new.

        The order is random; in a pass that the budget will cut short the most undecided come first.
        """
        while True:
            lane.passes += 1
            todo = [family for family in lane.families if family.active and self.affords(family.seconds)]
            for family in itertools.chain(self._taken(lane), self._in_order(lane, todo)):
                if family.active and self.affords(family.seconds):
                    turn = next(self._turns) if len(family.members) > 1 else None
                    for standing in family.turn(lane.rng):
                        visit = functools.partial(self._visited, lane, self._order(lane, standing, turn))
                        yield standing.cohort.title(), visit
            for batch in itertools.takewhile(lambda _: not self._is_late, self._memory.batches(lane.cohorts)):
                now = f"{batch[0].variant}, {self.standings[batch[0].cohort].cohort.title()}"
                yield now, functools.partial(self._read, lane, batch)
            self._memory.end(lane.cohorts)
            if lane.passes > 1 and not todo and not self._waits_for_more(lane):
                return

    def _in_order(self, lane: Lane, todo: list[Family]) -> list[Family]:
        order = [todo[index] for index in lane.rng.permutation(len(todo))]
        if not self.affords(sum(family.seconds for family in todo)):
            order.sort(key=lambda family: -family.width)
        return order

    def _taken(self, lane: Lane) -> Iterator[Family]:
        """The families that no lane has, one at a time, each from now on the lane's own."""
        while self._waiting:
            family = self._waiting.popleft()
            lane.families.append(family)
            yield family

    def _waits_for_more(self, lane: Lane) -> bool:
        """Whether a lane without work gets some: what another one, which is still at work, may leave behind."""
        lane.is_idle = True
        self._turn.notify_all()
        while not self._waiting and not all(one.is_idle for one in self._lanes):
            self._turn.wait(_PATIENCE_S)
            if self._ends():
                return False
        lane.is_idle = not self._waiting
        return bool(self._waiting)

    def _ends(self) -> bool:
        """Whether there is to be no other visit: the user said so, or a lane has failed."""
        self._is_stopped = self._is_stopped or self._stop()
        return self._is_stopped or self._broken is not None

    def _read(self, lane: Lane, batch: Sequence[MemoryOrder]) -> list[Json]:
        return lane.visitor.read([dataclasses.replace(reading, left_s=self._left_s) for reading in batch])

    @staticmethod
    def _visited(lane: Lane, order: Order) -> list[Json]:
        return [lane.visitor.visit(order)]

    @property
    def _left_s(self) -> float | None:
        """Seconds that what is begun now may take; a part of them is kept for the end."""
        return None if self._deadline is None else self._deadline + _CLOSING_S / 2 - self._clock()

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
        if self._forecast is not None:
            self._forecast.absorb(standing.cohort, record["failed"])

    def _order(self, lane: Lane, standing: Standing, turn: int | None = None) -> Order:
        """The next visit of a cohort; `turn` is shared by the visits of a family in a row."""
        doomed = self._forecast.doomed(standing) if self._forecast else {}
        names = [name for name in standing.active if name not in doomed]
        build: Json = {"iterations": standing.iterations, "expected_s": standing.seconds_a_call}
        build |= {"check": standing.unchecked, "within_s": self._building_s(standing, names)}
        seed = int(lane.rng.integers(2**32))
        return Order(
            standing.number,
            standing.cohort.setting.host,
            standing.cohort.request(names, self._seed, standing.choices),
            standing.visits,
            standing.processes,
            self._left_s,
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

    def _moment(self, lane: Lane, now: str) -> Moment:
        """Where the sweep stands: in a lane's first pass, its memory pass, or those until all is said."""
        first = [standing for standing in self.standings if not standing.visits and standing.active]
        if lane.passes == 1 and first:
            stage, done, total = "first visits", len(self.standings) - len(first), len(self.standings)
        elif lane.passes == 1 and self._memory.unread:
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
