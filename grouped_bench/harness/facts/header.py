"""What is known of a run before its first visit."""

import json

from grouped_bench import __version__
from grouped_bench.analyse.statistics.derive import RULES
from grouped_bench.analyse.statistics.stats import FALSE_COVERAGE
from grouped_bench.harness.facts.commit import read_commit
from grouped_bench.harness.plan import Cohort, Plan
from grouped_bench.harness.processes.identification import header_facts
from grouped_bench.harness.processes.probing import Probe, full_name
from grouped_bench.harness.request import RunRequest
from grouped_bench.measure.machine import environment, gpu
from grouped_bench.space.case import HostKey, Setting
from grouped_bench.space.facts import Json
from grouped_bench.store.schema import SCHEMA_VERSION
from grouped_bench.variants.plugins import digests


def make_header(request: RunRequest, probes: dict[HostKey, Probe]) -> Json:
    """What is known of a run before its first visit, but for its name and its beginning."""
    found = environment.describe(request.command)
    # Those of the interpreter that measures, which need not be this one; all hosts of a run have the same.
    measuring = next(iter(probes.values()))
    # Of the first environment that a backend started in; what holds in each stands in the tasks.
    by_backend = {key.backend: probe for key, probe in reversed(probes.items())}
    found["libraries"], found["system"]["python"] = measuring.libraries, measuring.python
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        **header_facts(request.plan, by_backend, found),
        "space": request.space,
        "control": {**request.control.model_dump(), RULES: FALSE_COVERAGE},
        "seed": request.seed,
        "commit": read_commit(),  # not of the environment, in which runs of two commits do not differ
        "environment": {
            **found,
            "gpus": _gpus(request.plan),
            "backend": {name: probe.facts for name, probe in by_backend.items()},
            "in_force": {name: probe.in_force for name, probe in by_backend.items()},
            **_unread(probes),
            "imports": digests(request.files),
        },
        "skipped": [skip.to_columns() for skip in request.plan.skipped],
        "tasks": [{**task, **_backend_columns(task, probes)} for task in request.plan.numbered()],
        "order": request.recorded,
    }


def _unread(probes: dict[HostKey, Probe]) -> Json:
    """Variables of the environments that a backend does not read, by backend; no key where there are none."""
    found: dict[str, list[str]] = {}
    for key, probe in probes.items():
        known = found.setdefault(key.backend, [])
        known += [name for name in probe.unread if name not in known]
    told = {backend: names for backend, names in found.items() if names}
    return {"unread": told} if told else {}


def _gpus(plan: Plan) -> Json:
    """What is known of each GPU that computes, by its name in options."""
    names = dict.fromkeys(full_name(c.setting.device) for c in plan.cohorts if _on_gpu(c))
    return {name: gpu.facts(name) for name in names}


def _on_gpu(cohort: Cohort) -> bool:
    return cohort.setting.device.startswith("gpu")


def _backend_columns(task: Json, probes: dict[HostKey, Probe]) -> Json:
    key, device = Setting.from_columns(task).host, full_name(task["device"])
    # A host that could not start has what another one of its backend has, or of any: what is installed is the same.
    alike = [probe for other, probe in probes.items() if other.backend == key.backend]
    probe = probes.get(key) or next(iter([*alike, *probes.values()]))
    model = probe.devices.get(device) or environment.processor_model()
    version = probe.version if alike else probe.libraries.get(key.backend, "unknown")
    in_force = json.dumps(probes[key].in_force, sort_keys=True) if key in probes else None
    return {"backend_version": version, "device_name": model, "in_force": in_force}
