"""The machine that a run measures: the processor, or the GPUs where only GPUs are used."""

from collections.abc import Iterable, Mapping
from typing import Any

from grouped_bench.harness.plan import Plan
from grouped_bench.harness.processes.probing import Probe, full_name
from grouped_bench.measure.machine import gpu
from grouped_bench.space.facts import Json
from grouped_bench.store import identity
from grouped_bench.store.identity import Identity


def header_facts(plan: Plan, probes: Mapping[str, Probe], found: Mapping[str, Any]) -> Json:
    """`machine` and `identity` of a run of `plan` in the environment `found`; a plain name where too little is known.

    The identity is None then, so that nothing is taken for another run of this machine.
    """
    # A backend that could not start in any of its environments computes nowhere.
    settings = [cohort.setting for cohort in plan.cohorts if cohort.setting.backend in probes]
    used = [(setting.backend, full_name(setting.device)) for setting in settings]
    machine = machine_of(used, probes, found)
    if machine is not None:
        return {"machine": machine.slug, "identity": machine.to_facts()}
    model, count = _plain(used, probes, found)
    return {"machine": identity.plain_name(model, count), "identity": None}


def machine_of(
    used: Iterable[tuple[str, str]], probes: Mapping[str, Probe], found: Mapping[str, Any]
) -> Identity | None:
    """The machine that computes: the GPUs where only GPUs are used, else the processor; None where too little is known.

    Args:
        used: backend and full device name (`gpu:0`) of every setting.
        probes: what was found on a host of each backend.
        found: facts of the environment, as `environment.describe` returns them.
    """
    devices = list(used)
    if not _are_gpus(devices):
        return identity.of_processor(found)
    _, count = _plain(devices, probes, found)
    system = str(found["system"]["kernel"]).partition(" ")[0]
    return identity.of_gpu(gpu.facts(devices[0][1]), count, system)


def _plain(used: list[tuple[str, str]], probes: Mapping[str, Probe], found: Mapping[str, Any]) -> tuple[str, int]:
    """Model and count of what computes."""
    if not _are_gpus(used):
        processor = found["processor"]
        return processor["model"], processor["usable"] or processor["logical"] or 1
    backend, device = used[0]
    there = {name: model for probe in probes.values() for name, model in probe.devices.items()}
    model = probes[backend].devices[device]
    return model, list(there.values()).count(model)


def _are_gpus(used: list[tuple[str, str]]) -> bool:
    return all(device.startswith("gpu") for _, device in used)
