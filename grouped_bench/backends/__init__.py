"""Where a convolution runs. Each module here but two is one backend; none imports its framework when imported."""

import importlib
import os
import pkgutil

from grouped_bench.backends.base import Backend
from grouped_bench.errors import UnavailableError

# Modules here that are no backend: what one must offer, and what some of them are made of.
_BESIDES = ("base", "onednn", "pool", "tensorflow_convolutions", "tensorflow_steps")


def names() -> list[str]:
    """Names of all backends, installed or not."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _BESIDES)


def get(name: str) -> Backend:
    """The backend called `name`. Raises UnavailableError when there is none or its framework is not installed."""
    if name not in names():
        raise UnavailableError("A backend must be known", received=name, remedy=f"Use one of {', '.join(names())}")
    backend: Backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    if not backend.installed():
        raise UnavailableError(
            f"The framework of the backend {name} must be installed",
            received=f"no module {backend.module}",
            remedy=f"Install it with `pip install {backend.module}`",
        )
    return backend


def own_variables(name: str) -> dict[str, str]:
    """The environment variables that the backend called `name` is started with, installed or not."""
    backend: Backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    return backend.variables


def load(name: str, threads: int | None = None, *, tf32: bool | None = None) -> Backend:
    """The backend called `name`, its variables set and its framework imported in this process.

    Args:
        name: as `names` lists it.
        threads: that compute; None leaves the number to the framework.
        tf32: whether a GPU may round float32 operands to TensorFloat-32; None leaves it to the framework.

    Raises:
        UnavailableError: there is no such backend, or its framework is not installed.
    """
    backend = get(name)
    os.environ.update(backend.variables)
    backend.load(threads, tf32=tf32)
    return backend
