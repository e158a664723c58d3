"""A first call of each task of a plan, to know what a run of it will take."""

import dataclasses
import functools
import operator
import statistics
from collections.abc import Callable, Collection, Sequence

from grouped_bench.harness.inspect.estimate import Known, TaskKey, key_of
from grouped_bench.harness.plan import Cohort
from grouped_bench.harness.processes.slots import WorkerLike, in_worker
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.session import Session, opened
from grouped_bench.measure.rounds import LEAST_ROUNDS
from grouped_bench.space.case import Setting
from grouped_bench.space.facts import Json


def first_calls(request: RunRequest, known: Collection[TaskKey]) -> dict[TaskKey, Known | None]:
    """What one process of each task shows, but for those that are known; None of one that fails.

    Args:
        request: the run.
        known: tasks by `key_of` that need no call.

    Raises:
        UnavailableError: a device is not there, or another run is measuring.
        HostError: a backend cannot start.
    """
    tasks = [(cohort, name) for cohort in request.plan.cohorts for name in cohort.variants]
    open_ = [task for task in tasks if key_of(*task) not in known]
    found: dict[TaskKey, Known | None] = {}
    if not open_:
        return found
    with opened(request) as session:
        for cohort, name in open_:  # each alone: one that ends its process takes no other with it
            session.progress.say(f"calling {name} once, {cohort.title()}")
            told = _in_worker(session, cohort, functools.partial(_called, session, cohort, name))
            found[key_of(cohort, name)] = Known(**told) if "call_s" in told else None
        called = [task for task in open_ if found[key_of(*task)]]
        for cohort, name in _largest(called):
            session.progress.say(f"reading the memory of {name}, {cohort.title()}")
            key = key_of(cohort, name)
            told_of = found[key]
            assert told_of is not None, "it was called"
            asked = {"op": "memory", **_request(session, cohort, name), "expected_s": {name: told_of.call_s}}
            read = _in_worker(session, cohort, operator.methodcaller("ask", asked))
            found[key] = dataclasses.replace(told_of, peak_bytes=read.get("peak_bytes"))
    return found


def _largest(tasks: Sequence[tuple[Cohort, str]]) -> list[tuple[Cohort, str]]:
    """Of each variant, setting and pass the task that must hold most: how much more it takes, the others take too."""
    found: dict[tuple[str, Setting, str], tuple[Cohort, str]] = {}
    for cohort, name in sorted(tasks, key=lambda task: task[0].counts(task[1]).min_bytes):
        found[name, cohort.setting, cohort.case.pass_] = cohort, name
    return list(found.values())


def _called(session: Session, cohort: Cohort, name: str, worker: WorkerLike) -> Json:
    """Seconds of the first call in `worker`, and of one in a short visit after it; nothing of what fails."""
    request = _request(session, cohort, name)
    built = worker.ask({"op": "build", **request, "iterations": {}, "expected_s": {}, "check": False})["built"]
    if name not in built:
        return {}
    visited = worker.ask({"op": "visit", **request, "rounds": LEAST_ROUNDS})
    samples = [sample for sample in visited["samples"].get(name, ()) if sample is not None]
    return {"first_call_s": built[name]["first_call_s"], "call_s": statistics.median(samples)} if samples else {}


def _request(session: Session, cohort: Cohort, name: str) -> Json:
    return cohort.request([name], session.request.seed)


def _in_worker(session: Session, cohort: Cohort, action: Callable[[WorkerLike], Json]) -> Json:
    control = session.request.control
    limits = Limits(control.task_timeout, control.memory_limit)
    return in_worker(session.side.hosts[cohort.setting.host], limits, action)
