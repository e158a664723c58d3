"""One run from its plan to its Parquet file: lock, hosts, devices, sweep, record; and one that is gone on with."""

import contextlib
import datetime
import functools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from grouped_bench.analyse.environment.differences import differences, unread_variables
from grouped_bench.errors import CutShortError, GroupedBenchError, RunError, shown
from grouped_bench.harness.header import make_header
from grouped_bench.harness.inspect.explain import Explainer
from grouped_bench.harness.interrupts import interrupts
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes.peaks import Peak, read_peaks
from grouped_bench.harness.processes.probing import hosts_of, probed
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.record import RESUMED, frame_of, measured, metadata_of
from grouped_bench.harness.request import Order
from grouped_bench.harness.sweep.sweep import SPENT, Sweep
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json
from grouped_bench.store.journal import SUFFIX, Journal, read_journal, resume_command
from grouped_bench.store.records import read_checked
from grouped_bench.store.runs import check_writable, write_run
from grouped_bench.units import counted

# From a run's tasks and the number of each's cohort to looks at some of them.
Looks = Callable[[pd.DataFrame, list[int]], Iterable[Json]]
# The journal of a run, new or gone on with, and the records that it holds already; given the run's header, and what
# reads the machine's peaks.
Opened = Callable[[Json, Callable[[], list[Peak]]], tuple[Journal, list[Json]]]


def carry_out(order: Order) -> Path:
    """Measure what `order` asks and return the path of the run's file.

    Raises:
        OutputError: the folder cannot be written.
        UnavailableError: a device is not there, or another run is measuring.
        HostError: a backend cannot start.
        CutShortError: the run ended before its file was written; its journal keeps what was measured. After the
            others nothing was written.
    """
    name = new_name()
    check_writable(order.out)

    def begin(header: Json, peaks: Callable[[], list[Peak]]) -> tuple[Journal, list[Json]]:
        return new_journal(order.out, {**name, **header, "peaks": peaks()}), []

    return _measure(order, begin)


def new_name() -> dict[str, str]:
    """Id and beginning of a run that begins now."""
    began = datetime.datetime.now(datetime.UTC)
    return {"run_id": f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", "started_at": began.isoformat()}


def new_journal(out: Path, header: Json) -> Journal:
    """The journal of a new run under the folder `out`. Raises OutputError."""
    return Journal(out / header["machine"] / f"{header['run_id']}{SUFFIX}", header)


def go_on(path: Path, order: Order) -> Path:
    """Go on with the run whose journal is at `path`, and return the path of its file.

    Raises:
        RunError: not a journal that can be read, or its run was made in another environment.
        CutShortError, and the others of `carry_out`.
    """

    def reopen(header: Json, peaks: Callable[[], list[Peak]]) -> tuple[Journal, list[Json]]:
        earlier, records, torn = read_checked(path)
        _check_same(earlier, header)
        journal = Journal.reopen(path, earlier)
        journal.append({"kind": RESUMED, "at": _spent(records), "torn": torn})
        return journal, measured(records)

    return _measure(order, reopen)


def _measure(order: Order, open_journal: Opened) -> Path:
    """The run's file."""
    with Progress(order.quiet) as progress, alone(progress.tell, wait=order.wait):
        began = read_clock()  # no wait for another run counts
        with hosts_of(order.plan, order.control, order.files, progress) as hosts:
            probes = probed(order.plan, order.control, hosts)
            header, opening = make_header(order, probes), read_clock()
            for sentence in unread_variables(header):
                progress.tell(sentence)
            journal, records = open_journal(
                header, lambda: read_peaks(order.plan, hosts, order.control) if order.peaks else []
            )
            spent = {"import_s": sum(host.import_s for host in hosts.values()), "peaks_s": read_clock() - opening}
            # Reading of the clock when the run began, had it been made in one part.
            started = began - _spent(records)
            with kept(journal, order.out), interrupts() as stop:
                if records and not order.quiet:
                    progress.tell(f"resuming after {counted(len(records), 'record')}")
                sweep = Sweep(
                    order.plan, order.control, hosts=hosts, keep=journal.append, progress=progress, seed=order.seed,
                    memory=order.memory, started=started, force=order.force, stop=stop, recalled=records,
                )  # fmt: skip
                del records
                stopped_by = sweep.run()
                time = sweep.time | {**spent, "total_s": read_clock() - started}
                del sweep  # what it keeps of every visit stands in the journal
                explainer = Explainer(hosts, order.control, order.seed, journal.header.get("peaks", ()))
                looks = functools.partial(explainer.ends, order.plan.cohorts, stop=stop)
                return conclude(journal, stopped_by, time, looks if order.explain else None)


def _spent(records: Sequence[Json]) -> float:
    """Seconds that a run with these records had taken."""
    return max((float(record["at"]) for record in records), default=0.0)


def conclude(
    journal: Journal, stopped_by: str, time: dict[str, float], looks: Looks | None, *, keep: bool = False
) -> Path:
    """Write the file of a run that has ended, from its journal, which goes unless the user may go on, or `keep`."""
    header, records, _ = read_journal(journal.path)
    if stopped_by == "user" and not records:
        raise KeyboardInterrupt
    spent = {name: time.get(name, 0.0) for name in ("total_s", "import_s", "peaks_s", *SPENT)}
    spent["other_s"] = 2 * spent["total_s"] - sum(spent.values())
    metadata = metadata_of(header, records, stopped_by) | {"time": spent}
    frame = frame_of(header, records, stopped_by)
    if looks is not None and stopped_by != "user":
        began = read_clock()
        metadata["explanations"] = list(looks(frame, [task["cohort"] for task in header["tasks"]]))
        spent["explain_s"] = read_clock() - began
        spent["total_s"] += spent["explain_s"]
    del records
    path = write_run(frame, metadata, journal.path.with_suffix(".parquet"))
    if stopped_by != "user" and not keep:
        journal.remove()
    return path


@contextlib.contextmanager
def kept(journal: Journal, out: Path) -> Iterator[None]:
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


def _check_same(earlier: Json, now: Json) -> None:
    """Refuse to resume in another environment: one run would mix figures of two."""
    certain = [one for one in differences([earlier, now]) if one.is_certain]
    if certain:
        before, after = (shown(str(value), 40) for value in certain[0].values)
        raise RunError(
            "A run must be resumed in the environment in which it began",
            received=f"{certain[0].fact}: {before} then, {after} now",
            remedy="Restore it, or start a new run",
        )
