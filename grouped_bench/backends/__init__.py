"""Where a convolution runs. A module here is a backend, but for those named; none imports its framework at import."""

import importlib
import os
import pkgutil

from grouped_bench.backends.base import Backend
from grouped_bench.errors import UnavailableError

# Modules here that are no backend: what one must offer, and what some of them are made of.
_BESIDES = ("base", "code", "convolutions", "onednn", "pool", "tensorflow_steps")


def names() -> list[str]:
    """Names of all backends, installed or not."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _BESIDES)


def get(name: str) -> Backend:
    """The backend called `name`. Raises UnavailableError when there is none or its framework is not installed."""
    if name not in names():
        raise UnavailableError("A backend must be known", received=name, remedy=f"Use one of {', '.join(names())}")
    backend = named(name)
    if not backend.installed():
        raise UnavailableError(
            f"The framework of the backend {name} must be installed",
            received=f"no module {backend.module}",
            remedy=f"Install it with `pip install {backend.module}`",
        )
    return backend


def named(name: str) -> Backend:
    """The backend called `name`, which is one of `names`, installed or not."""
    backend: Backend = importlib.import_module(f"{__name__}.{name}").BACKEND
    return backend


def own_variables(name: str) -> dict[str, str]:
    """The environment variables that the backend called `name` is started with, installed or not."""
    return named(name).variables


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
