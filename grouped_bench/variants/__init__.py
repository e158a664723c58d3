"""How a convolution can be computed. Each module here holds one variant, registered by its decorator."""

import functools
import importlib
import pkgutil

from grouped_bench.errors import UnavailableError
from grouped_bench.space.case import BASELINE
from grouped_bench.variants.base import REGISTRY, Variant

_NOT_VARIANTS = ("base", "functions", "reference", "taps")


@functools.cache
def _load() -> None:
    for module in pkgutil.iter_modules(__path__):
        if module.name not in _NOT_VARIANTS:
            importlib.import_module(f"{__name__}.{module.name}")


def names() -> list[str]:
    """Names of all registered variants, the baseline first."""
    _load()
    return sorted(REGISTRY, key=lambda name: (name != BASELINE, name))


def get(name: str) -> Variant:
    """The variant called `name`. Raises UnavailableError when there is none."""
    _load()
    if name not in REGISTRY:
        raise UnavailableError(
            "There is no such variant", received=name, remedy=f"Use one of {', '.join(names())}, or all"
        )
    return REGISTRY[name]
