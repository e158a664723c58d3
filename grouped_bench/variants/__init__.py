"""How a convolution can be computed. Each module of `layers` and `blocks` holds one variant."""

import functools
import importlib
import os
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from grouped_bench import backends
from grouped_bench.errors import UnavailableError
from grouped_bench.space.case import BASELINES, Case
from grouped_bench.variants import blocks, layers, plugins
from grouped_bench.variants.base import ALL, REGISTRY, Printed, Variant
from grouped_bench.variants.torch_modules import TorchModule

Files = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@functools.cache
def _load() -> None:
    for folder in (layers, blocks):
        for module in pkgutil.iter_modules(folder.__path__):
            importlib.import_module(f"{folder.__name__}.{module.name}")
    plugins.load_packages()


def import_files(files: Files) -> tuple[str, ...]:
    """Run Python files that register variants, in this process, and return their absolute paths.

    Raises:
        VariantError: a file cannot be read, raises, or registers what is not a variant or has another's name.
    """
    _load()  # first, so that a name which is taken is the file's fault
    found = absolute(files)
    for file in found:
        plugins.run_file(file)
    return found


def own(files: Iterable[str]) -> list[str]:
    """Names of the variants that files, by their absolute paths, and installed packages bring."""
    _load()
    return sorted(plugins.own(files))


def built_in() -> set[str]:
    """Names of the variants of this package."""
    _load()
    return {name for name, one in REGISTRY.items() if plugins.is_built_in(one)}


def absolute(files: Files) -> tuple[str, ...]:
    """The path of each file as every process can find it."""
    given = (files,) if isinstance(files, (str, os.PathLike)) else files
    return tuple(dict.fromkeys(str(Path(file).expanduser().resolve()) for file in given))


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
            "A variant must be known", received=name, remedy=f"Use one of {', '.join(known)}, or {ALL}"
        )
    return REGISTRY[name]


def find(name: str) -> Variant | None:
    """The variant called `name`; None where none is, as in a record of a variant that is not here."""
    _load()
    return REGISTRY.get(name)


def printed(name: str, case: Case, backend: str, choice: str | None = None) -> Printed | None:
    """The layer of a variant as it can be printed, which is the source of what is measured; None where it has none.

    Args:
        name: of the variant.
        case: what the layer computes.
        backend: name of the backend, installed or not.
        choice: what a run chose for a variant that leaves something open; the likeliest unless given.
    """
    found = find(name)
    if found is None or backend not in backends.names():
        return None
    try:
        defined = found.with_choice(choice).printed(case, backends.named(backend))
        if defined is not None:
            defined.text()  # whose source may not be there
    except (NotImplementedError, ValueError, OSError):  # no such layer, no such choice, no such source
        return None
    return defined


def printed_module(name: str, case: Case, layout: str) -> str | None:
    """The module of PyTorch of a variant as code to paste; None where it has none.

    Args:
        name: of the variant.
        case: what the module computes.
        layout: memory format of its tensors.
    """
    found = find(name)
    if found is None or not any(layout in backends.named(one).layouts for one in backends.names()):
        return None
    try:
        return TorchModule(found, layout).module(case).text()
    except (NotImplementedError, OSError):  # no such module, no such source
        return None
