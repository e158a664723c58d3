"""One run from its plan to its Parquet file: lock, hosts, devices, sweep, record; and one that is gone on with."""

import contextlib
import dataclasses
import datetime
import functools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from grouped_bench import __version__
from grouped_bench.analyse.environments import differences
from grouped_bench.analyse.stats import FAMILY_ALPHA, PAIR_ALPHA
from grouped_bench.errors import CutShortError, GroupedBenchError, RunError, UnavailableError, shown
from grouped_bench.harness.explain import Explainer, Look
from grouped_bench.harness.hosts import Host
from grouped_bench.harness.interrupts import interrupts
from grouped_bench.harness.lock import alone
from grouped_bench.harness.peaks import Peak, read_peaks
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.record import RESUMED, frame_of, measured, metadata_of
from grouped_bench.harness.sweep import SPENT, Sweep
from grouped_bench.harness.workers import Limits, TaskFailedError, Worker
from grouped_bench.measure import environment, gpu
from grouped_bench.measure.rounds import read_clock
from grouped_bench.plan import Cohort, Plan
from grouped_bench.space.axes import Control
from grouped_bench.store.journal import SUFFIX, Journal, Record, read_journal, resume_command
from grouped_bench.store.records import read_checked
from grouped_bench.store.runs import check_writable, write_run
from grouped_bench.store.schema import SCHEMA_VERSION
from grouped_bench.variants.own import digests

# From a run's tasks and the number of each's cohort to looks at some of them.
Looks = Callable[[pd.DataFrame, list[int]], Iterable[Look]]
# Whatever a task may take, a device that wakes up may take so long.
_PROBE_S = 60.0
# The journal of a run, new or gone on with, and the records that it holds already; given the run's header, and what
# reads the machine's peaks.
Opened = Callable[[Record, Callable[[], list[Peak]]], tuple[Journal, list[Record]]]


@dataclasses.dataclass(frozen=True)
class Order:
    """What a run was asked to do."""

    plan: Plan
    control: Control
    space: dict[str, Any]
    out: Path
    seed: int
    memory: bool
    quiet: bool
    command: list[str]
    files: tuple[str, ...] = ()
    force: bool = False
    wait: bool = False
    peaks: bool = True
    explain: bool = False


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a worker found on a host: models of the devices by name, and facts of the backend."""

    devices: dict[str, str]
    facts: dict[str, Any]


def carry_out(order: Order) -> Path:
    """Measure what `order` asks and return the path of the run's file.

    Raises:
        OutputError: the folder cannot be written.
        UnavailableError: a device is not there, or another run is measuring.
        HostError: a backend cannot start.
        CutShortError: the run ended before its file was written; its journal keeps what was measured. After the
            others nothing was written.
    """
    began = datetime.datetime.now(datetime.UTC)
    run_id = f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    check_writable(order.out)

    def begin(header: Record, peaks: Callable[[], list[Peak]]) -> tuple[Journal, list[Record]]:
        path = order.out / header["machine"] / f"{run_id}{SUFFIX}"
        return Journal(path, {"run_id": run_id, "started_at": began.isoformat(), **header, "peaks": peaks()}), []

    return _measure(order, begin)


def go_on(path: Path, order: Order) -> Path:
    """Go on with the run whose journal is at `path`, and return the path of its file.

    Raises:
        RunError: not a journal that can be read, or its run was made in another environment.
        CutShortError, and the others of `carry_out`.
    """

    def reopen(header: Record, peaks: Callable[[], list[Peak]]) -> tuple[Journal, list[Record]]:
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
            header, opening = _header(order, hosts, probes), read_clock()
            journal, records = open_journal(
                header, lambda: read_peaks(order.plan, hosts, order.control) if order.peaks else []
            )
            spent = {"import_s": sum(host.import_s for host in hosts.values()), "peaks_s": read_clock() - opening}
            # Reading of the clock when the run began, had it been made in one part.
            started = began - _spent(records)
            with _kept(journal, order.out), interrupts() as stop:
                if records and not order.quiet:
                    progress.tell(f"going on after {len(records)} records")
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
                return _conclude(journal, stopped_by, time, looks if order.explain else None)


def _spent(records: Sequence[Record]) -> float:
    """Seconds that a run with these records had taken."""
    return max((float(record["at"]) for record in records), default=0.0)


def _conclude(journal: Journal, stopped_by: str, time: dict[str, float], looks: Looks | None) -> Path:
    """Write the file of a run that has ended, from its journal, which goes unless the user may go on."""
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
    if stopped_by != "user":
        journal.remove()
    return path


@contextlib.contextmanager
def _kept(journal: Journal, out: Path) -> Iterator[None]:
    """Whatever ends the block, the journal stays, and the error says how to go on; one without a record goes."""
    try:
        yield
    except (GroupedBenchError, KeyboardInterrupt) as error:
        if not read_journal(journal.path)[1]:
            journal.remove()
            raise
        told = error if isinstance(error, GroupedBenchError) else None
        raise CutShortError(
            told.rule if told else "A run keeps what it has measured",
            received=told.received if told else "an interrupt",
            remedy=f"{'Mend that, then go' if told else 'Go'} on with `{resume_command(journal.path, out)}`",
        ) from None
    finally:
        journal.close()


def _check_same(earlier: Record, now: Record) -> None:
    """Refuse to go on in another environment: figures of two would stand in one run."""
    certain = [one for one in differences([earlier, now]) if one.is_certain]
    if certain:
        before, after = (shown(str(value), 40) for value in certain[0].values)
        raise RunError(
            "A run is resumed in the environment in which it began",
            received=f"{certain[0].fact}: {before} then, {after} now",
            remedy="Restore it, or start a new run",
        )


@contextlib.contextmanager
def hosts_of(plan: Plan, control: Control, files: Sequence[str], progress: Progress) -> Iterator[dict[str, Host]]:
    """A host for each backend of the plan. Raises HostError where one cannot start."""
    hosts: dict[str, Host] = {}
    try:
        for name in dict.fromkeys(cohort.setting.backend for cohort in plan.cohorts):
            progress.say(f"starting {name}")
            hosts[name] = Host(name, files, threads=control.threads, tf32=control.tf32)
        yield hosts
    finally:
        for host in hosts.values():
            host.close()


def probe_backend(name: str) -> Probe:
    """Devices and facts of the backend `name`, asked in a process of its own."""
    host = Host(name)
    try:
        return _probe(host, Control())
    finally:
        host.close()


def probed(plan: Plan, control: Control, hosts: dict[str, Host]) -> dict[str, Probe]:
    """What each host finds. Raises UnavailableError where a device of the plan is not there."""
    probes = {name: _probe(host, control) for name, host in hosts.items()}
    _check_devices(plan, probes)
    return probes


def _probe(host: Host, control: Control) -> Probe:
    worker: Worker = host.fork(Limits(max(control.task_timeout, _PROBE_S)))
    try:
        answer = worker.ask({"op": "probe", "variants": ["probe"]})
    except TaskFailedError as failure:
        raise UnavailableError(
            "A backend must be able to list its devices", received=failure.reason, remedy="Mend its installation"
        ) from None
    worker.close()
    return Probe({device["name"]: device["model"] for device in answer["devices"]}, answer["facts"])


def _check_devices(plan: Plan, probes: dict[str, Probe]) -> None:
    for cohort in plan.cohorts:
        there = probes[cohort.setting.backend].devices
        if full_name(cohort.setting.device) not in there:
            raise UnavailableError(
                f"A device must be there for the backend {cohort.setting.backend}",
                received=f"--device {cohort.setting.device}",
                remedy=f"Use one of {', '.join(sorted(there)) or 'none'}, or install a build that sees the device",
            )


def full_name(device: str) -> str:
    """`gpu` as `gpu:0`."""
    return device if ":" in device else f"{device}:0"


def _header(order: Order, hosts: dict[str, Host], probes: dict[str, Probe]) -> Record:
    """What is known of a run before its first visit, but for its name and its beginning."""
    facts = {name: probe.facts for name, probe in probes.items()}
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "machine": _machine(order.plan, probes),
        "space": order.space,
        "control": {**order.control.model_dump(), "alpha": FAMILY_ALPHA, "pair_alpha": PAIR_ALPHA},
        "seed": order.seed,
        "environment": {
            **environment.describe(order.command),
            "gpus": _gpus(order.plan),
            "backend": facts,
            "imports": digests(order.files),
        },
        "skipped": [skip.to_columns() for skip in order.plan.skipped],
        "tasks": [{**task, **_backend_columns(task, hosts, probes)} for task in order.plan.numbered()],
        "order": {name: getattr(order, name) for name in ("memory", "files", "force")},
    }


def _machine(plan: Plan, probes: dict[str, Probe]) -> str:
    """Slug of the GPU model and its count where GPUs alone compute, else of the processor."""
    used = [probes[c.setting.backend].devices[full_name(c.setting.device)] for c in plan.cohorts if _on_gpu(c)]
    if len(used) < len(plan.cohorts):
        return environment.machine_slug()
    there = {device: model for probe in probes.values() for device, model in probe.devices.items()}
    return environment.machine_slug(used[0], list(there.values()).count(used[0]))


def _gpus(plan: Plan) -> dict[str, Any]:
    """What is known of each GPU that computes, by its name in options."""
    names = dict.fromkeys(full_name(c.setting.device) for c in plan.cohorts if _on_gpu(c))
    return {name: gpu.facts(name) for name in names}


def _on_gpu(cohort: Cohort) -> bool:
    return cohort.setting.device.startswith("gpu")


def _backend_columns(task: Record, hosts: dict[str, Host], probes: dict[str, Probe]) -> Record:
    backend, device = task["backend"], full_name(task["device"])
    model = probes[backend].devices[device] or environment.processor_model()
    return {"backend_version": hosts[backend].version, "device_name": model}
