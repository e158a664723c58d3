"""Hosts of a plan, and what is found on them: devices, facts of the backends, versions of libraries."""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from grouped_bench.errors import HostError, UnavailableError
from grouped_bench.harness.plan import Plan
from grouped_bench.harness.processes.hosts import Host, RefusedHost
from grouped_bench.harness.processes.workers import Limits, TaskFailedError, Worker
from grouped_bench.harness.progress import Progress
from grouped_bench.measure.machine import environment
from grouped_bench.space import variables
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Facts, Json

# Whatever a task may take, a device that wakes up may take so long.
_PROBE_S = 60.0
_POINTER_BYTES = 8
# What every answer of a worker holds besides.
_CLOCKS = ("seconds", "start_s")


Hosts = dict[HostKey, Host | RefusedHost]


@dataclasses.dataclass(frozen=True)
class Probe:
    """What workers found on a host: models of the devices by name, facts of the backend, versions, what is in force.

    `unread` names the variables of its environment that nothing there reads.
    """

    devices: dict[str, str]
    facts: Facts
    libraries: dict[str, str]
    python: str
    version: str
    in_force: Json = dataclasses.field(default_factory=dict)
    unread: tuple[str, ...] = ()


@contextlib.contextmanager
def hosts_of(
    plan: Plan, control: Control, files: Sequence[str], progress: Progress, python: str = sys.executable
) -> Iterator[Hosts]:
    """A host for each backend and environment of the plan; all end with the block.

    A host that cannot start with its environment values is replaced by a RefusedHost.

    Args:
        plan: whose settings need hosts.
        control: whether TF32 is on.
        files: Python files that register variants, imported by every host.
        progress: shows which host is starting.
        python: path of the interpreter.

    Raises:
        HostError: a host cannot start without environment values, or none can start.
    """
    hosts: Hosts = {}
    keys = list(dict.fromkeys(cohort.setting.host for cohort in plan.cohorts))
    padding = _paddings(keys)
    refusals: list[HostError] = []
    try:
        for key in keys:
            progress.say(f"starting {key.title()}")
            try:
                hosts[key] = Host(
                    key.backend, files, env=key.env, padding=padding[key], threads=key.threads, tf32=control.tf32,
                    python=python,
                )  # fmt: skip
            except HostError as error:
                refusals.append(error)
                if key.env is None or len(refusals) == len(keys):
                    raise
                hosts[key] = RefusedHost(_no_start(key, error.received))
        yield hosts
    finally:
        for host in hosts.values():
            host.close()


def probe_backend(name: str) -> Probe:
    """Devices and facts of the backend `name`, asked in a process of its own."""
    host = Host(name)
    try:
        return probe_host(host)
    finally:
        host.close()


def probed(plan: Plan, control: Control, hosts: Hosts) -> dict[HostKey, Probe]:
    """What each host finds.

    Args:
        plan: whose devices must be there.
        control: its task timeout, raised to _PROBE_S, is what a worker may take.
        hosts: changed: a host that finds no device with its environment values is replaced by a RefusedHost.

    Raises:
        UnavailableError: a device of the plan is not there, or no host can be asked.
    """
    probes: dict[HostKey, Probe] = {}
    refusal: UnavailableError | None = None
    for key, host in list(hosts.items()):
        if isinstance(host, RefusedHost):
            continue
        try:
            # What a library mentions is asked once of each backend, since it takes seconds.
            names = [] if key.backend in {asked.backend for asked in probes} else _named(hosts, key.backend)
            probes[key] = probe_host(host, max(control.task_timeout, _PROBE_S), names)
            _check_devices(plan, key, probes[key])
        except UnavailableError as error:
            if key.env is None:
                raise
            refusal = error
            probes.pop(key, None)
            host.close()
            hosts[key] = RefusedHost(_no_start(key, error.received))
    if refusal is not None and not probes:
        raise refusal
    return probes


def _named(hosts: Hosts, backend: str) -> list[str]:
    """Variables that some environment of the backend gives a value."""
    return list(dict.fromkeys(name for key in hosts if key.backend == backend for name in variables.parsed(key.env)))


def probe_host(host: Host, seconds: float = _PROBE_S, names: Sequence[str] = ()) -> Probe:
    """What a worker of the host finds within `seconds` of silence; of the variables `names` also which are not read.

    Raises UnavailableError where it cannot list its devices.
    """
    worker: Worker = host.fork(Limits(seconds))
    try:
        answer = worker.ask({"op": "probe", "variants": ["probe"], "variables": list(names)})
    except TaskFailedError as failure:
        raise UnavailableError(
            "A backend must list its devices", received=failure.reason, remedy="Repair its installation"
        ) from None
    worker.close()
    devices = {device["name"]: device["model"] for device in answer["devices"]}
    return Probe(
        devices=devices,
        facts=answer["facts"],
        libraries=answer["libraries"],
        python=answer["python"],
        version=host.version,
        in_force=_in_force(host, seconds),
        unread=tuple(answer.get("unread", ())),
    )


def _in_force(host: Host, seconds: float) -> Json:
    """What a worker of the host really uses, as `told_in_force` says."""
    worker: Worker = host.fork(Limits(seconds))
    found = told_in_force(lambda: worker.ask({"op": "in_force", "variants": ["probe"]}))
    worker.close()
    return found


def told_in_force(ask: Callable[[], Json]) -> Json:
    """What a process answers that it really uses; under `failed` why that is unknown, as where XLA refuses its flags.

    Args:
        ask: asks a process that has computed nothing. May raise TaskFailedError.
    """
    try:
        answer = ask()
    except TaskFailedError as failure:
        return {"failed": environment.without_paths(failure.reason)}
    if "status" in answer:
        return {"failed": environment.without_paths(answer["reason"])}
    flags = {name: environment.without_paths(value) for name, value in answer["flags"].items()}
    return {**{name: value for name, value in answer.items() if name not in _CLOCKS}, "flags": flags}


def _check_devices(plan: Plan, key: HostKey, probe: Probe) -> None:
    for device in dict.fromkeys(cohort.setting.device for cohort in plan.cohorts if cohort.setting.host == key):
        if full_name(device) not in probe.devices:
            there = ", ".join(sorted(probe.devices)) or "none"
            raise UnavailableError(
                f"A device must be available to the backend {key.backend}",
                received=device,
                remedy=f"Use one of {there}, or install a build that supports the device",
            )


def _no_start(key: HostKey, received: object) -> str:
    return f"{key.backend} does not start with {key.env}: {received}"


def _paddings(keys: Sequence[HostKey]) -> dict[HostKey, int]:
    """Bytes by which each host's environment is made longer, so that all are equally long: length moves timings."""
    lengths = {key: _length(variables.applied(os.environ, key.env)) for key in keys}
    longest = max(lengths.values())
    padded = min(lengths.values()) < longest
    return {key: longest - length + padded for key, length in lengths.items()}


def _length(environment: dict[str, str]) -> int:
    """Bytes of the environment as a process is given it: `NAME=value`, each with an end and a pointer."""
    return sum(len(os.fsencode(f"{name}={value}")) + 1 + _POINTER_BYTES for name, value in environment.items())


def full_name(device: str) -> str:
    """`gpu` as `gpu:0`."""
    return device if ":" in device else f"{device}:0"
