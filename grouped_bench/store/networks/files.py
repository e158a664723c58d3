"""A saved Keras model with its layers as they were: nothing of it is run, and its weights stay byte for byte."""

import contextlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grouped_bench.errors import OutputError, SpaceError
from grouped_bench.measure.models.reading.keras_files import CONFIG, LARGEST_CONFIG
from grouped_bench.store.files import temporary
from grouped_bench.store.runs import check_writable
from grouped_bench.variants.models.built_in import form_in

PACKAGE = "grouped_layers"
# What archives that are damaged, encrypted or of an unknown compression raise, and configurations that are none.
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError, ValueError)
# Arguments that Keras' own layers do not have.
_OWN = ("merged", "implementation")
_REGISTERED = (f"{PACKAGE}>", "grouped_bench>GroupedConv")


def restore(source: Path, target: Path) -> int:
    """Write the model `source` to `target` with Keras' own layers, and return how many stood in for them.

    0, and nothing is written, for a model whose layers are Keras' own but for what they are called.

    Raises:
        SpaceError: not a saved model, or one without such layers.
        OutputError: the file cannot be written.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            with archive.open(CONFIG) as file:
                config, count = _restored(json.loads(file.read(LARGEST_CONFIG)))
            if not count and _has_built_in(config):
                return 0
            if not count:
                raise SpaceError(
                    "A model to restore must have layers that `optimize` put there",
                    received=f"{source.name}, which has none",
                    remedy="Name the file that `optimize` wrote",
                )
            _write(archive, json.dumps(config), target)
    except _UNREADABLE as problem:
        raise SpaceError(
            "A model to restore must be a .keras file",
            received=f"{source.name} ({problem})",
            remedy="Name the file that `optimize` wrote",
        ) from None
    return count


def _write(archive: zipfile.ZipFile, config: str, target: Path) -> None:
    try:
        with zipfile.ZipFile(target, "w") as made:
            for member in archive.infolist():
                if member.filename == CONFIG:
                    made.writestr(member, config)
                    continue
                with archive.open(member) as read, made.open(member, "w") as written:
                    shutil.copyfileobj(read, written)
    except OSError as problem:
        raise _untaken(target, problem) from None


def _untaken(target: Path, problem: OSError) -> OutputError:
    return OutputError(
        "The folder must take the file", received=f"{target} ({problem.strerror})", remedy="Name another folder"
    )


def _restored(value: Any) -> tuple[Any, int]:
    """A configuration with Keras' own layers, and how many were others."""
    if isinstance(value, list):
        parts = [_restored(one) for one in value]
        return [one for one, _ in parts], sum(count for _, count in parts)
    if not isinstance(value, dict):
        return value, 0
    made = {name: _restored(one) for name, one in value.items()}
    found, count = {name: one for name, (one, _) in made.items()}, sum(count for _, count in made.values())
    if not str(value.get("registered_name")).startswith(_REGISTERED):
        return found, count
    config = {name: one for name, one in found["config"].items() if name not in _OWN}
    return {**found, "module": "keras.layers", "registered_name": None, "config": config}, count + 1


def may_have_parts(model: Path) -> bool:
    """Whether a network splits something and concatenates something; False for a file that is no network."""
    try:
        with zipfile.ZipFile(model) as archive, archive.open(CONFIG) as file:
            text = file.read(LARGEST_CONFIG)
    except _UNREADABLE:
        return False
    return b'"Concatenate"' in text and (b'"Split"' in text or b'"GetItem"' in text)


def _has_built_in(value: Any) -> bool:
    """Whether a configuration has a layer whose name says that it stands for a grouped convolution."""
    if isinstance(value, list):
        return any(map(_has_built_in, value))
    if not isinstance(value, dict):
        return False
    return form_in(str(value.get("name"))) is not None or any(map(_has_built_in, value.values()))


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A path for a file that is to become `target`, removed where it did not. Raises OutputError."""
    with contextlib.ExitStack() as stack:
        try:
            fresh = stack.enter_context(temporary.beside(target, target.suffix))
        except OSError as problem:
            raise _untaken(target, problem) from None
        yield fresh


def refuse_taken(target: Path, source: Any, *, force: bool) -> None:
    """Refuse a place that holds something, and in any case that of the model itself."""
    if isinstance(source, str | Path) and target.resolve() == Path(source).resolve():
        raise OutputError("The model itself must stay", received=str(target), remedy="Name another file")
    if target.exists() and not force:
        raise OutputError(
            "A file must not be replaced", received=f"{target} is there", remedy="Name another, or force it"
        )
    if not target.parent.is_dir():
        raise OutputError("The folder must exist", received=str(target.parent), remedy="Make it first")
    check_writable(target.parent)
