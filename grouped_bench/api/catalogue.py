"""What there is to choose from: the registries as rows for `grouped-bench list`."""

from collections.abc import Callable

from grouped_bench import backends, variants
from grouped_bench.errors import GroupedBenchError
from grouped_bench.space.case import BASELINES
from grouped_bench.space.space import preset_about, preset_names

Listing = dict[str, str]


def catalogue(what: str, files: tuple[str, ...] = ()) -> list[Listing]:
    """Rows of `variants`, those of `files` too, or of `presets`, `backends`, `devices` or `columns`."""
    if files:
        variants.import_files(files)
    listings: dict[str, Callable[[], list[Listing]]] = {
        "variants": _variants,
        "presets": _presets,
        "backends": _backends,
        "devices": _devices,
        "columns": _columns,
    }
    return listings[what]()


def _variants() -> list[Listing]:
    found = [variants.get(name) for scope in BASELINES for name in variants.names(scope)]
    return [{"name": v.name, "scope": v.scope, "computes": v.computes, "summary": v.summary} for v in found]


def _presets() -> list[Listing]:
    return [{"name": name, "about": preset_about(name)} for name in preset_names()]


def _backends() -> list[Listing]:
    found = []
    for name in backends.names():
        try:
            backend = backends.get(name)
            version, executions = backend.version(), ", ".join(backend.executions)
        except GroupedBenchError:
            version, executions = "not installed", ""
        found.append({"name": name, "version": version, "executions": executions})
    return found


def _devices() -> list[Listing]:
    from grouped_bench.harness.processes.probing import probe_backend
    from grouped_bench.measure.machine.environment import processor_model

    return [
        {"name": device, "backend": row["name"], "model": model or processor_model()}
        for row in _backends()
        if row["version"] != "not installed"
        for device, model in probe_backend(row["name"]).devices.items()
    ]


def _columns() -> list[Listing]:
    from grouped_bench.store.schema import IN_FRAME

    return [{"name": c.name, "type": str(c.type), "unit": c.unit, "meaning": c.meaning} for c in IN_FRAME]
