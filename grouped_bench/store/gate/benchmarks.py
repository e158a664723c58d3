"""pytest-benchmark's JSON: its benchmarks and their shared facts; any other file is refused in words."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from grouped_bench.errors import RunError, shown
from grouped_bench.space.facts import Json
from grouped_bench.store import identity
from grouped_bench.store.checks import (
    DEEPEST_METADATA,
    LEAST,
    LONGEST_TEXT,
    MOST,
    MOST_ROWS,
    CommitFacts,
    Sampled,
    Timestamp,
    depth,
)
from grouped_bench.store.gate.json_file import DoubledKeyError, UnreadableError, read_tree

_LONGEST_KEY = 60
# What is held to the limits of `Sampled`.
_SECONDS = ("median", "reference_s")
_DIGEST = re.compile("[0-9a-f]{64}")
_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Name = Annotated[_Text, Field(min_length=1)]
_COMMIT = TypeAdapter(CommitFacts)


class _Part(BaseModel):
    """A part of the file; what else stands in it is not read."""

    model_config = ConfigDict(strict=True)


class _Stats(_Part):
    median: Sampled


class _Extra(_Part):
    reference_s: Sampled | None = None


class _Benchmark(_Part):
    fullname: _Name
    group: _Text | None = None
    params: dict[_Text, Any] | None = None
    extra_info: _Extra = _Extra()
    stats: _Stats | None
    has_error: bool = False


class _Processor(_Part):
    brand_raw: _Text | None = None
    count: Annotated[int, Field(gt=0)] | None = None
    vendor_id_raw: _Text | None = None
    family: Annotated[int, Field(ge=0)] | None = None
    model: Annotated[int, Field(ge=0)] | None = None
    flags: Annotated[list[_Text], Field(max_length=1000)] | None = None
    # Bytes, or a text such as `512 KiB`.
    l2_cache_size: int | _Text | None = None
    l3_cache_size: int | _Text | None = None


class _Machine(_Part):
    cpu: _Processor = _Processor()
    system: _Text | None = None
    python_version: _Text | None = None
    libraries: dict[_Text, _Text] = {}


class _File(_Part):
    machine_info: _Machine
    commit_info: Json | None = None
    benchmarks: Annotated[list[_Benchmark], Field(max_length=MOST_ROWS)]
    errors: Annotated[list[_Name], Field(max_length=MOST_ROWS)] = []
    datetime: Timestamp
    version: _Text | None = None


def read_benchmarks(path: Path) -> tuple[list[Json], Json]:
    """The benchmarks of a file that pytest-benchmark wrote, and what holds for all of them.

    Each benchmark has `name`, `group`, `params` as pytest gave them, the `machine`, `median_s`, and `reference_s`: the
    median of the reference workload timed beside it, where its `extra_info` has one. The facts are named as those of
    a run; `errors` are the names of benchmarks that ended without figures.

    Raises:
        RunError: the file cannot be read, or is none of pytest-benchmark's.
    """
    file = _checked(_tree(path), path)
    told = _facts(file)
    failed = [one.fullname for one in file.benchmarks if one.stats is None or one.has_error]
    benchmarks = [
        {
            "name": one.fullname,
            "group": one.group,
            "machine": told["machine"],
            "params": _with_words(one.params),
            "median_s": one.stats.median,
            "reference_s": one.extra_info.reference_s,
        }
        for one in file.benchmarks
        if one.stats is not None and not one.has_error
    ]
    return benchmarks, {"run_id": path.stem, **told, "errors": list(dict.fromkeys([*failed, *file.errors]))}


def _tree(path: Path) -> Any:
    """What the JSON at `path` holds."""
    try:
        return read_tree(path)
    except DoubledKeyError as doubled:
        raise RunError(
            "A key of a JSON object must occur once",
            received=f'{path.name} with "{shown(doubled.args[0], _LONGEST_KEY)}" twice',
            remedy="Write it again with `pytest --benchmark-json FILE`",
        ) from None
    except UnreadableError as why:
        raise RunError(
            "A benchmark file must be readable JSON of pytest-benchmark",
            received=f"{path} ({why})",
            remedy="Write one with `pytest --benchmark-json FILE`",
        ) from None


def _checked(tree: Any, path: Path) -> _File:
    if depth(tree) > DEEPEST_METADATA:
        raise _refusal(path, f"nested more than {DEEPEST_METADATA} deep")
    try:
        file = _File.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _refusal(path, _problem(first["loc"], first["msg"], first["input"])) from None
    names = {one.fullname for one in file.benchmarks}
    if len(names) < len(file.benchmarks):
        raise _refusal(path, "a benchmark that occurs twice")
    return file


def _problem(place: Sequence[int | str], told: str, value: Any) -> str:
    """What is wrong, and where; of a number also its limits and the number."""
    where = ".".join(map(str, place)) or "all of it"
    if not isinstance(value, float | int):
        return f"{where}: {told}"
    if place and place[-1] in _SECONDS and not isinstance(value, bool):
        told = f"Input should be a number of seconds from {LEAST:g} to {MOST:g}"
    return f"{where}: {told}, found {shown(value, 20)}"


def _facts(file: _File) -> Json:
    """What holds for the whole file, in the words of a run's facts; the host's name is not among them."""
    machine, processor = file.machine_info, file.machine_info.cpu
    environment = {
        "processor": {
            "model": processor.brand_raw,
            "logical": processor.count,
            "usable": processor.count,
            "vendor": processor.vendor_id_raw,
            "family": processor.family,
            "model_number": processor.model,
            "flags": processor.flags,
            "l2_bytes": processor.l2_cache_size,
            "l3_bytes": processor.l3_cache_size,
        },
        "system": {"python": machine.python_version, "kernel": machine.system},
    }
    known = identity.of_processor(environment)
    named = processor.brand_raw is not None and processor.count is not None
    plain = identity.plain_name(processor.brand_raw or "", processor.count or 0) if named else None
    libraries = {**machine.libraries, **({"pytest-benchmark": file.version} if file.version else {})}
    return {
        "machine": known.slug if known else plain,
        "identity": known.to_facts() if known else None,
        "started_at": file.datetime,
        "commit": _commit(file.commit_info or {}),
        "environment": {**environment, "libraries": libraries},
    }


def _commit(told: Mapping[str, Any]) -> Json | None:
    """The commit as a run records it; None where there was no repository, or git did not answer."""
    try:
        found = {"id": told.get("id"), "date": told.get("time"), "dirty": told.get("dirty")}
        changes = told.get("changes")  # of this project's benchmarks; another's may call anything so
        if isinstance(changes, str) and _DIGEST.fullmatch(changes):
            found["changes"] = changes
        return dict(_COMMIT.validate_python(found, strict=True))
    except ValidationError:
        return None


def _with_words(tree: Any) -> Any:
    """`tree` with the words for numbers that JSON does not have."""
    if isinstance(tree, dict):
        return {key: _with_words(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_with_words(value) for value in tree]
    return str(tree) if isinstance(tree, float) and not math.isfinite(tree) else tree


def _refusal(path: Path, problem: str) -> RunError:
    return RunError(
        "A benchmark file must contain what pytest-benchmark writes",
        received=f"{path.name}: {problem}",
        remedy="Write it again with `pytest --benchmark-json FILE`",
    )
