"""The one registry of columns: name, Arrow type, unit and meaning of each. A row is a task."""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from grouped_bench.space.case import SETTING, Case, format_extents

SCHEMA_VERSION = 1
METADATA_KEY = b"grouped_bench"
LONGEST_CHOICE = 300

_EXTENTS = pa.list_(pa.int64())
_SERIES = pa.list_(pa.float64())
_SAMPLES = pa.list_(pa.list_(pa.float64()))


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of the record."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


def column(type: pa.DataType, unit: str, meaning: str) -> Any:
    """A field of `Task`: its Arrow type, its unit and what it means."""
    return dataclasses.field(default=None, metadata={"type": type, "unit": unit, "meaning": meaning})


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A row of the record: its columns, where a null is None and a list a tuple.

    `samples_s` and `reference_s` are None in tasks of a frame, whose samples are read where they are needed. Columns
    are attributes; where a column is a value itself, as in a table that a user chooses, `task[name]` reads it.
    """

    run_id: str = column(pa.string(), "", "run that measured this row")
    machine: str = column(pa.string(), "", "what decides the kernels: model, instruction sets and count, as a slug")
    started_at: str = column(pa.timestamp("us", tz="UTC"), "", "start of the run")
    backend: str = column(pa.string(), "", "framework under Keras")
    backend_version: str = column(pa.string(), "", "version of the backend")
    execution: str = column(pa.string(), "", "graph, xla, eager or compile")
    device: str = column(pa.string(), "", "cpu, gpu or gpu:N")
    device_name: str = column(pa.string(), "", "model of the device")
    cache: str = column(
        pa.string(), "", "hot: every call reads the same inputs and weights; cold: each call reads others"
    )
    scope: str = column(pa.string(), "", "layer: one convolution; block: a residual block")
    variant: str = column(pa.string(), "", "way of computing the function")
    computes: str = column(pa.string(), "", "function computed: dense, grouped, or one of its own")
    rank: int = column(pa.int64(), "", "number of spatial axes: Conv1D, Conv2D, Conv3D")
    pass_: str = column(pa.string(), "", "inference, or training: forward and both gradients")
    dtype: str = column(pa.string(), "", "Keras dtype policy")
    data_format: str = column(pa.string(), "", "channels_last or channels_first")
    padding: str = column(pa.string(), "", "same, valid or causal")
    bias: bool = column(pa.bool_(), "", "whether a bias is added")
    batch_size: int = column(pa.int64(), "", "images per call")
    in_channels: int = column(pa.int64(), "", "channels of the input")
    out_channels: int = column(pa.int64(), "", "channels of the output")
    groups: int = column(pa.int64(), "", "groups of the case; ignored by a dense variant; 1 for a block")
    cardinality: int | None = column(pa.int64(), "", "paths of a block; null for a layer")
    width: int | None = column(pa.int64(), "", "channels of a path; null for a layer")
    size: tuple[int, ...] = column(_EXTENTS, "", "spatial extents of the input")
    kernel_size: tuple[int, ...] = column(_EXTENTS, "", "spatial extents of the kernel")
    stride: tuple[int, ...] = column(_EXTENTS, "", "step of the kernel")
    dilation: tuple[int, ...] = column(_EXTENTS, "", "spacing of the kernel's taps")
    multiplicity: int | None = column(
        pa.int64(), "", "how often the case occurs in its network; null without a network"
    )
    label: str | None = column(pa.string(), "", "name of the case in its network")
    params: int = column(pa.int64(), "", "convolution weights and biases, analytic")
    params_total: int = column(pa.int64(), "", "weights, biases and batch normalisation, analytic")
    macs: int = column(
        pa.int64(), "", "multiply-accumulates of the whole batch, padding included; training is 3 x forward"
    )
    min_bytes: int = column(pa.int64(), "B", "traffic if every tensor of the pass is read or written once")
    status: str = column(
        pa.string(), "", "ok, unsupported, oom, timeout, crashed, incorrect, predicted_oom, interrupted or error"
    )
    reason: str | None = column(pa.string(), "", "why the status is not ok")
    relative_error: float | None = column(
        pa.float64(),
        "",
        "max |y - ref| / max |ref|, the worst of output and gradients; Euclidean for gradients of blocks",
    )
    first_calls_s: tuple[float | None, ...] | None = column(
        _SERIES, "s", "trace, compile and first call, one value per process"
    )
    latency_s: float | None = column(pa.float64(), "s", "time of an iteration: median over visits of the visit medians")
    latency_low_s: float | None = column(pa.float64(), "s", "lower end of its 95% interval")
    latency_high_s: float | None = column(pa.float64(), "s", "upper end of its 95% interval")
    speedup: float | None = column(
        pa.float64(),
        "",
        "latency of the baseline divided by this one's: geometric mean over processes of ratios paired by round",
    )
    speedup_low: float | None = column(pa.float64(), "", "lower end of its interval, corrected for looks and pairs")
    speedup_high: float | None = column(pa.float64(), "", "upper end of its interval, corrected for looks and pairs")
    verdict: str | None = column(pa.string(), "", "faster, slower, equivalent or undecided against the baseline")
    peak_memory_bytes: int | None = column(
        pa.int64(),
        "B",
        "peak of a warmed-up call, inputs and weights included; the mean over calls if it was counted; excludes what a "
        "kernel's library takes outside the framework's allocator",
    )
    memory_source: str | None = column(
        pa.string(),
        "",
        "allocator (its statistics), compiler (its plan), counted (allocations that a profiler saw), or resident "
        "(growth of the process's resident set, where nothing counts)",
    )
    energy_j: float | None = column(pa.float64(), "J", "energy of an iteration; null without a meter")
    samples_s: tuple[tuple[float | None, ...], ...] | None = column(
        _SAMPLES, "s", "[visit][round], seconds per iteration"
    )
    reference_s: tuple[tuple[float | None, ...], ...] | None = column(
        _SAMPLES, "s", "time of the reference workload in the same rounds"
    )
    visit_process: tuple[int, ...] | None = column(
        pa.list_(pa.int64()), "", "process of the cohort that made each visit"
    )
    iterations: int | None = column(pa.int64(), "", "calls per sample")
    flags: tuple[str, ...] | None = column(pa.list_(pa.string()), "", "what makes the figures less certain")
    env: str | None = column(
        pa.string(), "", "values of --env, as NAME=value in the order given; NAME= is unset; null if unchanged"
    )
    in_force: str | None = column(
        pa.string(),
        "",
        "JSON: what the process really used: oneDNN on or off, instruction sets, threads, accepted flags, TF32",
    )
    visit_stolen: tuple[float | None, ...] | None = column(
        _SERIES, "", "share of processor time that other programs took in each visit"
    )
    visit_throttled: tuple[float | None, ...] | None = column(
        _SERIES, "", "share of each visit that a quota or a low clock held back"
    )
    reference: str | None = column(
        pa.string(), "", "reference workload: machine, or an operation of the case (--reference)"
    )
    threads: int | None = column(pa.int64(), "", "threads asked for; null if the backend chooses")
    env_speedup: float | None = column(
        pa.float64(),
        "",
        "latency under the run's first environment (env, threads) divided by this one's, paired by turn",
    )
    env_speedup_low: float | None = column(pa.float64(), "", "lower end of its interval, corrected for looks and pairs")
    env_speedup_high: float | None = column(
        pa.float64(), "", "upper end of its interval, corrected for looks and pairs"
    )
    env_verdict: str | None = column(
        pa.string(), "", "faster, slower, equivalent or undecided against the first environment"
    )
    visit_turn: tuple[int, ...] | None = column(
        pa.list_(pa.int64()), "", "turn of each visit; the visits of a turn, one per environment, follow each other"
    )
    choice: str | None = column(pa.string(), "", "what the run chose where the variant leaves it open, such as m=4")
    in_use: str | None = column(pa.string(), "", "variant that the network uses for the case; null if unknown")
    layout: str | None = column(
        pa.string(), "", "contiguous or channels_last: memory format of a torch.nn module; null for a Keras layer"
    )

    @property
    def seconds(self) -> float:
        """The latency of a task that has one."""
        assert self.latency_s is not None, self
        return self.latency_s

    @property
    def factor(self) -> float:
        """The speed-up of a task that has one."""
        assert self.speedup is not None, self
        return self.speedup

    def __iter__(self) -> Iterator[Any]:
        """The values of all columns, in their order."""
        return (getattr(self, name) for name in ATTRIBUTES.values())

    def __getitem__(self, name: str) -> Any:
        """The value of the column `name`, which may be a derived one."""
        one = _DERIVED.get(name)
        return one.of(*map(self.__getitem__, one.sources)) if one else getattr(self, ATTRIBUTES.get(name, name))


# The attribute of a task that holds a column, whose name may be a keyword of Python's.
ATTRIBUTES = {field.name.rstrip("_"): field.name for field in dataclasses.fields(Task)}
COLUMNS = tuple(Column(field.name.rstrip("_"), **field.metadata) for field in dataclasses.fields(Task))

NAMES = tuple(column.name for column in COLUMNS)
ANALYTIC = (*NAMES[NAMES.index("backend") : NAMES.index("status")], "env", "threads", "layout")
COHORT_KEY = (
    *("scope", "rank", "batch_size", "in_channels", "out_channels", "groups", "cardinality", "width"),
    *("size", "kernel_size", "stride", "dilation", "padding", "bias", "dtype", "data_format", "pass"),
    *SETTING,
)
_NULLABLE = ("env", "threads", "layout", "cardinality", "width", "multiplicity", "label")
# Never null in a row, whatever became of its task.
REQUIRED = (
    *("run_id", "machine", "started_at", "status"),
    *(name for name in ANALYTIC if name not in _NULLABLE),
)
# Came after the first files: one that lacks them is read, and they are null.
LATER = (
    *("visit_stolen", "visit_throttled", "reference", "env", "in_force", "threads"),
    *("env_speedup", "env_speedup_low", "env_speedup_high", "env_verdict", "visit_turn", "choice", "in_use"),
    "layout",
)
RAW = ("samples_s", "reference_s")
EXTENTS = ("size", "kernel_size", "stride", "dilation")
# An entry for each visit or process.
SERIES = ("first_calls_s", *RAW, *(name for name in NAMES if name.startswith("visit_")))
_CASE = COHORT_KEY[: COHORT_KEY.index("backend")]


@dataclasses.dataclass(frozen=True)
class Derived(Column):
    """A column that no file holds: `of` makes it from the values of `sources`, a null being None, a list a tuple."""

    sources: tuple[str, ...]
    of: Callable[..., Any]


def _title(*values: Any) -> str:
    """The heading of a case, as far as it is recorded, of the values of _CASE."""
    columns = dict(zip(_CASE, values, strict=True))
    try:
        return Case.from_columns(columns).title()
    except (TypeError, ValueError, KeyError):
        names = ("scope", "groups", "cardinality", "width", "pass")
        known = [f"{name} {columns[name]}" for name in names if columns[name] is not None]
        return ", ".join(known) or "unknown case"


def _median(values: Sequence[float | None] | None) -> float | None:
    known = [value for value in values or () if value is not None]
    return statistics.median(known) if known else None


def _distinct(values: Sequence[Any]) -> int:
    return len(set(values))


def _known(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`function` of a value; None of a null."""
    return lambda value: None if value is None else function(value)


_TEXT, _REAL, _WHOLE = pa.string(), pa.float64(), pa.int64()
_LISTED = ("visit_process",)
# What people group and filter by, and lists as one number.
DERIVED = (
    Derived("case", _TEXT, "", "heading of the case in tables; not in the file", _CASE, _title),
    *(
        Derived(
            f"{name}_text",
            _TEXT,
            "",
            f"{name} as text, like 3x3; not in the file",
            (name,),
            _known(format_extents),
        )
        for name in EXTENTS
    ),
    Derived("first_call_s", _REAL, "s", "median of first_calls_s; not in the file", ("first_calls_s",), _median),
    Derived("visits", _WHOLE, "", "number of visits; not in the file", _LISTED, _known(len)),
    Derived("processes", _WHOLE, "", "number of processes that made them; not in the file", _LISTED, _known(_distinct)),
)
_DERIVED = {one.name: one for one in DERIVED}


def sources(name: str) -> tuple[str, ...]:
    """The columns that the column `name` is derived from; none for one of the file."""
    return _DERIVED[name].sources if name in _DERIVED else ()


def _in_frame() -> Iterator[Column]:
    for stored in COLUMNS:
        yield stored
        yield from (one for one in DERIVED if one.sources[0] == stored.name)


# Those of a run's frame: a derived column stands behind the first of those that it is made from.
IN_FRAME = tuple(_in_frame())
FRAME_NAMES = tuple(column.name for column in IN_FRAME)
STATUSES = (
    *("ok", "unsupported", "oom", "timeout", "crashed", "incorrect"),
    *("predicted_oom", "interrupted", "error"),
)


def arrow_schema() -> pa.Schema:
    """The Arrow schema of a run's table; unit and meaning stand in each field's metadata."""
    fields = [
        pa.field(column.name, column.type, metadata={"unit": column.unit, "meaning": column.meaning})
        for column in COLUMNS
    ]
    return pa.schema(fields)
