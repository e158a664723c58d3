"""Checks of a file from elsewhere before it is used: sizes, values, shape of its facts."""

import datetime
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.schema import REQUIRED, STATUSES, arrow_schema

MOST_ROWS = 200_000
# A run of 5,000 tasks has some 20 MiB.
MOST_BYTES = 2 * 2**30
LONGEST_TEXT = 10_000
LARGEST_METADATA = 64 * 2**20
DEEPEST_METADATA = 40
_LAST_MICROSECOND = 253_402_300_799_999_999  # of the year 9999, the last that Python's dates know
# Of seconds, ratios, shares and joules, where they are not 0: no run has what lies beyond.
LEAST, MOST = 1e-15, 1e15
_EXTENTS = ("size", "kernel_size", "stride", "dilation")


Rate = Annotated[float, Field(gt=0, le=1e24, allow_inf_nan=False)]
Elapsed = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Log = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Sampled = Annotated[float, Field(ge=LEAST, le=MOST, allow_inf_nan=False)]
# How many rounds of a visit a baseline has kept at most.
KeptRounds = Annotated[int, Field(ge=1, lt=2**31)]
Tally = Annotated[int, Field(ge=0, lt=2**63)]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]


def _moment(text: str) -> str:
    """ValueError for a date that the calendar does not have."""
    datetime.datetime.fromisoformat(text)
    return text


Timestamp = Annotated[str, Field(max_length=40), AfterValidator(_moment)]
_D = "[0-9]"
CommitId = Annotated[str, Field(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]
ChangesDigest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
CommitDate = Annotated[
    str,
    Field(pattern=f"^(19[7-9]|[2-9]{_D}{_D}){_D}-[0-9T:-]{{14}}(Z|[+-]{_D}{_D}:{_D}{_D})$"),
    AfterValidator(_moment),
]


class CommitFacts(TypedDict):
    """The commit that was checked out where a run was started, and whether tracked files differed from it.

    `changes` is a digest of how they differed.
    """

    id: CommitId
    date: CommitDate
    dirty: bool
    changes: NotRequired[ChangesDigest]


class PeakFacts(TypedDict):
    """What a backend reaches on a device in a dtype."""

    backend: str
    env: NotRequired[str | None]
    threads: NotRequired[int | None]
    device: str
    dtype: str
    flops_per_s: Rate
    bytes_per_s: Rate
    call_s: NotRequired[Annotated[float, Field(gt=0, allow_inf_nan=False)]]


class PrimitiveFacts(TypedDict):
    """A kind of primitive that a call ran."""

    kind: str
    implementation: str
    propagation: str
    problem: str
    count: Tally
    seconds: Elapsed


class InstructionFacts(TypedDict):
    """A kind of instruction that XLA compiled."""

    kind: str
    shape: str
    window: str
    feature_groups: Tally
    batch_groups: Tally
    macs: Tally | None
    count: Tally


class KernelFacts(TypedDict):
    """A kind of kernel that a call ran."""

    name: str
    count: Tally
    seconds: Elapsed


class LookFacts(TypedDict):
    """What ran inside a task, as far as a reader is shown it."""

    variant: str
    case: str
    setting: str
    status: str
    reason: str | None
    latency_s: Rate
    call_s: Elapsed | None
    flops_per_s: Rate
    bytes_per_s: Rate
    peak: dict[str, Rate] | None
    share_of_peak: Rate | None
    share_of_bandwidth: Rate | None
    primitives: list[PrimitiveFacts]
    instructions: list[InstructionFacts]
    kernels: list[KernelFacts]
    causes: list[str]


class Half(TypedDict):
    """Which half of a measurement side by side a run is, and the id of the other.

    `rerun_of` is the id of the run some tasks of which were measured again.
    """

    role: Literal["base", "head"]
    partner: str
    rerun_of: NotRequired[str]


class RatioFacts(TypedDict):
    """Logarithms of a task's speed-up on several devices, and their standard errors."""

    case: str
    setting: str
    variant: str
    logs: list[Log | None]
    errors: list[Log | None]


class DevicesFacts(TypedDict):
    """Several devices of a class, the run of each, and what they measured of the same tasks."""

    nodes: Annotated[list[ShortText], Field(max_length=64)]
    runs: Annotated[list[ShortText], Field(max_length=64)]
    ratios: Annotated[list[RatioFacts], Field(max_length=10_000)]


class Machine(TypedDict):
    """What decides the kernels, as `store.identity` has it."""

    kind: Literal["processor", "gpu"]
    name: ShortText
    vendor: ShortText | None
    family: ShortText | None
    model: ShortText | None
    instruction_sets: Annotated[list[ShortText], Field(min_length=1, max_length=200)]
    sizes: dict[ShortText, Tally]
    count: Annotated[int, Field(ge=1, lt=2**31)]
    system: ShortText | None
    derived: bool


class RunFacts(BaseModel):
    """The shape of the run-wide facts; more of them may be there, and any may be missing but the schema's version."""

    model_config = ConfigDict(extra="allow", strict=True)

    version_of_schema: int = Field(alias="schema")
    run_id: str | None = None
    machine: str | None = None
    identity: Machine | None = None
    version: str | None = None
    started_at: str | None = None
    commit: CommitFacts | None = None
    seed: int | None = None
    stopped_by: str | None = None
    finished: bool | None = None
    space: Json | None = None
    control: Json | None = None
    environment: Json | None = None
    command: list[Any] | None = None
    skipped: list[Json] | None = None
    time: Json | None = None
    peaks: list[PeakFacts] | None = None
    explanations: list[LookFacts] | None = None
    thinned: KeptRounds | None = None
    side_by_side: Half | None = None
    devices: DevicesFacts | None = None


def size_problem(file: pq.ParquetFile) -> str | None:
    """Why a Parquet file is too large to be read as a run, by its footer alone; None where it is not."""
    facts = file.metadata
    # Of row groups, not of their columns: pyarrow ends the process where the facts of a column are damaged.
    size = sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))
    for found, most, noun in ((facts.num_rows, MOST_ROWS, "rows"), (size, MOST_BYTES, "bytes")):
        if not 0 <= found <= most:
            return f"{found:,} {noun}, at most {most:,} are read"
    return None


def value_problem(table: pa.Table) -> str | None:
    """The first value that no run holds, in words; None where there is none.

    Args:
        table: has the columns of the schema, each of its type.
    """
    return next((problem for field in arrow_schema() for problem in _problems(field.name, table[field.name])), None)


def metadata_problem(metadata: Facts) -> str | None:
    """The first run-wide fact of another shape than ours, in words; None where there is none."""
    if depth(metadata) > DEEPEST_METADATA:
        return f"metadata nested more than {DEEPEST_METADATA} deep"
    try:
        RunFacts.model_validate(metadata)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))} in the metadata: {first['msg']}"
    return None


def _problems(name: str, column: pa.ChunkedArray) -> Iterator[str]:
    if name in REQUIRED and column.null_count:
        yield f"{name} is null"
    if name in _EXTENTS:
        lengths = pc.min_max(pc.list_value_length(column)).as_py()
        if lengths["min"] is not None and not 1 <= lengths["min"] <= lengths["max"] <= 3:
            yield f"{name} has {lengths['min']} to {lengths['max']} extents"
    values = column
    while pa.types.is_list(values.type):
        values = pc.list_flatten(values)
    kind = values.type
    if pa.types.is_string(kind):
        yield from _text_problems(name, values)
    elif pa.types.is_timestamp(kind):
        ends = pc.min_max(values.cast(pa.int64())).as_py()
        if ends["min"] is not None and not 0 <= ends["min"] <= ends["max"] <= _LAST_MICROSECOND:
            yield f"{name} is outside the years 1970 to 9999"
    elif pa.types.is_integer(kind):
        low = pc.min(values).as_py()
        if low is not None and low < (1 if name in _EXTENTS else 0):
            yield f"{name} holds {low}"
    elif pa.types.is_floating(kind):
        found = values.drop_null().to_numpy()
        odd = found[~_sane(name, found)]
        if odd.size:
            yield f"{name} holds {odd[0]}"


def _sane(name: str, values: np.ndarray) -> np.ndarray:
    """Which of `values` a run may hold."""
    # An error is infinite for a wrong shape and for what is not finite; few and noisy visits may drive the ends of an
    # interval to 0 and to infinity.
    if name == "relative_error" or name.endswith(("_low", "_low_s", "_high", "_high_s")):
        return np.asarray(values >= 0)
    # A latency is a divisor, a speed-up stands in a logarithm.
    may_be_zero = not name.startswith(("samples", "latency", "speedup", "env_speedup", "reference"))
    return np.asarray(((values >= LEAST) & (values <= MOST)) | (may_be_zero & (values == 0)))


def _text_problems(name: str, values: pa.ChunkedArray) -> Iterator[str]:
    longest = pc.max(pc.utf8_length(values)).as_py()
    if longest is not None and longest > LONGEST_TEXT:
        yield f"{name} holds a text of {longest:,} characters"
    if name == "status":
        unknown = set(pc.unique(values).to_pylist()) - {*STATUSES, None}
        if unknown:
            yield f"status {min(unknown)}"


def depth(tree: Any) -> int:
    """Depth of nested lists and dicts; no depth is too deep to be measured."""
    deepest, todo = 0, [(tree, 1)]
    while todo:
        value, depth = todo.pop()
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        deepest = max(deepest, depth)
        todo += [(part, depth + 1) for part in parts]
    return deepest
