"""The lines of a journal: anything else is refused before it is used."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from grouped_bench.errors import RunError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.checks import CommitFacts, Half, Machine, PeakFacts, Tally
from grouped_bench.store.journal import read_journal
from grouped_bench.store.schema import LONGEST_CHOICE, STATUSES

Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Joules = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SampleList = Annotated[list[Duration | None], Field(min_length=1)]
Error = Annotated[float, Field(ge=0)]
Choice = Annotated[str, Field(min_length=1, max_length=LONGEST_CHOICE)]


class OrderRecord(TypedDict):
    """What of a run's order its plan and controls do not hold."""

    memory: bool
    files: list[str]
    force: bool


class TaskRecord(TypedDict):
    """Of a task what joins records to it; its columns are held to the schema."""

    cohort: Tally
    variant: str


class Environment(TypedDict):
    """Of the environment what going on with a run reads."""

    imports: NotRequired[dict[str, str]]


class Header(TypedDict):
    """The first line."""

    schema: int
    version: str
    run_id: str
    machine: str
    started_at: str
    space: Json
    control: Json
    seed: Tally
    environment: Environment
    tasks: list[TaskRecord]
    order: OrderRecord
    commit: NotRequired[CommitFacts | None]
    identity: NotRequired[Machine | None]
    peaks: NotRequired[list[PeakFacts]]
    side_by_side: NotRequired[Half]


class Failure(TypedDict):
    """Why a task has no more figures."""

    status: Annotated[str, Field(pattern=f"^({'|'.join(STATUSES)})$")]
    reason: str
    relative_error: NotRequired[Error]


class Built(TypedDict):
    """What building a variant in a new process showed."""

    first_call_s: Duration
    verify_s: Duration
    warm_up_s: Duration
    iterations: Annotated[int, Field(ge=1, lt=2**63)]
    relative_error: NotRequired[Error]
    choice: NotRequired[Choice]
    macs: NotRequired[Tally]
    search_s: NotRequired[Duration]


class CutShort(TypedDict):
    """Whose turn it was when the run's time ended."""

    variant: str | None
    reason: str


class VisitRecord(TypedDict):
    """One visit of a cohort."""

    kind: Literal["visit"]
    cohort: Tally
    process: Tally
    at: Duration
    seconds: Duration
    start_seconds: Duration
    visit_seconds: Duration
    time: dict[str, Duration]
    built: dict[str, Built]
    failed: dict[str, Failure]
    samples: dict[str, SampleList]
    turn: NotRequired[Tally]
    cut_short: NotRequired[CutShort]
    reference: NotRequired[SampleList | dict[str, SampleList] | None]
    beside: NotRequired[dict[str, str] | None]
    stolen: NotRequired[Fraction | None]
    throttled: NotRequired[Fraction | None]
    node: NotRequired[str]
    engine: NotRequired[Fraction]


class Memory(TypedDict):
    """One reading of a task's memory, or why there is none."""

    kind: Literal["memory"]
    cohort: Tally
    variant: str
    at: Duration
    time: dict[str, Duration]
    peak_bytes: NotRequired[Tally | None]
    source: NotRequired[str | None]
    energy_j: NotRequired[Joules | None]
    status: NotRequired[str]
    reason: NotRequired[str]
    node: NotRequired[str]


class Moved(TypedDict):
    """A cohort that is begun anew, since the node that had begun it is gone: its earlier records count no more."""

    kind: Literal["moved"]
    cohort: Tally
    at: Duration


class Left(TypedDict):
    """A node that measures no more, and why."""

    kind: Literal["left"]
    node: str
    reason: str
    at: Duration


class Resumed(TypedDict):
    """Where a run was resumed."""

    kind: Literal["resumed"]
    at: Duration
    torn: bool


_HEADER = TypeAdapter(Header)
_RECORDS = TypeAdapter(list[Annotated[VisitRecord | Memory | Moved | Left | Resumed, Field(discriminator="kind")]])


def read_checked(path: Path) -> tuple[Json, list[Json], bool]:
    """What `read_journal` gives, once it is known to be what a run writes. Raises RunError."""
    header, records, torn = read_journal(path)
    if problem := journal_problem(header, records):
        raise RunError(
            "A journal must contain what `grouped-bench run` writes",
            received=f"{path.name}: {problem}",
            remedy="Measure the run again",
        )
    return header, records, torn


def journal_problem(header: Facts, records: Sequence[Json]) -> str | None:
    """The first thing in a journal that no run writes, in words; None where there is none."""
    try:
        _HEADER.validate_python(header, strict=True)
        _RECORDS.validate_python(records, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    known = {(task["cohort"], task["variant"]) for task in header["tasks"]}
    chosen: dict[tuple[int, str], str] = {}
    for number, record in enumerate(records, 2):
        named = [*record.get("built", ()), *record.get("failed", ()), *record.get("samples", ())]
        named += [record["variant"]] if record["kind"] == "memory" else []
        if record["kind"] in ("visit", "memory") and any((record["cohort"], name) not in known for name in named):
            return f"line {number} has a task that the header does not name"
        if record["kind"] == "moved":
            chosen = {key: choice for key, choice in chosen.items() if key[0] != record["cohort"]}
        if record["kind"] in ("visit", "moved") and record["cohort"] not in {cohort for cohort, _ in known}:
            return f"line {number} has a cohort that the header does not name"
        for name, built in record.get("built", {}).items():
            if "choice" in built and chosen.setdefault((record["cohort"], name), built["choice"]) != built["choice"]:
                return f"line {number} has another choice for {name} than a line before it"
        reference = record.get("reference") or []
        beside = list(reference.values()) if isinstance(reference, dict) else [reference] if reference else []
        series = [*record.get("samples", {}).values(), *beside]
        if len({len(one) for one in series}) > 1:
            return f"line {number} has rounds of more than one length"
    return None
