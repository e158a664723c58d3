"""Which way of computing a convolution is best on this machine, measured so that it can be believed."""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from grouped_bench.api.advise import advise
    from grouped_bench.api.catalogue import catalogue
    from grouped_bench.api.doctor import doctor
    from grouped_bench.api.explain import explain
    from grouped_bench.api.gate.baselines import baselines, prune_baselines, save_baselines
    from grouped_bench.api.gate.compare import compare, run_both, step_both
    from grouped_bench.api.gate.history import history
    from grouped_bench.api.layer_code import layer_code
    from grouped_bench.api.learn import Learning, learn, load_learning
    from grouped_bench.api.models.faster_convolutions import faster_convolutions
    from grouped_bench.api.models.optimize import optimize, restore_file
    from grouped_bench.api.models.optimized import Optimized
    from grouped_bench.api.network import network
    from grouped_bench.api.plan import plan
    from grouped_bench.api.runs import (
        Run,
        load,
        load_all,
        load_newest,
        plan_run,
        resume,
        run,
        show,
        write_figures,
        write_report,
    )
    from grouped_bench.api.store.compact import compact
    from grouped_bench.api.store.publish import publish
    from grouped_bench.api.store.query import query
    from grouped_bench.errors import GroupedBenchError
    from grouped_bench.space.space import Space
    from grouped_bench.variants.base import Variant, variant

# Names whose module has another name; a call of `api` stands in the module of its name.
_HOMES = {
    **dict.fromkeys(("baselines", "prune_baselines", "save_baselines"), "api.gate.baselines"),
    **dict.fromkeys(("compare", "run_both", "step_both"), "api.gate.compare"),
    "history": "api.gate.history",
    **dict.fromkeys(("Learning", "load_learning"), "api.learn"),
    "Optimized": "api.models.optimized",
    "faster_convolutions": "api.models.faster_convolutions",
    **dict.fromkeys(("optimize", "restore_file"), "api.models.optimize"),
    **dict.fromkeys(("Run", "load", "load_all", "load_newest", "plan_run", "resume", "run", "show"), "api.runs"),
    **dict.fromkeys(("write_figures", "write_report"), "api.runs"),
    **{name: f"api.store.{name}" for name in ("compact", "publish", "query")},
    "GroupedBenchError": "errors",
    "Space": "space.space",
    "Variant": "variants.base",
    "variant": "variants.base",
}

__all__ = [
    "GroupedBenchError",
    "Learning",
    "Optimized",
    "Run",
    "Space",
    "Variant",
    "advise",
    "baselines",
    "catalogue",
    "compact",
    "compare",
    "doctor",
    "explain",
    "faster_convolutions",
    "history",
    "layer_code",
    "learn",
    "load",
    "load_all",
    "load_learning",
    "load_newest",
    "network",
    "optimize",
    "plan",
    "plan_run",
    "prune_baselines",
    "publish",
    "query",
    "restore_file",
    "resume",
    "run",
    "run_both",
    "save_baselines",
    "show",
    "step_both",
    "variant",
    "write_figures",
    "write_report",
]


def _home(name: str) -> str | None:
    """The module that has `name`; None where it is no name of the library."""
    if name in _HOMES:
        return f"{__name__}.{_HOMES[name]}"
    module = f"{__name__}.api.{name}"
    return None if name.startswith("_") or importlib.util.find_spec(module) is None else module


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: pandas and its like cost half a second each."""
    home = _home(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
