"""Which way of computing a convolution is best on this machine, measured so that it can be believed."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from grouped_bench.advising import advise
    from grouped_bench.api import Run, load, network, resume, run
    from grouped_bench.comparing import compare, run_both
    from grouped_bench.errors import GroupedBenchError
    from grouped_bench.space.space import Space
    from grouped_bench.variants.base import Variant, variant

_HOMES = {
    "advise": "advising",
    "Run": "api",
    "load": "api",
    "network": "api",
    "resume": "api",
    "run": "api",
    "compare": "comparing",
    "run_both": "comparing",
    "GroupedBenchError": "errors",
    "Space": "space.space",
    "Variant": "variants.base",
    "variant": "variants.base",
}

__all__ = [
    "GroupedBenchError",
    "Run",
    "Space",
    "Variant",
    "advise",
    "compare",
    "load",
    "network",
    "resume",
    "run",
    "run_both",
    "variant",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: pandas and its like cost half a second each."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
