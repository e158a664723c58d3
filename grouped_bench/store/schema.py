"""The one registry of columns: name, Arrow type, unit and meaning of each. A row is a task."""

import dataclasses

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


COLUMNS = (
    Column("run_id", pa.string(), "", "the invocation that measured this row"),
    Column("machine", pa.string(), "", "slug of what decides the kernels: model, instruction sets and count"),
    Column("started_at", pa.timestamp("us", tz="UTC"), "", "when the run began"),
    Column("backend", pa.string(), "", "framework below Keras"),
    Column("backend_version", pa.string(), "", "its version"),
    Column("execution", pa.string(), "", "graph, xla, eager or compile"),
    Column("device", pa.string(), "", "cpu, gpu or gpu:N"),
    Column("device_name", pa.string(), "", "model of the device"),
    Column("cache", pa.string(), "", "hot: every call reads the same inputs and weights; cold: each call others"),
    Column("scope", pa.string(), "", "layer: one convolution; block: a residual block"),
    Column("variant", pa.string(), "", "way in which the function is computed"),
    Column("computes", pa.string(), "", "function: dense, grouped, or one of its own"),
    Column("rank", pa.int64(), "", "spatial axes: Conv1D, Conv2D, Conv3D"),
    Column("pass", pa.string(), "", "inference, or training: forward and both gradients"),
    Column("dtype", pa.string(), "", "Keras dtype policy"),
    Column("data_format", pa.string(), "", "channels_last or channels_first"),
    Column("padding", pa.string(), "", "same, valid or causal"),
    Column("bias", pa.bool_(), "", "whether a bias is added"),
    Column("batch_size", pa.int64(), "", "images a call"),
    Column("in_channels", pa.int64(), "", "channels of the input"),
    Column("out_channels", pa.int64(), "", "channels of the output"),
    Column("groups", pa.int64(), "", "groups of the case; a dense variant ignores them; 1 for a block"),
    Column("cardinality", pa.int64(), "", "paths of a block; null for a layer"),
    Column("width", pa.int64(), "", "channels of a path; null for a layer"),
    Column("size", _EXTENTS, "", "spatial extents of the input"),
    Column("kernel_size", _EXTENTS, "", "spatial extents of the kernel"),
    Column("stride", _EXTENTS, "", "step of the kernel"),
    Column("dilation", _EXTENTS, "", "spacing of the kernel's taps"),
    Column("multiplicity", pa.int64(), "", "how often the case stands in its network; null where it has none"),
    Column("label", pa.string(), "", "name of the case in its network"),
    Column("params", pa.int64(), "", "convolution weights and biases, analytic"),
    Column("params_total", pa.int64(), "", "the same and batch normalisation, analytic"),
    Column("macs", pa.int64(), "", "multiply-accumulates of the whole batch, padding counted; training 3 x forward"),
    Column("min_bytes", pa.int64(), "B", "every tensor of the pass read or written once"),
    Column(
        "status",
        pa.string(),
        "",
        "ok, unsupported, oom, timeout, crashed, incorrect, predicted_oom, interrupted or error",
    ),
    Column("reason", pa.string(), "", "why the status is not ok"),
    Column(
        "relative_error",
        pa.float64(),
        "",
        "max |y - ref| / max |ref|, worst of output and gradients; Euclidean for gradients of blocks",
    ),
    Column("first_calls_s", _SERIES, "s", "trace, compile and first call, one a process"),
    Column("latency_s", pa.float64(), "s", "median over visits of the visit medians, an iteration"),
    Column("latency_low_s", pa.float64(), "s", "lower end of its 95 % interval"),
    Column("latency_high_s", pa.float64(), "s", "upper end of its 95 % interval"),
    Column(
        "speedup",
        pa.float64(),
        "",
        "latency of the baseline over this one's: geometric mean over processes of ratios paired by round",
    ),
    Column("speedup_low", pa.float64(), "", "lower end, corrected for looks and pairs"),
    Column("speedup_high", pa.float64(), "", "upper end, corrected for looks and pairs"),
    Column("verdict", pa.string(), "", "faster, slower, equivalent or undecided against the baseline"),
    Column(
        "peak_memory_bytes",
        pa.int64(),
        "B",
        "peak of a warmed-up call, inputs and weights included: the mean over calls where it was counted; without what "
        "a kernel's library takes past the framework's allocator",
    ),
    Column(
        "memory_source",
        pa.string(),
        "",
        "allocator (its statistics), compiler (its plan) or counted (allocations that a profiler saw); resident where "
        "nothing counts: growth of the process's resident set",
    ),
    Column("energy_j", pa.float64(), "J", "an iteration; null where there is no meter"),
    Column("samples_s", _SAMPLES, "s", "[visit][round], seconds an iteration"),
    Column("reference_s", _SAMPLES, "s", "the machine's reference workload in the same rounds"),
    Column("visit_process", pa.list_(pa.int64()), "", "which process of the cohort made each visit"),
    Column("iterations", pa.int64(), "", "calls a sample"),
    Column("flags", pa.list_(pa.string()), "", "what makes the figures less sure"),
    Column(
        "env", pa.string(), "", "values of --env, NAME=value in the order given; NAME= is unset; null where left alone"
    ),
    Column(
        "in_force",
        pa.string(),
        "",
        "JSON: what the process really used: oneDNN on or off, instruction sets, threads, accepted flags, TF32",
    ),
    Column("visit_stolen", _SERIES, "", "share of the processors' time that other programs took in each visit"),
    Column("visit_throttled", _SERIES, "", "share of each visit in which a quota or a low clock held it back"),
    Column(
        "reference", pa.string(), "", "which reference workload: machine, or what operation of the case (--reference)"
    ),
    Column("threads", pa.int64(), "", "threads asked for; null where the backend chooses"),
    Column(
        "env_speedup",
        pa.float64(),
        "",
        "latency under the first environment (env, threads) of the run over this one's, paired by turn",
    ),
    Column("env_speedup_low", pa.float64(), "", "lower end, corrected for looks and pairs"),
    Column("env_speedup_high", pa.float64(), "", "upper end, corrected for looks and pairs"),
    Column("env_verdict", pa.string(), "", "faster, slower, equivalent or undecided against the first environment"),
    Column("visit_turn", pa.list_(pa.int64()), "", "visits of one turn, under all environments, were made in a row"),
    Column("choice", pa.string(), "", "what the run chose for a variant that leaves something open, such as m=4"),
    Column("in_use", pa.string(), "", "variant as which its network has the case; null where that is not known"),
)

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
