"""The child process that times what a user's project computes: a callable of its own, or a Keras model and its layers.

Run as `python -m grouped_bench.measure.models.project.process FD MARKS [FOLDER]`: it answers one request on the socket
FD, and writes whose turn it is into the file MARKS. Modules are looked for in FOLDER before any other place. It is
given a fresh process each time, since nobody knows what importing a project does. Needs the standard library and NumPy;
for a model also the backend and Keras.
"""

import dataclasses
import functools
import json
import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping

import numpy as np

from grouped_bench import backends
from grouped_bench.measure import memory, rounds
from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.machine import disturbance
from grouped_bench.measure.machine.in_force import in_force
from grouped_bench.measure.machine.versions import library_versions
from grouped_bench.measure.marks import end_with_parent, marker
from grouped_bench.measure.models.project.keras_model import ModelProject
from grouped_bench.measure.models.project.own_step import StepProject
from grouped_bench.measure.models.project.subject import WHOLE, Project, ProjectSubject
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.facts import Json

_REFERENCE = f"{rounds.REFERENCE} machine)"


def main(arguments: list[str]) -> None:
    """Answer one request."""
    descriptor, marks = map(int, arguments[:2])
    sys.path[:0] = arguments[2:]  # not before: a module of the project may be called as one that is needed here
    end_with_parent()
    mark = marker(marks)
    connection = socket.socket(fileno=descriptor)
    request = json.loads(connection.makefile("r", encoding="utf-8").readline())
    start = rounds.read_clock()
    try:
        answer = _ACTIONS[request["op"]](ProjectSubject.of(request["subject"]), request, mark)
    except RefusedError as refused:
        answer = {"refused": refused.told}
    answer["seconds"] = rounds.read_clock() - start
    connection.sendall((json.dumps(answer) + "\n").encode())
    connection.close()
    os._exit(0)  # frameworks' own threads may hang an ordinary exit


def survey(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """What is there to be timed, the file that it comes from, and the versions of libraries."""
    mark(subject.name)
    project = _project(subject)
    parts = project.parts()
    project.try_out()
    module = sys.modules[subject.name.partition(":")[0]]
    return {
        "parts": {
            name: {"params": part.params, "count": part.count, "is_whole": part.is_whole, "label": part.label}
            for name, part in parts.items()
        },
        "left_out": project.left_out,
        "file": getattr(module, "__file__", None),
        "libraries": library_versions(),
        "python": platform.python_version(),
        **project.facts,
    }


def told_in_force(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """What the backend really uses, in a process that has computed nothing."""
    mark(subject.name)
    assert subject.backend is not None
    return in_force(backends.load(subject.backend))


def visit(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """Of each part its first call, samples by round beside those of the reference workload, and what disturbed it.

    `request` names the `parts` in the order in which they are timed, one after the other: what an earlier one leaves
    behind, such as a compiler's threads, slows all that follow. It also says of each the `iterations` where they are
    known, the `seed` of the rounds and `visit_s`.
    """
    mark(subject.name)
    project = _project(subject)
    parts = project.parts()
    machine = _ready(_machine_step, project, None)
    found: dict[str, Json] = {}
    failed: Json = {}

    def time_part(place: int, name: str) -> Json:
        ready = _ready(parts[name].make, project, request["iterations"].get(name))
        rng = np.random.default_rng([request["seed"], place])
        return _timed(ready, machine, project, subject.device, rng, request["visit_s"])

    for place, name in enumerate(request["parts"]):
        mark(part_mark(place))
        if name not in parts:
            failed[name] = {"status": "error", "reason": "it was there in an earlier process and is not now"}
            continue
        told = _attempted(project, functools.partial(time_part, place, name))
        (failed if "status" in told else found)[name] = told
    return {"steps": found, "failed": failed}


@dataclasses.dataclass(frozen=True)
class _Ready:
    """A step that was called and warmed up: seconds of its first call, calls in a sample, and seconds of a sample."""

    step: rounds.Workload
    first_call_s: float
    iterations: int
    sample_s: float


def _ready(make: Callable[[], rounds.Workload], project: Project, iterations: int | None) -> _Ready:
    """The step that `make` makes; what returns a function has only prepared it."""
    start = rounds.read_clock()
    step = make()
    result = step()
    if callable(result):
        start, step = rounds.read_clock(), result
        result = step()
    wait = _but_for_nothing(project.wait)
    wait(result)
    first = rounds.read_clock() - start
    del result
    calibrated, sample_s, _ = rounds.calibrate(step, wait)
    used = iterations or calibrated
    return _Ready(step, first, used, sample_s / calibrated * used)


def _timed(
    ready: _Ready, machine: _Ready, project: Project, device: str, rng: np.random.Generator, visit_s: float
) -> Json:
    """A step and the reference workload in rounds of their own."""
    both = {WHOLE: ready, _REFERENCE: machine}
    watch = disturbance.Watch(device)
    samples, _ = rounds.run_rounds(
        {name: one.step for name, one in both.items()},
        _but_for_nothing(project.wait),
        {name: one.iterations for name, one in both.items()},
        {name: one.sample_s for name, one in both.items()},
        rng,
        visit_s=visit_s,
    )
    told = {"first_call_s": ready.first_call_s, "iterations": ready.iterations}
    return {**told, "samples": samples[WHOLE], "reference": samples[_REFERENCE], **watch.stop()}


def peaks(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """Peak memory of a call of each of the `parts`, with its source; None where nothing tells it."""
    mark(subject.name)
    memory.give_back_pages()
    if subject.backend is not None:
        backends.load(subject.backend).count_memory()
    project = _project(subject)
    parts, found = project.parts(), {}

    def read(name: str) -> Json:
        peak, source = project.peak_bytes(parts[name].make())
        return {"peak_bytes": peak, "source": source}

    for place, name in enumerate(request["parts"]):
        mark(part_mark(place))
        told = _attempted(project, functools.partial(read, name))
        if "status" not in told:  # a step that fails in this was timed all the same
            found[name] = told
    return {"peaks": found}


_ACTIONS: Mapping[str, Callable[[ProjectSubject, Json, Callable[[str], None]], Json]] = {
    "survey": survey,
    "in_force": told_in_force,
    "visit": visit,
    "memory": peaks,
}


def part_mark(place: int) -> str:
    """What the file of marks calls the part that stands at `place` in a request: its name has several words."""
    return f"part-{place}"


def _project(subject: ProjectSubject) -> Project:
    return StepProject(subject) if subject.backend is None else ModelProject(subject)


def _attempted(project: Project, action: Callable[[], Json]) -> Json:
    """What `action` returns where the project's parts are; what it raises is an outcome, as a status and a reason."""
    try:
        with project.on():
            return action()
    except RefusedError:
        raise
    except SystemExit as error:
        return {"status": "error", "reason": f"it ends the process: {reason_of(error)}"}
    except Exception as error:
        return {"status": project.status_of(error), "reason": reason_of(error)}


def _but_for_nothing(wait: rounds.Synchronise) -> rounds.Synchronise:
    """`wait`, for what returns something: the reference workload does not."""
    return lambda result: None if result is None else wait(result)


def _machine_step() -> rounds.Workload:
    """A reference workload of some 0.3 ms that no framework takes part in: it shows the machine's speed alone."""
    rng = np.random.default_rng(0)
    matrix, values = rng.standard_normal((48, 48), dtype=np.float32), rng.random(4000)

    def work() -> None:
        np.sort(values)
        for _ in range(10):
            matrix @ matrix  # too small for a thread of its own

    return work


if __name__ == "__main__":
    main(sys.argv[1:])
