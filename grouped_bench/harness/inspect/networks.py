"""A user's own network as a space: read in a child process, the only one with Keras; equal cases are merged."""

import contextlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from grouped_bench import backends, variants
from grouped_bench.errors import HostError, SpaceError, shown
from grouped_bench.harness.processes.ipc import scratch, tail
from grouped_bench.measure.attempt import LONGEST_REASON
from grouped_bench.measure.models.reading import torch_networks
from grouped_bench.measure.models.reading.keras_files import CONFIG, SUFFIXES
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.measure.models.reading.saved_models import FILE as SAVED_MODEL
from grouped_bench.space.axes import DEFAULT_VARIANTS, LARGEST_EXTENT
from grouped_bench.space.choices import DEPTHWISE
from grouped_bench.space.facts import Json
from grouped_bench.space.space import Space
from grouped_bench.store.files.temporary import TemporaryFolder
from grouped_bench.units import counted

APPLICATIONS = "keras.applications:"
_WHAT_IS_READ = (
    f"A model must be a file ({', '.join(SUFFIXES)}, .onnx, .pt2), a SavedModel, {APPLICATIONS}NAME, timm:NAME, "
    "torchvision:NAME, MODULE:FUNCTION, or in Python a model of Keras or PyTorch"
)
# By what a name begins with, the reader of the process.
_LIBRARIES = {APPLICATIONS: "applications", "timm:": "timm", "torchvision:": "torchvision"}
_FILES = {**dict.fromkeys(SUFFIXES, "file"), ".onnx": "onnx", ".pt2": "pt2"}
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
# What a network may take beside its framework.
_MEMORY = 512 * 2**20
MOST_SPLIT_GROUPS = 64
# Begins what says of variants, not of layers, that they are left out.
OF_VARIANTS = "Left out of"
_SECONDS = 300.0
_MOST_DIMENSIONS = 4
_LONGEST_NAME = 56
_MOST_NAMES = 3


def read_network(model: Any, input_shape: str | Sequence[int] | None = None, *, backend: str = "tensorflow") -> Space:
    """The distinct convolutions of a network, each with how often one pass makes it.

    Args:
        model: path of a file, the name of a network, which is built without its weights, `MODULE:FUNCTION`, or a model
            of Keras or PyTorch in memory.
        input_shape: extents of an example, such as `224,224,3`, as the network takes them; its own unless given.
        backend: which of Keras' backends reads a network of Keras.

    Raises:
        SpaceError: not a model that can be read, or one without a convolution.
        HostError: Keras does not start.
    """
    extents = extents_of(input_shape)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        source, told = type(model).__name__, _of_module(model, extents)
    else:
        with _asked(model) as (request, source):
            told = _ask({**request, "input_shape": extents}, backend, source)
    if "refused" in told:
        refused = told["refused"]
        received = refused["received"]
        raise SpaceError(refused["rule"], received=received, remedy=refused["remedy"], limit=LONGEST_REASON)
    others = left_out(told["left_out"], told.get("macs", 0))
    if not told["convolutions"]:
        raise SpaceError(
            "A model must contain a convolution that can be measured",
            received="; ".join([source, *others]),
            remedy="Name another model",
        )
    # A network is measured in the framework that it is of, and by its own modules.
    usual = {"backend": told["backend"]} if "backend" in told else {}
    if told.get("backend") == "torch":
        usual["layout"] = "contiguous"
    cases = distinct(told["convolutions"])
    return Space(cases=cases, left_out=[*others, *_without_splits(cases)], source=source, network=usual)


def _of_module(model: Any, extents: list[int] | None) -> Json:
    try:
        return torch_networks.read_module(model, tuple(extents) if extents else None)
    except RefusedError as refused:
        return {"refused": refused.told}


@contextlib.contextmanager
def _asked(model: Any) -> Iterator[tuple[Json, str]]:
    """What the child is asked of a model while the block lasts, and what to call the model. Raises SpaceError."""
    if isinstance(model, str | Path):
        yield _request_of(str(model))
        return
    if not hasattr(model, "to_json"):
        module, _, _ = type(model).__module__.partition(".")
        raise SpaceError(
            _WHAT_IS_READ,
            received=f"{type(model).__name__} of {module}",
            remedy="Give its convolutions as a TOML space",
        )
    with TemporaryFolder() as folder:
        file = Path(folder) / "network.keras"
        try:
            # Without its weights, which nobody reads.
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(CONFIG, model.to_json())
        except Exception as problem:  # whatever a model of one's own raises
            raise _unsaved(model, problem) from None
        yield {"kind": "file", "name": str(file)}, str(model.name)


def _request_of(named: str) -> tuple[Json, str]:
    for beginning, kind in _LIBRARIES.items():
        if named.startswith(beginning):
            return {"kind": kind, "name": named.removeprefix(beginning)}, named
    if _FUNCTION.fullmatch(named):
        return {"kind": "function", "name": named}, named
    path = _file(named)
    kind = "saved_model" if _is_saved_model(Path(path)) else _FILES[Path(named).suffix]
    return {"kind": kind, "name": path}, Path(named).name


@contextlib.contextmanager
def file_of(model: Any) -> Iterator[tuple[str, str]]:
    """A file of a model while the block lasts, and what to call it.

    Args:
        model: path of a .keras file, or a Functional or Sequential `keras.Model`, which is saved for the while.

    Raises:
        SpaceError: neither, or a model that Keras cannot save.
    """
    if isinstance(model, str | Path):
        if str(model).startswith(APPLICATIONS):
            raise SpaceError(
                "`optimize` takes the file of a model",
                received=str(model),
                remedy="Save the model, and name the file",
            )
        yield str(model), Path(model).name
        return
    if not hasattr(model, "save") or not hasattr(model, "layers"):
        raise SpaceError(
            "`optimize` takes a Keras model or the path of one",
            received=type(model).__name__,
            remedy="Save the model as .keras",
        )
    if not type(model).__module__.startswith("keras."):
        raise SpaceError(
            "A model must be a Functional or Sequential one to be rebuilt",
            received=f"{type(model).__name__}, a class of its own",
            remedy="Use `with grouped_bench.faster_convolutions():` instead",
        )
    with TemporaryFolder() as folder:
        file = str(Path(folder) / "network.keras")
        try:
            model.save(file)
        except Exception as problem:  # whatever a model of one's own raises
            raise _unsaved(model, problem) from None
        yield file, str(model.name)


def _unsaved(model: Any, problem: Exception) -> SpaceError:
    return SpaceError(
        "A model must be one that Keras can save and load",
        received=f"{type(model).__name__} ({problem})",
        remedy="Use Keras' own layers",
    )


def distinct(convolutions: Sequence[Json]) -> list[Json]:
    """One table of axes for each distinct convolution, in the order of their first calls."""
    times: Counter[str] = Counter()
    first: dict[str, Json] = {}
    for convolution in convolutions:
        axes = {name: _axis(name, value) for name, value in convolution.items() if name != "name"}
        key = json.dumps(axes)
        times[key] += 1
        first.setdefault(key, {**axes, **_variants(convolution), "label": convolution["name"]})
    return [
        {**table, "multiplicity": times[key], "label": _label(table["label"], times[key])}
        for key, table in first.items()
    ]


def left_out(layers: Sequence[Json], macs: int = 0) -> list[str]:
    """A sentence for each kind of layer that is left out and each reason, with its share of the work where it is known.

    Args:
        layers: as the process tells them.
        macs: of an example in the layers that are not left out.
    """
    found: dict[tuple[str, str], list[Json]] = {}
    for layer in layers:
        found.setdefault((layer["kind"], layer["reason"]), []).append(layer)
    known = [layer["macs"] for layer in layers if layer.get("macs") is not None]
    # A share is of the whole, so all of it must be known.
    total = macs + sum(known) if macs and len(known) == len(layers) else 0
    return [
        f"Left out: {len(ones)} × {kind} ({_listed(ones)}){_share(ones, total)}: {reason}"
        for (kind, reason), ones in found.items()
    ]


def _listed(layers: Sequence[Json]) -> str:
    """Names, each once: all of a few, and of many the first two."""
    names = list(dict.fromkeys(str(layer["name"]) for layer in layers))
    if len(names) > _MOST_NAMES:
        return f"{shown(', '.join(names[:2]))} and {len(names) - 2} more"
    return shown(", ".join(names))


def _share(layers: Sequence[Json], total: int) -> str:
    if not total:
        return ""
    percent = 100 * sum(layer["macs"] for layer in layers) / total
    return f", {percent:.0f}% of the MACs" if percent >= 1 else ", less than 1% of the MACs"


def _without_splits(cases: Sequence[Json]) -> list[str]:
    many = sum(case["groups"] > MOST_SPLIT_GROUPS for case in cases)
    if not many:
        return []
    told = f"{OF_VARIANTS} {counted(many, 'case')} with more than {MOST_SPLIT_GROUPS} groups"
    return [f"{told}: variants with one convolution per group, unless --variant names them"]


def _variants(convolution: Json) -> Json:
    """What is swept over a layer: with one group all variants are the same function."""
    groups, channels = convolution["groups"], convolution["channels"][0]
    if groups == 1:
        return {"variant": "regular"}
    is_split = groups <= MOST_SPLIT_GROUPS
    names = [name for name in DEFAULT_VARIANTS["layer"] if is_split or not variants.get(name).in_parts]
    return {"variant": [*names, *([DEPTHWISE] if groups == channels else [])]}


def _axis(name: str, value: Any) -> Any:
    """A value as an axis of one value: a list would be several."""
    if name == "channels":
        return f"{value[0]}:{value[1]}"
    return "x".join(map(str, value)) if isinstance(value, list) else value


def _label(name: str, times: int) -> str:
    name = shown(name, _LONGEST_NAME)
    return name if times == 1 else f"{name} and {times - 1} more"


def _is_saved_model(path: Path) -> bool:
    return path.is_dir() and (path / SAVED_MODEL).is_file()


def _file(model: str) -> str:
    path, remedy = Path(model), "Name a file that is there"
    problem = None
    try:
        if _is_saved_model(path):
            return str(path.absolute())
        if not path.is_file():
            problem = "not a file" if path.exists() else "No such file or directory"
            if path.is_dir():
                problem, remedy = f"a folder without {SAVED_MODEL}", "Name a file, or the folder of a SavedModel"
            if ":" in model:
                remedy = "Name a function of yours that builds the network, as MODULE:FUNCTION"
        elif path.suffix not in _FILES:
            problem, remedy = "another ending", "Name a file of one of these kinds"
    except (OSError, ValueError) as error:
        problem = str(getattr(error, "strerror", None) or error)
    if problem:
        raise SpaceError(_WHAT_IS_READ, received=f"{problem}: {model}", remedy=remedy)
    return str(path.absolute())


def extents_of(text: str | Sequence[int] | None) -> list[int] | None:
    """The extents that `224,224,3` names; None for those of the model. Raises SpaceError."""
    if text is None:
        return None
    parts = text if isinstance(text, str) else ",".join(map(str, text))
    extents = [int(part) for part in parts.split(",")] if re.fullmatch(r"\s*\d{1,9}(\s*,\s*\d{1,9})*\s*", parts) else []
    if not 1 <= len(extents) <= _MOST_DIMENSIONS or not all(1 <= extent <= LARGEST_EXTENT for extent in extents):
        raise SpaceError(
            f"An input shape must be 1 to {_MOST_DIMENSIONS} integers from 1 to {LARGEST_EXTENT:,}, channels included",
            received=text,
            remedy="Write it like 224,224,3",
        )
    return extents


def _ask(request: Json, backend: str, source: str) -> Json:
    """The child's answer."""
    variables = {**backends.get(backend).variables, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    with scratch() as printed:
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "grouped_bench.measure.models.reading.process"],
                input=json.dumps({**request, "memory": _MEMORY}).encode(),
                stdout=subprocess.PIPE,
                stderr=printed,
                env={**os.environ, **variables},
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SpaceError(
                f"A model must load within {_SECONDS:g} s", received=source, remedy="Use a smaller model"
            ) from None
        if ended.returncode or not ended.stdout:
            raise HostError(
                f"Keras must be able to read {source}",
                received=tail(printed).rpartition(" | ")[2] or f"exit code {ended.returncode}",
                remedy="Try `python -c 'import keras'` in this environment, with KERAS_BACKEND set",
            )
    told: Json = json.loads(ended.stdout)
    return told
