"""What is known of a run before its first visit."""

import json
from typing import Any

from grouped_bench import __version__
from grouped_bench.analyse.stats import FAMILY_ALPHA, PAIR_ALPHA
from grouped_bench.harness.commit import read_commit
from grouped_bench.harness.hosts import Host
from grouped_bench.harness.identification import header_facts
from grouped_bench.harness.order import Order
from grouped_bench.harness.probing import Probe, full_name
from grouped_bench.measure import environment, gpu
from grouped_bench.plan import Cohort, Plan
from grouped_bench.store.journal import Record
from grouped_bench.store.schema import SCHEMA_VERSION
from grouped_bench.variants.own import digests


def make_header(order: Order, hosts: dict[str, Host], probes: dict[str, Probe]) -> Record:
    """What is known of a run before its first visit, but for its name and its beginning."""
    found = environment.describe(order.command)
    # Those of the interpreter that measures, which need not be this one; all hosts of a run have the same.
    measuring = next(iter(probes.values()))
    found["libraries"], found["system"]["python"] = measuring.libraries, measuring.python
    return {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        **header_facts(order.plan, probes, found),
        "space": order.space,
        "control": {**order.control.model_dump(), "alpha": FAMILY_ALPHA, "pair_alpha": PAIR_ALPHA},
        "seed": order.seed,
        "commit": read_commit(),  # not of the environment, in which runs of two commits do not differ
        "environment": {
            **found,
            "gpus": _gpus(order.plan),
            "backend": {name: probe.facts for name, probe in probes.items()},
            "in_force": {name: probe.in_force for name, probe in probes.items()},
            "imports": digests(order.files),
        },
        "skipped": [skip.to_columns() for skip in order.plan.skipped],
        "tasks": [{**task, **_backend_columns(task, hosts, probes)} for task in order.plan.numbered()],
        "order": {name: getattr(order, name) for name in ("memory", "files", "force")},
    }


def _gpus(plan: Plan) -> dict[str, Any]:
    """What is known of each GPU that computes, by its name in options."""
    names = dict.fromkeys(full_name(c.setting.device) for c in plan.cohorts if _on_gpu(c))
    return {name: gpu.facts(name) for name in names}


def _on_gpu(cohort: Cohort) -> bool:
    return cohort.setting.device.startswith("gpu")


def _backend_columns(task: Record, hosts: dict[str, Host], probes: dict[str, Probe]) -> Record:
    backend, device = task["backend"], full_name(task["device"])
    model = probes[backend].devices[device] or environment.processor_model()
    in_force = json.dumps(probes[backend].in_force, sort_keys=True)
    return {"backend_version": hosts[backend].version, "device_name": model, "in_force": in_force}
