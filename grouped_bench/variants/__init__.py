"""How a convolution can be computed. Each module here holds one variant, registered by its decorator."""

import functools
import importlib
import pkgutil

from grouped_bench.errors import UnavailableError
from grouped_bench.space.case import BASELINES
from grouped_bench.variants.base import REGISTRY, Variant

_NOT_VARIANTS = ("base", "block_function", "block_reference", "blocks", "functions", "reference")


@functools.cache
def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        if module.name not in _NOT_VARIANTS:
            importlib.import_module(f"{__name__}.{module.name}")


def names(scope: str = "layer") -> list[str]:
    """Names of all registered variants of a scope, the baseline first."""
    _load()
    of_scope = (name for name, variant in REGISTRY.items() if variant.scope == scope)
    return sorted(of_scope, key=lambda name: (name != BASELINES[scope], name))


def get(name: str) -> Variant:
    """The variant called `name`. Raises UnavailableError when there is none."""
    _load()
    if name not in REGISTRY:
        known = [name for scope in BASELINES for name in names(scope)]
        raise UnavailableError(
            "There is no such variant", received=name, remedy=f"Use one of {', '.join(known)}, or all"
        )
    return REGISTRY[name]
