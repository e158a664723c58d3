"""Hosts of a plan, and what is found on them: devices, facts of the backends, versions of libraries."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from grouped_bench.errors import UnavailableError
from grouped_bench.harness.hosts import Host
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.workers import Limits, TaskFailedError, Worker
from grouped_bench.measure import environment
from grouped_bench.plan import Plan
from grouped_bench.space.axes import Control

# Whatever a task may take, a device that wakes up may take so long.
_PROBE_S = 60.0
# What every answer of a worker tells besides.
_CLOCKS = ("seconds", "start_s")


@dataclasses.dataclass(frozen=True)
class Probe:
    """What workers found on a host: models of the devices by name, facts of the backend, versions, what is in force."""

    devices: dict[str, str]
    facts: dict[str, Any]
    libraries: dict[str, str]
    python: str
    in_force: dict[str, Any] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def hosts_of(
    plan: Plan, control: Control, files: Sequence[str], progress: Progress, python: str = sys.executable
) -> Iterator[dict[str, Host]]:
    """A host for each backend of the plan, in the interpreter `python`. Raises HostError where one cannot start."""
    hosts: dict[str, Host] = {}
    try:
        for name in dict.fromkeys(cohort.setting.backend for cohort in plan.cohorts):
            progress.say(f"starting {name}")
            hosts[name] = Host(name, files, threads=control.threads, tf32=control.tf32, python=python)
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
    devices = {device["name"]: device["model"] for device in answer["devices"]}
    return Probe(devices, answer["facts"], answer["libraries"], answer["python"], _in_force(host, control))


def _in_force(host: Host, control: Control) -> dict[str, Any]:
    """What a worker of the host really uses; under `failed` why it cannot be told, as where XLA refuses its flags."""
    worker: Worker = host.fork(Limits(max(control.task_timeout, _PROBE_S)))
    try:
        answer = worker.ask({"op": "in_force", "variants": ["probe"]})
    except TaskFailedError as failure:
        return {"failed": environment.without_paths(failure.reason)}
    worker.close()
    if "status" in answer:
        return {"failed": environment.without_paths(answer["reason"])}
    flags = {name: environment.without_paths(value) for name, value in answer["flags"].items()}
    return {**{name: value for name, value in answer.items() if name not in _CLOCKS}, "flags": flags}


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
