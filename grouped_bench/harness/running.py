"""One run from its plan to its Parquet file: hosts, devices, sweep, rows."""

import contextlib
import dataclasses
import datetime
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from grouped_bench import __version__
from grouped_bench.analyse.stats import FAMILY_ALPHA, PAIR_ALPHA
from grouped_bench.analyse.tasks import derive
from grouped_bench.errors import UnavailableError
from grouped_bench.harness.hosts import Host, TaskFailedError, Worker
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep import Sweep
from grouped_bench.measure import environment
from grouped_bench.measure.rounds import read_clock
from grouped_bench.plan import Plan
from grouped_bench.space.axes import Control
from grouped_bench.store.journal import SUFFIX, Journal
from grouped_bench.store.rows import make_rows
from grouped_bench.store.runs import check_writable, write_run
from grouped_bench.store.schema import NAMES, SCHEMA_VERSION

_UNREACHED = {
    "budget": "the budget ended before its first visit",
    "user": "interrupted by the user before its first visit",
}


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


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a worker found on a host: models of the devices by name, and facts of the backend."""

    devices: dict[str, str]
    facts: dict[str, Any]


def carry_out(order: Order) -> Path:
    """Measure what `order` asks and return the path of the run's file.

    Raises:
        OutputError: the folder cannot be written, or the disk refused a record; the journal keeps what it has.
        UnavailableError: a device is not there. Nothing was written.
        HostError: a backend cannot start or has died; the journal keeps what was measured.
    """
    started, began = read_clock(), datetime.datetime.now(datetime.UTC)
    machine = environment.machine_slug()
    run_id = f"{began:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    path = order.out / machine / f"{run_id}.parquet"
    check_writable(path.parent)
    with Progress(order.quiet) as progress, _hosts(order, progress) as hosts:
        probes = {name: _probe(host, order.control) for name, host in hosts.items()}
        _check_devices(order.plan, probes)
        metadata = _metadata(order, run_id, machine, began, probes)
        journal = Journal(path.with_suffix(SUFFIX), {**metadata, "tasks": order.plan.to_columns()})
        sweep = Sweep(
            order.plan, order.control, hosts=hosts, keep=journal.append, progress=progress,
            seed=order.seed, memory=order.memory, started=started,
        )  # fmt: skip
        stopped_by = sweep.run()
        spent = _time_spent(sweep, sum(host.import_s for host in hosts.values()), read_clock() - started)
        shared = {
            name: {"run_id": run_id, "machine": machine, "started_at": began, "backend_version": host.version}
            for name, host in hosts.items()
        }
    rows = make_rows(order.plan, sweep.records, shared, _UNREACHED.get(stopped_by, "not reached"))
    for row in rows:
        row["device_name"] = _device_model(row["device"], probes[row["backend"]])
    frame = derive(pd.DataFrame(rows, columns=list(NAMES), dtype=object), order.control.margin)
    write_run(frame, {**metadata, "stopped_by": stopped_by, "finished": stopped_by != "user", "time": spent}, path)
    journal.remove()
    return path


@contextlib.contextmanager
def _hosts(order: Order, progress: Progress) -> Iterator[dict[str, Host]]:
    hosts: dict[str, Host] = {}
    try:
        for name in dict.fromkeys(cohort.setting.backend for cohort in order.plan.cohorts):
            progress.say(f"starting {name}")
            hosts[name] = Host(name, order.files, threads=order.control.threads)
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


def _probe(host: Host, control: Control) -> Probe:
    worker: Worker = host.fork(control.task_timeout)
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


def _device_model(device: str, probe: Probe) -> str:
    return probe.devices[full_name(device)] or environment.processor_model()


def _metadata(
    order: Order, run_id: str, machine: str, began: datetime.datetime, probes: dict[str, Probe]
) -> dict[str, Any]:
    facts = {name: probe.facts for name, probe in probes.items()}
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "run_id": run_id,
        "machine": machine,
        "started_at": began.isoformat(),
        "space": order.space,
        "control": {**order.control.model_dump(), "alpha": FAMILY_ALPHA, "pair_alpha": PAIR_ALPHA},
        "seed": order.seed,
        "environment": {**environment.describe(order.command), "backend": facts},
        "skipped": [skip.to_columns() for skip in order.plan.skipped],
    }


def _time_spent(sweep: Sweep, import_s: float, total_s: float) -> dict[str, float]:
    """Where the time went, in seconds: import, workers' starts, first calls, checks, warm-up, samples, memory, rest."""
    names = ("start_s", "first_calls_s", "verify_s", "warm_up_s", "samples_s", "memory_s")
    spent = {"import_s": import_s} | {name: sweep.time[name] for name in names}
    return {"total_s": total_s, **spent, "other_s": total_s - sum(spent.values())}
