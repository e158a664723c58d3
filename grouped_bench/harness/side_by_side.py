"""Two interpreters measured side by side: one plan in both, visit beside visit, as two runs that name each other."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from grouped_bench.errors import CutShortError, GroupedBenchError
from grouped_bench.harness.header import make_header
from grouped_bench.harness.interrupts import interrupts
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes.probing import hosts_of, probed
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.request import Order
from grouped_bench.harness.session import conclude, new_journal, new_name
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.measure.rounds import read_clock
from grouped_bench.store.journal import Journal, read_journal
from grouped_bench.store.runs import check_writable
from grouped_bench.units import format_clock

ROLES = ("base", "head")


@dataclasses.dataclass(frozen=True)
class _Side:
    """One interpreter's half."""

    sweep: Sweep
    journal: Journal
    import_s: float


def carry_out_both(order: Order, pythons: tuple[str, str]) -> tuple[Path, Path]:
    """Measure what `order` asks in each of two interpreters, and return the paths of the files, base and head.

    Every cohort gets as many visits as the controls allow at most, in turn on both sides, so that neither side's
    figures decide how long the other is measured.

    Raises:
        OutputError, UnavailableError, HostError: as of `carry_out`.
        CutShortError: it ended before the files were written; the journals keep what was measured.
    """
    check_writable(order.out)
    control = order.control.model_copy(update={"least_visits": order.control.visits})
    order = dataclasses.replace(order, control=control)
    with (
        Progress(order.quiet) as progress,
        alone(progress.tell, wait=order.wait),
        contextlib.ExitStack() as stack,
    ):
        started = read_clock()
        sides = _open(order, pythons, started, progress, stack)
        with _kept(sides), interrupts() as stop:
            stopped_by = _take_turns(sides, order, stop, progress, started)
            base, head = [_conclude(side, stopped_by, started) for side in sides]
            for side in sides:  # not before both files are written: a half of the two is nothing to go on with
                side.journal.remove()
    return base, head


def _open(
    order: Order, pythons: Sequence[str], started: float, progress: Progress, stack: contextlib.ExitStack
) -> list[_Side]:
    names = [new_name() for _ in pythons]
    hosts = [stack.enter_context(hosts_of(order.plan, order.control, order.files, progress, p)) for p in pythons]
    sides = []
    for number, (name, running) in enumerate(zip(names, hosts, strict=True)):
        header = make_header(order, probed(order.plan, order.control, running))
        partner = {"role": ROLES[number], "partner": names[1 - number]["run_id"]}
        # The folder at hand, whose commit a run tells, is that of neither interpreter.
        journal = new_journal(order.out, {**name, **header, "commit": None, "side_by_side": partner})
        stack.callback(journal.close)
        sweep = Sweep(
            order.plan, order.control, hosts=running, keep=journal.append, progress=progress, seed=order.seed,
            memory=order.memory, started=started, force=order.force, visits_a_process=1,
        )  # fmt: skip
        sides.append(_Side(sweep, journal, sum(host.import_s for host in running.values())))
    return sides


def _take_turns(
    sides: Sequence[_Side], order: Order, stop: Callable[[], bool], progress: Progress, started: float
) -> str:
    """All visits; says what ended them."""
    rng, plan = np.random.default_rng(order.seed), order.plan
    most = len(plan.cohorts) * order.control.visits
    for done, (number, cohort) in enumerate(_turns(rng, len(plan.cohorts), order.control.visits)):
        if stop():
            return "user"
        needed = sum(side.sweep.standings[cohort].seconds for side in sides)
        if not all(side.sweep.affords(needed) for side in sides):
            return "budget"
        left = (read_clock() - started) / done * (most - done) if done else None
        progress.say(_line(number + 1, order.control.visits, left, plan.cohorts[cohort].title()))
        for place in rng.permutation(len(sides)):
            sides[place].sweep.visit(cohort, process=number)
            _agree([side.sweep.standings[cohort] for side in sides])
        if done == len(plan.cohorts) - 1:
            for side in sides:
                side.sweep.read_memory()
    return "visits"


def _agree(standings: Sequence[Standing]) -> None:
    """Give both sides of a cohort the choices that either has made: what differs between them is not to be chance."""
    made = {name: choice for standing in standings for name, choice in standing.choices.items()}
    for standing in standings:
        standing.choices.update(made)


def _turns(rng: np.random.Generator, cohorts: int, visits: int) -> Iterator[tuple[int, int]]:
    """Number of the pass and place of the cohort of each turn: every pass goes over all, in an order of its own."""
    for number in range(visits):
        for cohort in rng.permutation(cohorts):
            yield number, int(cohort)


def _line(number: int, most: int, left: float | None, now: str) -> str:
    """Pass, time left, and what runs now."""
    told = "" if left is None else f" · at most {format_clock(left)} left"
    return f"pass {number}/{most} on both sides{told} · {now}"


def _conclude(side: _Side, stopped_by: str, started: float) -> Path:
    time = {**side.sweep.time, "import_s": side.import_s, "total_s": read_clock() - started}
    return conclude(side.journal, stopped_by, time, None, keep=True)


@contextlib.contextmanager
def _kept(sides: Sequence[_Side]) -> Iterator[None]:
    """Whatever ends the block, the journals stay, and the error names them."""
    try:
        yield
    except (GroupedBenchError, KeyboardInterrupt) as error:
        if not any(read_journal(side.journal.path)[1] for side in sides):
            for side in sides:
                side.journal.remove()
            raise
        told = error if isinstance(error, GroupedBenchError) else None
        journals = " ".join(str(side.journal.path) for side in sides)
        raise CutShortError(
            told.rule if told else "A comparison must end before it is judged",
            received=told.received if told else "an interrupt",
            remedy=f"Compare what was measured with `grouped-bench compare {journals}`, or measure again",
        ) from None
