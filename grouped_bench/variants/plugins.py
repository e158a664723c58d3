"""Variants of a user's own, from files and from packages: loaded alike by the parent and by every host."""

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import runpy
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from grouped_bench.errors import GroupedBenchError, VariantError
from grouped_bench.variants import integrity
from grouped_bench.variants.base import REGISTRY, Variant, variant

GROUP = "grouped_bench.variants"
# Names that each file has registered in this process, once at least: what it imports is not run anew with it.
_FROM_FILES: dict[str, set[str]] = {}
# Files that are being run in this process.
_RUNNING: list[Path] = []
# What ends a process at once, and with it the command that imports a file.
_ENDINGS = ("_exit", "abort", "execv", "execve")


def load_packages() -> None:
    """Load what installed packages name under the entry point group: modules that register variants, or classes.

    Raises VariantError.
    """
    for entry in _entry_points():
        try:
            loaded = entry.load()
            if isinstance(loaded, type):
                variant(loaded)
        except GroupedBenchError:
            raise
        except (Exception, SystemExit) as error:
            raise VariantError(
                f"An entry point of a package in {GROUP} must load",
                received=f"{entry.name} = {entry.value}: {type(error).__name__}: {error}",
                remedy=f"Repair or uninstall {entry.dist.name if entry.dist else 'the package'}",
            ) from None


@functools.cache
def _entry_points() -> tuple[importlib.metadata.EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=GROUP))


def run_file(file: str) -> None:
    """Run a Python file that registers variants. Raises VariantError."""
    path, before, seal = Path(file), dict(REGISTRY), integrity.Seal()
    _content(path)
    _RUNNING.append(path)
    try:
        with contextlib.redirect_stdout(sys.stderr), _kept_alive():  # stdout carries the answer
            runpy.run_path(file, run_name=file)
    except (GroupedBenchError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        raise VariantError(
            "A file of variants must not end the process that imports it",
            received=f"{path.name}{_line(error, file)}, which exits",
            remedy=_ONLY_AS_A_PROGRAM,
        ) from None
    except BaseException as error:
        raise VariantError(
            "A file of variants must run without an error",
            received=f"{path.name}{_line(error, file)}: {type(error).__name__}: {error}",
            remedy=f"Correct it; `python {path.name}` shows the whole error",
        ) from None
    finally:
        _RUNNING.pop()
    refuse_broken(seal, path.name)
    changed = {name for name, one in REGISTRY.items() if before.get(name) is not one}
    _FROM_FILES.setdefault(file, set()).update(changed)


def refuse_broken(seal: integrity.Seal, name: str) -> None:
    """Refuse a file that has put something in the place of what measures. Raises VariantError."""
    broken = seal.broken()
    if broken:
        raise VariantError(
            "A file of variants must leave what measures as it is",
            received=f"{name}, which replaced {broken[0]}" + (f" and {len(broken) - 1} more" if broken[1:] else ""),
            remedy="Remove that from the file",
        )


_ONLY_AS_A_PROGRAM = "Put what the file does as a program under `if __name__ == '__main__':`"


def refuse_while_importing() -> None:
    """Refuse to measure for a file of variants that asks for it while it is imported. Raises VariantError."""
    if _RUNNING:
        raise VariantError(
            "A file of variants must not measure while it is imported",
            received=f"{_RUNNING[-1].name}, which starts a measurement",
            remedy=_ONLY_AS_A_PROGRAM,
        )


@contextlib.contextmanager
def _kept_alive() -> Iterator[None]:
    """Within the block, what would end this process at once raises SystemExit; children that were forked may end."""
    process, before = os.getpid(), {name: getattr(os, name) for name in _ENDINGS}

    def instead(name: str, *arguments: Any) -> None:
        if os.getpid() != process:
            before[name](*arguments)
        raise SystemExit

    for name in _ENDINGS:
        setattr(os, name, functools.partial(instead, name))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(os, name, function)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VariantError(
            "A file of variants must be a readable Python file",
            received=f"{path}: {error.strerror or error}",
            remedy="Name a file that registers variants",
        ) from None


def _line(error: BaseException, file: str) -> str:
    """Where in the file the error came from; a syntax error says so itself."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f", line {lines[-1]}" if lines else ""


def own(files: Iterable[str]) -> set[str]:
    """Names of the variants that files, once they were run in this process, and installed packages bring."""
    packages = {entry.module.partition(".")[0] for entry in _entry_points()}
    from_packages = (name for name, one in REGISTRY.items() if _package(one) in packages)
    return set(from_packages).union(*(_FROM_FILES.get(file, set()) for file in files))


def refuse_unknown(names: Iterable[str], files: Sequence[str]) -> None:
    """Refuse variants that no file and no package would bring to a worker, as those of a notebook. VariantError."""
    known = own(files)
    for name in names:
        if name not in known and not is_built_in(REGISTRY[name]):
            cls = type(REGISTRY[name])
            raise VariantError(
                "Every variant must be loadable by the processes that measure",
                received=f"{name}, which only this process knows ({cls.__qualname__} in {cls.__module__})",
                remedy="Put it in a file, and name the file with --import FILE, or files=[…] in Python",
            )


def is_built_in(one: Variant) -> bool:
    """Whether a variant is one of this package."""
    return _package(one) == __name__.partition(".")[0]


def _package(one: Variant) -> str:
    return type(one).__module__.partition(".")[0]


def digests(files: Iterable[str]) -> dict[str, str]:
    """A digest of each file, under its name: a run that went on with another would mix two variants."""
    found: dict[str, str] = {}
    for file in files:
        name = Path(file).name
        found[name] = hashlib.sha256(found.get(name, "").encode() + _content(Path(file))).hexdigest()[:16]
    return found
