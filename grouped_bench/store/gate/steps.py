"""The file of a project's steps on one side of a comparison: run-wide facts and, of each step, what visits found."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from grouped_bench.errors import RunError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.checks import LONGEST_TEXT, MOST_ROWS, Elapsed, Sampled, Tally, metadata_problem
from grouped_bench.store.files.temporary import replace, unwritable
from grouped_bench.store.gate.json_file import DoubledKeyError, UnreadableError, read_tree
from grouped_bench.store.schema import STATUSES

SUFFIX = ".steps.json"
_Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Rounds = list[Sampled | None]


class StepRow(BaseModel):
    """A step as one side measured it; names and units are those of a run's columns."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[_Text, Field(min_length=1)]
    group: _Text
    backend: _Text | None = None
    backend_version: _Text | None = None
    execution: _Text | None = None
    status: str = "ok"
    reason: _Text | None = None
    params: Tally | None = None
    count: Tally = 1
    is_whole: bool = True
    label: _Text | None = None
    iterations: Tally | None = None
    first_calls_s: list[Elapsed] = []
    samples_s: list[_Rounds] = []
    reference_s: list[_Rounds] = []
    visit_process: list[Tally] = []
    visit_stolen: list[_Share | None] = []
    visit_throttled: list[_Share | None] = []
    peak_memory_bytes: Tally | None = None
    memory_source: _Text | None = None

    @model_validator(mode="after")
    def _lines_up(self) -> "StepRow":
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status}")
        lists = (self.reference_s, self.visit_process, self.visit_stolen, self.visit_throttled)
        if any(len(one) != len(self.samples_s) for one in lists):
            raise ValueError("samples, reference times and visits of unlike length")
        if any(len(one) != len(other) for one, other in zip(self.samples_s, self.reference_s, strict=True)):
            raise ValueError("samples and reference times of unlike rounds")
        return self


class _File(BaseModel):
    """The part of the file that is not facts of a run."""

    model_config = ConfigDict(strict=True)

    steps: Annotated[list[StepRow], Field(max_length=MOST_ROWS)]


def write_steps(path: Path, facts: Facts, rows: list[StepRow]) -> None:
    """Put a side's steps at `path`, in one step. Raises OutputError."""
    told = {**facts, "steps": [row.model_dump() for row in rows]}
    with unwritable("The file of the steps must be writable", path, "Free space, or name another folder with --out"):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, (json.dumps(told, allow_nan=False) + "\n").encode())


def read_steps(path: Path) -> tuple[list[StepRow], Json]:
    """The steps of a file that `write_steps` wrote, and the facts of its run. Raises RunError for any other file."""
    try:
        told = read_tree(path)
    except UnreadableError as why:
        raise _refusal(path, str(why)) from None
    except DoubledKeyError as doubled:
        raise _refusal(path, f'"{doubled}" twice') from None
    if not isinstance(told, dict):
        raise _refusal(path, "no table")
    facts = {name: value for name, value in told.items() if name != "steps"}
    if problem := metadata_problem(facts):
        raise _refusal(path, problem)
    try:
        rows = _File.model_validate(told).steps
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise _refusal(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if len({row.name for row in rows}) < len(rows):
        raise _refusal(path, "a step that occurs twice")
    return rows, facts


def _refusal(path: Path, problem: str) -> RunError:
    return RunError(
        f"A file of steps ({SUFFIX}) must contain what `grouped-bench compare` writes",
        received=f"{path.name}: {problem}",
        remedy="Measure both sides again",
    )
