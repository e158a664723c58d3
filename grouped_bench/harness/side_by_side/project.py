"""A user's project on two sides: its steps timed in fresh processes, visit beside visit, as two files."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from grouped_bench import __version__
from grouped_bench.errors import CutShortError, SpaceError, UnavailableError
from grouped_bench.harness.facts.commit import read_commit
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes import projects
from grouped_bench.harness.processes.interrupts import interrupts
from grouped_bench.harness.processes.probing import told_in_force
from grouped_bench.harness.processes.projects import ProjectSide
from grouped_bench.harness.processes.workers import Limits, TaskFailedError
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.session import new_name
from grouped_bench.harness.side_by_side.runs import ROLES, partners
from grouped_bench.measure.machine import environment, gpu
from grouped_bench.measure.models.project.process import part_mark
from grouped_bench.measure.models.project.subject import ProjectSubject
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Json
from grouped_bench.store import identity
from grouped_bench.store.gate.steps import SUFFIX, StepRow, write_steps
from grouped_bench.store.runs import check_writable
from grouped_bench.store.schema import SCHEMA_VERSION
from grouped_bench.units import format_clock

# Of absolute paths, the folders: a file can be published as it is. What is divided or a link is no path.
_FOLDERS = re.compile(r"(?<![\w:/.\]])(?:/[^\s/:,'\"\]]+)+/(?=[^\s/])")
# Visits before the budget may end the measurement: an interval needs as many.
_LEAST_VISITS = 3
# Of a visit's time, how much the next one may take longer.
_LONGER = 1.3


class Ask(Protocol):
    """What a new process of a side answers."""

    def __call__(self, side: ProjectSide, limits: Limits, request: Json) -> Json:
        """See `projects.ask`."""


@dataclasses.dataclass(frozen=True)
class StepRequest:
    """What is asked of both sides.

    Args:
        subject: what of the project is timed.
        control: visits at most, their time, the budget, and limits of a step.
        out: folder; the files are `OUT/<machine>/<run_id>.steps.json`.
        seed: of orders.
        memory: whether peak memory is read, in a process of its own.
        quiet: whether to show no progress.
        wait: whether to wait for another run on this machine to end, instead of refusing.
        command: the command line to record.
        only: names of the steps that are timed; all are unless given.
        rerun_of: ids of the runs some of whose steps these measure again.
    """

    subject: ProjectSubject
    control: Control
    out: Path
    seed: int
    memory: bool = True
    quiet: bool = True
    wait: bool = False
    command: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    rerun_of: tuple[str, str] | None = None


class _Half:
    """One side: what is known of it, and the file that holds what was measured so far."""

    def __init__(self, request: StepRequest, side: ProjectSide, ask: Ask) -> None:
        self._request, self._side, self._ask_new = request, side, ask
        self._limits = Limits(request.control.task_timeout, request.control.memory_limit)
        self.found = self.ask("survey")
        self.rows: dict[str, StepRow] = {}
        self.facts: Json = {}
        self.path = Path()
        self.iterations: dict[str, int] = {}
        self.order: list[str] = []

    def put_in_order(self, other: "_Half") -> None:
        """Time first what both sides have, then layers of this one alone, the whole last.

        So nothing that only one side does comes before what is compared.
        """

        def place(name: str) -> tuple[bool, bool]:
            return self.rows[name].is_whole, name not in other.rows

        self.order = sorted(self.rows, key=place)

    def ask(self, op: str, **more: object) -> Json:
        """The answer of a new process. Raises TaskFailedError and SpaceError."""
        subject = dataclasses.asdict(self._request.subject)
        request = {"op": op, "subject": subject, "variants": [self._request.subject.name], **more}
        return self._ask_new(self._side, self._limits, request)

    def begin(self, facts: Json) -> None:
        """Take the facts of the run, and a row for each step; from now on there is a file."""
        subject = self._request.subject
        found = dict(facts["environment"])
        found["libraries"] = self.found["libraries"]
        found["system"] = {**found["system"], "python": self.found["python"]}
        if subject.backend is not None:
            found["backend"] = {subject.backend: self.found["backend"]}
            found["in_force"] = {subject.backend: told_in_force(lambda: self.ask("in_force"))}
        commit = read_commit(self._side.folder) if self._side.folder else None
        self.facts = {**facts, "environment": found, "commit": commit, "left_out": self.found["left_out"]}
        self.path = self._request.out / facts["machine"] / f"{facts['run_id']}{SUFFIX}"
        for name, told in self.found["parts"].items():
            if self._request.only and name not in self._request.only:
                continue
            self.rows[name] = StepRow(
                name=name, group=subject.title, backend=subject.backend, backend_version=self.found.get("version"),
                execution=subject.execution or None, params=told["params"], count=told["count"],
                is_whole=told["is_whole"], label=told["label"],
            )  # fmt: skip
        self.write()

    def visit(self, number: int, seed: int, visit_s: float, iterations: Mapping[str, int]) -> None:
        """Time every step that works, in a process of its own, and keep what was found."""
        parts = [name for name in self.order if self.rows[name].status == "ok"]
        if not parts:
            return
        try:
            told = self.ask("visit", parts=parts, seed=seed, visit_s=visit_s, iterations=dict(iterations))
        except TaskFailedError as failure:
            # Of what was built before it, the import included, everything is needed by every step.
            marked = [name for place, name in enumerate(parts) if part_mark(place) == failure.variant]
            self._fail(marked or parts, failure.status, failure.reason)
            return
        for name, failed in told["failed"].items():
            self._fail([name], failed["status"], failed["reason"])
        for name, one in told["steps"].items():
            row = self.rows[name]
            row.first_calls_s.append(one["first_call_s"])
            row.iterations = self.iterations[name] = one["iterations"]
            row.samples_s.append(one["samples"])
            row.reference_s.append(one["reference"])
            row.visit_process.append(number)
            row.visit_stolen.append(one["stolen"])
            row.visit_throttled.append(one["throttled"])

    def read_memory(self) -> None:
        """Read the peak memory of the whole step; one that fails in this was measured all the same."""
        parts = [name for name, row in self.rows.items() if row.status == "ok" and row.is_whole]
        try:
            told = self.ask("memory", parts=parts)["peaks"]
        except TaskFailedError:
            return
        for name, one in told.items():
            self.rows[name].peak_memory_bytes, self.rows[name].memory_source = one["peak_bytes"], one["source"]

    def write(self) -> None:
        """Put what is known into the file."""
        write_steps(self.path, self.facts, list(self.rows.values()))

    def _fail(self, names: Sequence[str], status: str, reason: str) -> None:
        for name in names:
            self.rows[name].status, self.rows[name].reason = status, _FOLDERS.sub("", reason)


def carry_out_steps(
    request: StepRequest, sides: tuple[ProjectSide, ProjectSide], ask: Ask = projects.ask, clock: Clock = read_clock
) -> tuple[Path, Path]:
    """Measure the project on both sides in turn, and return the files of base and head.

    Raises:
        OutputError: the folder cannot be written.
        SpaceError: a side has nothing of the kind that is to be timed.
        UnavailableError: another run is measuring, or a side's interpreter cannot do it.
        CutShortError: it was interrupted before the first visits; files that are there keep what was measured.
    """
    check_writable(request.out)
    with Progress(request.quiet) as progress, alone(progress.tell, wait=request.wait), interrupts() as stop:
        began = clock()
        halves = []
        for role, side in zip(ROLES, sides, strict=True):
            progress.say(f"importing {request.subject.name} of {role}")
            halves.append(_begun(request, side, ask, role))
        _name_each_other(request, halves, is_one_file=_is_one_file(halves, progress))
        stopped_by = _take_turns(request, halves, progress, stop, clock)
        for half in halves:
            half.facts |= {"stopped_by": stopped_by, "finished": stopped_by != "user"}
            half.facts["time"] = {"total_s": clock() - began}
            half.write()
        if stopped_by == "user" and not any(row.samples_s for half in halves for row in half.rows.values()):
            for half in halves:
                half.path.unlink(missing_ok=True)
            raise CutShortError(
                "A comparison must end before it is judged", received="an interrupt", remedy="Measure again"
            )
    return halves[0].path, halves[1].path


def _begun(request: StepRequest, side: ProjectSide, ask: Ask, role: str) -> _Half:
    try:
        return _Half(request, side, ask)
    except SpaceError as error:
        raise SpaceError(error.rule, received=f"{error.received}, in {role}", remedy=error.remedy) from None
    except TaskFailedError as failure:
        needed = "NumPy" if request.subject.backend is None else f"NumPy, Keras and {request.subject.backend}"
        raise UnavailableError(
            f"The interpreter of {role} must have {needed}, and import {request.subject.name}",
            received=f"{side.python}: {failure.reason}",
            remedy=f"Try `{side.python} -c 'import numpy, {request.subject.name.partition(':')[0]}'` in that folder",
        ) from None


def _is_one_file(halves: Sequence[_Half], progress: Progress) -> bool:
    """Whether both sides have imported the same code, which is said."""
    files = [half.found["file"] for half in halves]
    if files[0] is None or files[0] != files[1]:
        return False
    progress.tell(f"Base and head import the same file: {files[0]}. Name folders with --base-path and --head-path.")
    return True


def _name_each_other(request: StepRequest, halves: Sequence[_Half], *, is_one_file: bool) -> None:
    """Give each side its facts."""
    names = [new_name() for _ in halves]
    found = environment.describe(request.command)
    machine = _machine(found, request.subject.device)
    shared = {
        "schema": SCHEMA_VERSION,
        "version": __version__,
        "machine": machine.slug if machine else identity.name_here(),
        "identity": machine.to_facts() if machine else None,
        "control": request.control.model_dump(),
        "seed": request.seed,
        "environment": found,
        "stopped_by": None,
        "finished": False,
        "is_one_file": is_one_file,
    }
    for half, name, partner in zip(halves, names, partners(names, request.rerun_of), strict=True):
        half.begin({**shared, **name, "side_by_side": partner})
    for half, other in zip(halves, halves[::-1], strict=True):
        half.put_in_order(other)


def _machine(found: Json, device: str) -> identity.Identity | None:
    """What computes: the processor, or the GPU of a model."""
    if device.startswith("gpu"):
        return identity.of_gpu(gpu.facts(device), 1, str(found["system"]["kernel"]).partition(" ")[0])
    return identity.of_processor(found)


def _take_turns(
    request: StepRequest, halves: Sequence[_Half], progress: Progress, stop: Callable[[], bool], clock: Clock
) -> str:
    """All visits; says what ended them."""
    rng, control, began = np.random.default_rng(request.seed), request.control, clock()
    longest = 0.0
    for number in range(control.visits):
        if stop():
            return "user"
        spent = clock() - began
        if control.budget is not None and number >= _LEAST_VISITS and spent + _LONGER * longest > control.budget:
            return "budget"
        left = [spent / number * (control.visits - number)] if number else []
        left += [control.budget - spent] if control.budget is not None else []
        told = f" · at most {format_clock(max(0.0, min(left)))} left" if left else ""
        progress.say(f"visit {number + 1}/{control.visits} on both sides{told}", number / control.visits)
        start, seed = clock(), int(rng.integers(2**32))
        for place in rng.permutation(len(halves)):
            # What is chosen once holds for both: the two are to differ in the project alone.
            known = dict(itertools.chain.from_iterable(half.iterations.items() for half in halves))
            halves[place].visit(number, seed, control.visit_time, known)
            halves[place].write()
            if stop():
                return "user"
        longest = max(longest, clock() - start)
        if number == 0 and request.memory:
            for half in halves:
                half.read_memory()
    return "visits"
