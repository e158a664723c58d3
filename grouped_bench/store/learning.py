"""Trainings of a learning run in one Parquet file: a row a training, run-wide facts in its metadata."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grouped_bench.errors import RunError, SpaceError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.learning import Network, NetworkPair, Study
from grouped_bench.store.checks import LARGEST_METADATA, MOST_ROWS
from grouped_bench.store.files.object_store import LATEST, Location, copies, in_store, local_folder
from grouped_bench.store.files.temporary import beside, unwritable
from grouped_bench.store.runs import LEARNING
from grouped_bench.store.schema import METADATA_KEY, Column, column

SUFFIX = LEARNING
SCHEMA_VERSION = 1
_SERIES = pa.list_(pa.float64())
# What a training was for: to choose a learning rate, or to be compared.
TUNING, SEED = "tuning", "seed"
_PHASES = (TUNING, SEED)
_STATUSES = ("ok", "diverged", "oom", "timeout", "crashed", "error", "unsupported")


@dataclasses.dataclass(frozen=True)
class Training:
    """A row: one network, trained once from one seed."""

    network: str = column(pa.string(), "", "name of the network")
    phase: str = column(pa.string(), "", "tuning: to choose the learning rate; seed: to be compared")
    seed: int = column(pa.int64(), "", "of weights and order; a seed is shared by all networks")
    learning_rate: float = column(pa.float64(), "", "at the beginning of the training")
    status: str = column(pa.string(), "", "ok, diverged, oom, timeout, crashed, error or unsupported")
    reason: str | None = column(pa.string(), "", "why the status is not ok")
    accuracy: float | None = column(pa.float64(), "", "share of the test examples whose class is right")
    validation_accuracy: float | None = column(pa.float64(), "", "share of the validation examples")
    losses: tuple[float, ...] | None = column(_SERIES, "", "mean cross-entropy of training, by epoch")
    validation_losses: tuple[float, ...] | None = column(_SERIES, "", "of the validation examples, after each epoch")
    params: int = column(pa.int64(), "", "numbers that are learned")
    macs: int = column(pa.int64(), "", "multiply-accumulates of one forward pass of one example")
    training_s: float | None = column(pa.float64(), "s", "all epochs, each as long as their median after the first")
    first_epoch_s: float | None = column(pa.float64(), "s", "the first epoch, which traces and compiles")
    stolen: float | None = column(pa.float64(), "", "share of the processors that others took")
    peak_memory_bytes: int | None = column(pa.int64(), "B", "peak of a training step; null where nothing counts it")
    backend: str = column(pa.string(), "", "framework under Keras")


COLUMNS = tuple(
    Column(field.name, field.metadata["type"], field.metadata["unit"], field.metadata["meaning"])
    for field in dataclasses.fields(Training)
)
_SCHEMA = pa.schema([(one.name, one.type) for one in COLUMNS])


def write(path: Path, trainings: Sequence[Training], facts: Facts) -> None:
    """Put trainings and facts at `path`, in one step. Raises OutputError."""
    rows = [dataclasses.asdict(one) for one in trainings]
    table = pa.Table.from_pylist(rows, schema=_SCHEMA.with_metadata({METADATA_KEY: json.dumps(facts).encode()}))
    remedy = "Free space, or name another folder with --out"
    with unwritable("The file of a learning run must be writable", path, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside(path) as fresh:
            pq.write_table(table, fresh, compression="zstd")
            fresh.replace(path)


def read(path: Path) -> tuple[list[Training], Json]:
    """The trainings of a file that `write` wrote, and its facts. Raises RunError for any other file."""
    try:
        with pq.ParquetFile(path) as file:
            raw = (file.schema_arrow.metadata or {}).get(METADATA_KEY, b"")
            if file.metadata.num_rows > MOST_ROWS or len(raw) > LARGEST_METADATA:
                raise _refusal(path, "too large")
            facts = json.loads(raw)
            if not file.schema_arrow.remove_metadata().equals(_SCHEMA):
                raise _refusal(path, "other columns")
            rows = file.read().to_pylist()
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        raise _refusal(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    if not isinstance(facts, dict) or facts.get("learning") != SCHEMA_VERSION:
        raise _refusal(path, "facts of another version")
    problem = next((found for found in map(_problem, rows) if found), None) or _facts_problem(facts)
    if problem:
        raise _refusal(path, problem)
    return [_training(row) for row in rows], facts


def study_facts(study: Study) -> Json:
    """A study as facts, as a file holds them and `study_of` reads them."""
    found: Json = json.loads(json.dumps(dataclasses.asdict(study)))
    return found


def study_of(facts: Facts) -> Study:
    """The study of a run. Raises KeyError, TypeError and ValueError where the facts have none."""
    told: Any = facts["study"]
    networks = tuple(Network.of_json(one) for one in told["networks"])
    comparisons = tuple(NetworkPair(**one) for one in told["comparisons"])
    return Study(**{**told, "networks": networks, "comparisons": comparisons, "correlated": tuple(told["correlated"])})


def find(name: str, out: Location) -> Path:
    """The file of a learning run: a path, a run id or `latest` under `out`. Raises RunError."""
    path, folder = Path(name), local_folder(out)
    if path.is_file():
        return path
    if in_store(name, out):
        found = copies(name, out, SUFFIX)
    else:
        below = sorted(folder.rglob(f"*{SUFFIX}"), key=lambda file: file.name) if folder.is_dir() else []
        found = below[-1:] if name == LATEST else [file for file in below if file.name == f"{name}{SUFFIX}"]
    if not found:
        raise RunError(
            "A learning run must be a file, a run id, or latest",
            received=name,
            remedy=f"Name a file *{SUFFIX}, or train with `grouped-bench learn`",
        )
    return found[0]


def find_and_read(name: str, out: Location) -> tuple[list[Training], Json]:
    """The trainings and facts of a learning run, by file, id or `latest` under `out`. Raises RunError."""
    return read(find(name, out))


def _training(row: Json) -> Training:
    values: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return Training(**values)


def _problem(row: Json) -> str | None:
    """What is wrong with a row that a stranger may have made."""
    numbers = [row[name] for name in ("accuracy", "validation_accuracy", "stolen")]
    if any(value is not None and not 0 <= value <= 1 for value in numbers):
        return "a share beyond 0 to 1"
    spans = [row[name] for name in ("training_s", "first_epoch_s", "learning_rate")]
    if any(value is not None and not (math.isfinite(value) and value >= 0) for value in spans):
        return "a number that is not finite"
    if row["status"] not in _STATUSES or row["phase"] not in _PHASES or row["network"] is None:
        return "an unknown status or phase"
    if any(row[name] is None or row[name] < 0 for name in ("seed", "params", "macs")):
        return "a count below 0"
    return "an accuracy is missing" if row["status"] == "ok" and row["accuracy"] is None else None


def _facts_problem(facts: Json) -> str | None:
    try:
        study = study_of(facts)
        names = {network.name for network in study.networks}
        asked = {one for pair in study.comparisons for one in (pair.network, pair.beside)}
    except (KeyError, TypeError, ValueError, AttributeError, SpaceError):
        return "no study"
    return None if asked <= names else "a comparison of a network that is not there"


def _refusal(path: Path, problem: str) -> RunError:
    return RunError(
        "The file of a learning run must be one that `grouped-bench learn` wrote",
        received=f"{path.name}: {problem}",
        remedy="Name another file, or train again",
    )
