"""Two interpreters measured side by side: one plan in both, visit beside visit, as two runs that name each other."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from grouped_bench.errors import CutShortError, GroupedBenchError
from grouped_bench.harness.processes.interrupts import interrupts
from grouped_bench.harness.record import Written
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.session import Session, conclude, new_journal, new_name, opened
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json
from grouped_bench.store.files.object_store import refuse_store
from grouped_bench.store.journal import Journal, read_journal
from grouped_bench.store.runs import check_writable
from grouped_bench.units import format_clock

ROLES = ("base", "head")


@dataclasses.dataclass(frozen=True)
class _Half:
    """One interpreter's half: its sweep, and the journal of its run."""

    sweep: Sweep
    journal: Journal
    import_s: float


def carry_out_both(
    request: RunRequest, pythons: tuple[str, str], rerun_of: tuple[str, str] | None = None
) -> tuple[Written, Written]:
    """Measure what is asked for in each of two interpreters, and return the runs of base and head.

    Every cohort gets as many visits as the controls allow at most, in turn on both sides, so that neither side's
    figures decide how long the other is measured.

    Args:
        request: what is asked for.
        pythons: paths of the interpreters of base and head.
        rerun_of: ids of the runs some of whose tasks these measure again.

    Raises:
        OutputError, UnavailableError, HostError: as of `carry_out`.
        CutShortError: it ended before the files were written; the journals keep what was measured.
    """
    refuse_store(request.named_out, "Runs measured side by side")
    check_writable(request.out)
    control = request.control.model_copy(update={"least_visits": request.control.visits})
    with opened(dataclasses.replace(request, control=control), pythons) as session, contextlib.ExitStack() as stack:
        halves = _halves(session, stack, rerun_of)
        with _kept(halves), interrupts() as stop:
            stopped_by = _take_turns(halves, session, stop)
            base, head = [_conclude(half, stopped_by, session.began) for half in halves]
            for half in halves:  # not before both files are written: a half of the two is nothing to go on with
                half.journal.remove()
    return base, head


def partners(names: Sequence[Json], rerun_of: tuple[str, str] | None) -> list[Json]:
    """What the runs of these names say of each other: see `store.checks.Half`."""
    told = [{"role": role, "partner": other["run_id"]} for role, other in zip(ROLES, names[::-1], strict=True)]
    if rerun_of is None:
        return told
    return [{**half, "rerun_of": first} for half, first in zip(told, rerun_of, strict=True)]


def _halves(session: Session, stack: contextlib.ExitStack, rerun_of: tuple[str, str] | None) -> list[_Half]:
    names = [new_name() for _ in session.sides]
    halves = []
    for name, side, partner in zip(names, session.sides, partners(names, rerun_of), strict=True):
        # The current folder, whose commit a run records, is that of neither interpreter.
        header = {**name, **session.header(side), "commit": None, "side_by_side": partner}
        journal = new_journal(session.request.out, header)
        stack.callback(journal.close)
        halves.append(_Half(session.sweep(side, journal, visits_a_process=1), journal, side.import_s))
    return halves


def _take_turns(halves: Sequence[_Half], session: Session, stop: Callable[[], bool]) -> str:
    """All visits; says what ended them."""
    plan, visits = session.request.plan, session.request.control.visits
    rng, most = np.random.default_rng(session.request.seed), len(plan.cohorts) * visits
    for done, (number, cohort) in enumerate(_turns(rng, len(plan.cohorts), visits)):
        if stop():
            return "user"
        needed = sum(half.sweep.standings[cohort].seconds for half in halves)
        if not all(half.sweep.affords(needed) for half in halves):
            return "budget"
        left = (read_clock() - session.began) / done * (most - done) if done else None
        session.progress.say(_line(number + 1, visits, left, plan.cohorts[cohort].title()), done / most)
        for place in rng.permutation(len(halves)):
            halves[place].sweep.visit(cohort, process=number)
            _agree([half.sweep.standings[cohort] for half in halves])
        if done == len(plan.cohorts) - 1:
            for half in halves:
                half.sweep.read_memory()
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


def _conclude(half: _Half, stopped_by: str, started: float) -> Written:
    time = {**half.sweep.time, "import_s": half.import_s, "total_s": read_clock() - started}
    return conclude(half.journal, stopped_by, time, None, keep=True)


@contextlib.contextmanager
def _kept(halves: Sequence[_Half]) -> Iterator[None]:
    """Whatever ends the block, the journals stay, and the error names them."""
    try:
        yield
    except (GroupedBenchError, KeyboardInterrupt) as error:
        if not any(read_journal(half.journal.path)[1] for half in halves):
            for half in halves:
                half.journal.remove()
            raise
        told = error if isinstance(error, GroupedBenchError) else None
        journals = " ".join(str(half.journal.path) for half in halves)
        raise CutShortError(
            told.rule if told else "A comparison must end before it is judged",
            received=told.received if told else "an interrupt",
            remedy=f"Compare what was measured with `grouped-bench compare {journals}`, or measure again",
        ) from None
