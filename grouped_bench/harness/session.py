"""One session: the machine held for a request, hosts of each interpreter, and runs from journal to Parquet file."""

import contextlib
import dataclasses
import datetime
import functools
import json
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grouped_bench.analyse.environment.differences import differences, unread_variables
from grouped_bench.errors import CutShortError, GroupedBenchError, RunError, shown
from grouped_bench.harness.facts.header import make_header
from grouped_bench.harness.inspect.explain import Explainer
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes.interrupts import interrupts
from grouped_bench.harness.processes.peaks import best_of, read_peaks
from grouped_bench.harness.processes.probing import Hosts, Probe, hosts_of, probed
from grouped_bench.harness.processes.slots import VISITS_A_PROCESS
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.record import RESUMED, Written, frame_of, measured, metadata_of
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import SPENT, Visitor
from grouped_bench.measure.machine.disturbance import processors
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.files.object_store import Location
from grouped_bench.store.journal import SUFFIX, Journal, read_journal, resume_command
from grouped_bench.store.runs import as_written, check_writable, write_run
from grouped_bench.units import counted

# From a run's tasks and the number of each's cohort to looks at some of them.
Looks = Callable[[pd.DataFrame, list[int]], Iterable[Json]]


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """One interpreter that measures: its hosts, and what was found on them."""

    hosts: Hosts
    probes: dict[HostKey, Probe]

    @property
    def import_s(self) -> float:
        """Seconds in which its backends were imported."""
        return sum(host.import_s for host in self.hosts.values())


@dataclasses.dataclass(frozen=True)
class Session:
    """The machine, held for one request: `began` is the reading of the clock when nothing else measured any more."""

    request: RunRequest
    progress: Progress
    sides: tuple[Interpreter, ...]
    began: float

    @property
    def side(self) -> Interpreter:
        """The one interpreter of a session that has no other."""
        (side,) = self.sides
        return side

    def header(self, side: Interpreter) -> Json:
        """What is known of a side's run before its first visit."""
        return make_header(self.request, side.probes)

    def sweep(
        self, side: Interpreter, journal: Journal, visits_a_process: int = VISITS_A_PROCESS, **more: Any
    ) -> Sweep:
        """The sweep of a side, whose records go to `journal`."""
        asked = self.request
        return Sweep(
            asked.plan, asked.control, visitors=[Visitor(side.hosts, asked.control, visits_a_process)],
            keep=journal.append, progress=self.progress, seed=asked.seed, memory=asked.memory,
            memory_at_once=len(processors()), force=asked.force, **{"started": self.began, **more},
        )  # fmt: skip


@contextlib.contextmanager
def opened(request: RunRequest, pythons: Sequence[str] = (sys.executable,)) -> Iterator[Session]:
    """A session: progress, the machine's lock, and hosts of each interpreter, which end with the block.

    Args:
        request: what is asked for.
        pythons: paths of the interpreters that measure, the one at hand unless given.

    Raises:
        UnavailableError: a device is not there, or another run is measuring.
        HostError: a backend cannot start.
    """
    with Progress(request.quiet) as progress, alone(progress.tell, wait=request.wait), contextlib.ExitStack() as stack:
        began = read_clock()  # no wait for another run counts
        plan, control = request.plan, request.control
        hosts = [stack.enter_context(hosts_of(plan, control, request.files, progress, python)) for python in pythons]
        sides = tuple(Interpreter(running, probed(plan, control, running)) for running in hosts)
        yield Session(request, progress, sides, began)


def carry_out(request: RunRequest) -> Written:
    """Measure what is asked for, and return the run as its file holds it.

    Raises:
        OutputError: the folder cannot be written.
        UnavailableError: a device is not there, or another run is measuring.
        HostError: a backend cannot start.
        CutShortError: the run ended before its file was written; its journal keeps what was measured. After the
            others nothing was written.
    """
    name = new_name()
    check_writable(request.out)
    with opened(request) as session:
        header = {**name, **session.header(session.side)}
        peaks, peaks_s = _peaks(session)
        journal = new_journal(request.out, {**header, "peaks": peaks})
        return _measured(session, journal, (), peaks_s)


def go_on(path: Path, header: Json, records: Sequence[Json], torn: bool, request: RunRequest) -> Written:
    """Go on with a run, and return it as its file holds it.

    Args:
        path: of its journal.
        header, records, torn: what the journal holds, and whether its last record was torn.
        request: what the run was asked for.

    Raises:
        RunError: the run was made in another environment.
        CutShortError, and the others of `carry_out`.
    """
    with opened(request) as session:
        check_same(header, session.header(session.side))
        journal = Journal.reopen(path, header)
        journal.append({"kind": RESUMED, "at": spent(records), "torn": torn})
        return _measured(session, journal, measured(records), 0.0)


def new_name() -> dict[str, str]:
    """Id and beginning of a run that begins now."""
    began = datetime.datetime.now(datetime.UTC)
    return {"run_id": f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", "started_at": began.isoformat()}


def new_journal(out: Path, header: Json) -> Journal:
    """The journal of a new run under the folder `out`. Raises OutputError."""
    return Journal(out / header["machine"] / f"{header['run_id']}{SUFFIX}", header)


def _peaks(session: Session) -> tuple[list[Json], float]:
    """The machine's peaks where they are asked for, and the seconds that they took."""
    opening, asked = read_clock(), session.request
    found = read_peaks(asked.plan, session.side.hosts, asked.control) if asked.peaks else []
    return found, read_clock() - opening


def _measured(session: Session, journal: Journal, records: Sequence[Json], peaks_s: float) -> Written:
    """The run of a session with one side, whose journal holds `records` already."""
    asked, side = session.request, session.side
    for sentence in unread_variables(journal.header):
        session.progress.tell(sentence)
    # MemoryOrder of the clock when the run began, had it been made in one part.
    started = session.began - spent(records)
    with kept(journal, asked.named_out), interrupts() as stop:
        if records and not asked.quiet:
            session.progress.tell(f"resuming after {counted(len(records), 'record')}")
        sweep = session.sweep(side, journal, started=started, stop=stop, recalled=records)
        del records
        stopped_by = sweep.run()
        time = sweep.time | {"import_s": side.import_s, "peaks_s": peaks_s, "total_s": read_clock() - started}
        del sweep  # what it keeps of every visit stands in the journal
        explainer = Explainer(side.hosts, asked.control, asked.seed, journal.header.get("peaks", ()))
        looks = functools.partial(explainer.ends, asked.plan.cohorts, stop=stop)
        # Once more, since the machine may have been busy; not where the budget is spent.
        again = _peaks(session)[0] if stopped_by not in ("budget", "user") else []
        peaks = best_of([*(journal.header.get("peaks") or ()), *again])
        keep = asked.store is not None  # until it is uploaded
        return conclude(journal, stopped_by, time, looks if asked.explain else None, keep=keep, peaks=peaks)


def spent(records: Sequence[Json]) -> float:
    """Seconds that a run with these records had taken."""
    return max((float(record["at"]) for record in records), default=0.0)


def conclude(
    journal: Journal,
    stopped_by: str,
    time: dict[str, float],
    looks: Looks | None,
    *,
    keep: bool = False,
    peaks: Sequence[Json] = (),
    facts: Facts | None = None,
) -> Written:
    """Write the Parquet file of a run that has ended, and remove its journal unless the run can be resumed.

    Args:
        journal: the run's records.
        stopped_by: what ended the sweep; after `user` the run can be resumed.
        time: seconds by what they were spent on, and `total_s` for the whole run.
        looks: explains some of the tasks; None explains none.
        keep: whether the journal stays in any case.
        peaks: of the machine, which take the place of those of the journal.
        facts: run-wide ones besides those of the journal.

    Raises:
        OutputError: the file cannot be written.
        KeyboardInterrupt: the user ended the run before its first record.
    """
    header, records, _ = read_journal(journal.path)
    header |= {"peaks": list(peaks)} if peaks else {}
    if stopped_by == "user" and not records:
        raise KeyboardInterrupt
    spent = {name: time.get(name, 0.0) for name in ("total_s", "import_s", "peaks_s", *SPENT)}
    spent["other_s"] = 2 * spent["total_s"] - sum(spent.values())
    metadata = metadata_of(header, records, stopped_by) | {"time": spent, **(facts or {})}
    frame = frame_of(header, records, stopped_by)
    if looks is not None and stopped_by != "user":
        began = read_clock()
        metadata["explanations"] = list(looks(frame, [task["cohort"] for task in header["tasks"]]))
        spent["explain_s"] = read_clock() - began
        spent["total_s"] += spent["explain_s"]
    del records
    path = write_run(frame, metadata, journal.path.with_suffix(".parquet"))
    # Before the journal goes: until a run is returned, what cuts it short is to name something that is there.
    written = Written(*as_written(frame, json.loads(json.dumps(metadata)), path), path)
    if stopped_by != "user" and not keep:
        journal.remove()
    return written


@contextlib.contextmanager
def kept(journal: Journal, out: Location) -> Iterator[None]:
    """Whatever ends the block, the journal stays, and the error says how to go on; one without a record goes."""
    try:
        yield
    except (GroupedBenchError, KeyboardInterrupt) as error:
        if not read_journal(journal.path)[1]:
            journal.remove()
            raise
        told = error if isinstance(error, GroupedBenchError) else None
        raise CutShortError(
            told.rule if told else "A run must end before it is written",
            received=told.received if told else "an interrupt",
            remedy=f"{'Correct that, then resume' if told else 'Resume'} with `{resume_command(journal.path, out)}`",
        ) from None
    finally:
        journal.close()


def check_same(earlier: Json, now: Json) -> None:
    """Refuse to resume in another environment: one run would mix figures of two."""
    certain = [one for one in differences([earlier, now]) if one.is_certain]
    if certain:
        before, after = (shown(str(value), 40) for value in certain[0].values)
        raise RunError(
            "A run must be resumed in the environment in which it began",
            received=f"{certain[0].fact}: {before} then, {after} now",
            remedy="Restore it, or start a new run",
        )
