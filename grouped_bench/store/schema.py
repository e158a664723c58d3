"""The one registry of columns: name, Arrow type, unit and meaning of each. A row is a task."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

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

    run_id: str = column(pa.string(), "", "the invocation that measured this row")
    machine: str = column(pa.string(), "", "slug of what decides the kernels: model, instruction sets and count")
    started_at: str = column(pa.timestamp("us", tz="UTC"), "", "when the run began")
    backend: str = column(pa.string(), "", "framework below Keras")
    backend_version: str = column(pa.string(), "", "its version")
    execution: str = column(pa.string(), "", "graph, xla, eager or compile")
    device: str = column(pa.string(), "", "cpu, gpu or gpu:N")
    device_name: str = column(pa.string(), "", "model of the device")
    cache: str = column(pa.string(), "", "hot: every call reads the same inputs and weights; cold: each call others")
    scope: str = column(pa.string(), "", "layer: one convolution; block: a residual block")
    variant: str = column(pa.string(), "", "way in which the function is computed")
    computes: str = column(pa.string(), "", "function: dense, grouped, or one of its own")
    rank: int = column(pa.int64(), "", "spatial axes: Conv1D, Conv2D, Conv3D")
    pass_: str = column(pa.string(), "", "inference, or training: forward and both gradients")
    dtype: str = column(pa.string(), "", "Keras dtype policy")
    data_format: str = column(pa.string(), "", "channels_last or channels_first")
    padding: str = column(pa.string(), "", "same, valid or causal")
    bias: bool = column(pa.bool_(), "", "whether a bias is added")
    batch_size: int = column(pa.int64(), "", "images a call")
    in_channels: int = column(pa.int64(), "", "channels of the input")
    out_channels: int = column(pa.int64(), "", "channels of the output")
    groups: int = column(pa.int64(), "", "groups of the case; a dense variant ignores them; 1 for a block")
    cardinality: int | None = column(pa.int64(), "", "paths of a block; null for a layer")
    width: int | None = column(pa.int64(), "", "channels of a path; null for a layer")
    size: tuple[int, ...] = column(_EXTENTS, "", "spatial extents of the input")
    kernel_size: tuple[int, ...] = column(_EXTENTS, "", "spatial extents of the kernel")
    stride: tuple[int, ...] = column(_EXTENTS, "", "step of the kernel")
    dilation: tuple[int, ...] = column(_EXTENTS, "", "spacing of the kernel's taps")
    multiplicity: int | None = column(
        pa.int64(), "", "how often the case stands in its network; null where it has none"
    )
    label: str | None = column(pa.string(), "", "name of the case in its network")
    params: int = column(pa.int64(), "", "convolution weights and biases, analytic")
    params_total: int = column(pa.int64(), "", "the same and batch normalisation, analytic")
    macs: int = column(pa.int64(), "", "multiply-accumulates of the whole batch, padding counted; training 3 x forward")
    min_bytes: int = column(pa.int64(), "B", "every tensor of the pass read or written once")
    status: str = column(
        pa.string(), "", "ok, unsupported, oom, timeout, crashed, incorrect, predicted_oom, interrupted or error"
    )
    reason: str | None = column(pa.string(), "", "why the status is not ok")
    relative_error: float | None = column(
        pa.float64(), "", "max |y - ref| / max |ref|, worst of output and gradients; Euclidean for gradients of blocks"
    )
    first_calls_s: tuple[float | None, ...] | None = column(
        _SERIES, "s", "trace, compile and first call, one a process"
    )
    latency_s: float | None = column(pa.float64(), "s", "median over visits of the visit medians, an iteration")
    latency_low_s: float | None = column(pa.float64(), "s", "lower end of its 95 % interval")
    latency_high_s: float | None = column(pa.float64(), "s", "upper end of its 95 % interval")
    speedup: float | None = column(
        pa.float64(),
        "",
        "latency of the baseline over this one's: geometric mean over processes of ratios paired by round",
    )
    speedup_low: float | None = column(pa.float64(), "", "lower end, corrected for looks and pairs")
    speedup_high: float | None = column(pa.float64(), "", "upper end, corrected for looks and pairs")
    verdict: str | None = column(pa.string(), "", "faster, slower, equivalent or undecided against the baseline")
    peak_memory_bytes: int | None = column(
        pa.int64(),
        "B",
        "peak of a warmed-up call, inputs and weights included: the mean over calls where it was counted; without what "
        "a kernel's library takes past the framework's allocator",
    )
    memory_source: str | None = column(
        pa.string(),
        "",
        "allocator (its statistics), compiler (its plan) or counted (allocations that a profiler saw); resident where "
        "nothing counts: growth of the process's resident set",
    )
    energy_j: float | None = column(pa.float64(), "J", "an iteration; null where there is no meter")
    samples_s: tuple[tuple[float | None, ...], ...] | None = column(
        _SAMPLES, "s", "[visit][round], seconds an iteration"
    )
    reference_s: tuple[tuple[float | None, ...], ...] | None = column(
        _SAMPLES, "s", "the machine's reference workload in the same rounds"
    )
    visit_process: tuple[int, ...] | None = column(
        pa.list_(pa.int64()), "", "which process of the cohort made each visit"
    )
    iterations: int | None = column(pa.int64(), "", "calls a sample")
    flags: tuple[str, ...] | None = column(pa.list_(pa.string()), "", "what makes the figures less sure")
    env: str | None = column(
        pa.string(), "", "values of --env, NAME=value in the order given; NAME= is unset; null where left alone"
    )
    in_force: str | None = column(
        pa.string(),
        "",
        "JSON: what the process really used: oneDNN on or off, instruction sets, threads, accepted flags, TF32",
    )
    visit_stolen: tuple[float | None, ...] | None = column(
        _SERIES, "", "share of the processors' time that other programs took in each visit"
    )
    visit_throttled: tuple[float | None, ...] | None = column(
        _SERIES, "", "share of each visit in which a quota or a low clock held it back"
    )
    reference: str | None = column(
        pa.string(), "", "which reference workload: machine, or what operation of the case (--reference)"
    )
    threads: int | None = column(pa.int64(), "", "threads asked for; null where the backend chooses")
    env_speedup: float | None = column(
        pa.float64(),
        "",
        "latency under the first environment (env, threads) of the run over this one's, paired by turn",
    )
    env_speedup_low: float | None = column(pa.float64(), "", "lower end, corrected for looks and pairs")
    env_speedup_high: float | None = column(pa.float64(), "", "upper end, corrected for looks and pairs")
    env_verdict: str | None = column(
        pa.string(), "", "faster, slower, equivalent or undecided against the first environment"
    )
    visit_turn: tuple[int, ...] | None = column(
        pa.list_(pa.int64()), "", "visits of one turn, under all environments, were made in a row"
    )
    choice: str | None = column(
        pa.string(), "", "what the run chose for a variant that leaves something open, such as m=4"
    )
    in_use: str | None = column(
        pa.string(), "", "variant as which its network has the case; null where that is not known"
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
        """The value of the column `name`."""
        return getattr(self, ATTRIBUTES.get(name, name))


# The attribute of a task that holds a column, whose name may be a keyword of Python's.
ATTRIBUTES = {field.name.rstrip("_"): field.name for field in dataclasses.fields(Task)}
COLUMNS = tuple(Column(field.name.rstrip("_"), **field.metadata) for field in dataclasses.fields(Task))

NAMES = tuple(column.name for column in COLUMNS)
ANALYTIC = (*NAMES[NAMES.index("backend") : NAMES.index("status")], "env", "threads")
COHORT_KEY = (
    *("scope", "rank", "batch_size", "in_channels", "out_channels", "groups", "cardinality", "width"),
    *("size", "kernel_size", "stride", "dilation", "padding", "bias", "dtype", "data_format", "pass"),
    *("backend", "execution", "device", "cache", "env", "threads"),
)
# Never null in a row, whatever became of its task.
REQUIRED = (
    *("run_id", "machine", "started_at", "status"),
    *(name for name in ANALYTIC if name not in ("env", "threads", "cardinality", "width", "multiplicity", "label")),
)
# Came after the first files: one that lacks them is read, and they are null.
LATER = (
    *("visit_stolen", "visit_throttled", "reference", "env", "in_force", "threads"),
    *("env_speedup", "env_speedup_low", "env_speedup_high", "env_verdict", "visit_turn", "choice", "in_use"),
)
RAW = ("samples_s", "reference_s")
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
