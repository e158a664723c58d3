"""Some cohorts once more on each of several devices of a class, to see how much the devices differ."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from grouped_bench.analyse.environment.devices import LEAST_DEVICES, facts_of
from grouped_bench.errors import HostError, UnavailableError
from grouped_bench.harness.facts.commit import read_commit
from grouped_bench.harness.fleet.nodes import Opened, RemoteVisitor
from grouped_bench.harness.plan import Plan
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.record import Written
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.session import conclude, new_journal, new_name
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import LostError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json
from grouped_bench.units import counted

# Cohorts that every device measures: enough comparisons to tell devices from noise.
SAMPLE = 6


def check(request: RunRequest, squads: Sequence[Sequence[Opened]]) -> None:
    """Raises UnavailableError where several devices are asked for, and no class has two."""
    most = max(map(len, squads))
    if request.repeat_devices is not None and most < LEAST_DEVICES:
        raise UnavailableError(
            "--repeat-devices must find two devices of one class",
            received=f"{counted(most, 'device')} of {squads[0][0].header['machine']}",
            remedy="Name a fleet with more devices, or leave the option out",
        )


def sample(plan: Plan) -> Plan:
    """Some cohorts that have something to compare, spread evenly over the plan."""
    whole = [c for c in plan.cohorts if c.case.baseline in c.variants and len(c.variants) > 1]
    count = min(SAMPLE, len(whole))
    chosen = [whole[place * len(whole) // count] for place in range(count)]
    return dataclasses.replace(plan, cohorts=tuple(chosen), skipped=())


def repeated(
    request: RunRequest, squad: Sequence[Opened], run_id: str, progress: Progress, stop: Callable[[], bool]
) -> tuple[Json | None, tuple[Written, ...]]:
    """What the devices measured, for the facts of a run, and the run of each; nothing where fewer than two did.

    Args:
        request: what the run was asked for.
        squad: the devices of its class.
        run_id: of the run.
        progress: where it is said what happens.
        stop: asked before each visit; true ends all.
    """
    devices = list(squad[: request.repeat_devices])
    asked = dataclasses.replace(request, plan=sample(request.plan))
    if request.repeat_devices is None or len(devices) < LEAST_DEVICES or not asked.plan.cohorts:
        return None, ()
    if len(devices) < request.repeat_devices:
        progress.tell(f"{squad[0].header['machine']} has {counted(len(devices), 'device')}, which are compared")
    progress.say(f"measuring {counted(len(asked.plan.cohorts), 'case')} on each of {counted(len(devices), 'device')}")
    with ThreadPoolExecutor(len(devices)) as pool:
        runs = list(pool.map(lambda one: _alone(asked, request.plan, one, run_id, stop), devices))
    made = [(one, run) for one, run in zip(devices, runs, strict=True) if run is not None]
    for one, run in zip(devices, runs, strict=True):
        if run is None:
            progress.tell(f"Not compared: {one.name}, which did not end its part")
    if len(made) < LEAST_DEVICES:
        return None, tuple(run for _, run in made)
    ids = [str(run.metadata["run_id"]) for _, run in made]
    facts = facts_of([one.name for one, _ in made], ids, [run.frame for _, run in made])
    return facts, tuple(run for _, run in made)


def _alone(request: RunRequest, whole: Plan, one: Opened, run_id: str, stop: Callable[[], bool]) -> Written | None:
    """The run of a sample on one device; None where it did not end."""
    visitor = RemoteVisitor(one.node, one.name)
    tasks = [{**task, **_measured_with(one, task)} for task in request.plan.numbered()]
    own = {
        **{"tasks": tasks, "peaks": [], "order": request.recorded, "commit": read_commit()},
        **{"fleet": {"executor": request.executor, "nodes": [one.facts]}, "repeats": {"of": run_id, "node": one.name}},
    }
    journal = new_journal(request.out, {**new_name(), **one.header, **own})
    try:
        for number in range(len(whole.cohorts)):  # whose processes would be taken for those of the sample
            visitor.rest(number, is_needed=False)
        began = read_clock()
        sweep = Sweep(
            request.plan, request.control.model_copy(update={"budget": None}), visitors=[visitor],
            keep=journal.append, progress=Progress(quiet=True), seed=request.seed, memory=False,
            memory_bytes=one.memory_bytes, force=request.force, started=began, stop=stop,
        )  # fmt: skip
        stopped_by = sweep.run()
        if stopped_by == "user":
            return None
        return conclude(journal, stopped_by, {**sweep.time, "total_s": read_clock() - began}, None)
    except (HostError, LostError):
        return None
    finally:
        journal.close()
        with contextlib.suppress(FileNotFoundError):
            journal.path.unlink()


def _measured_with(one: Opened, task: Json) -> Json:
    """What a node's header says of the backend of a task."""
    names = ("backend_version", "device_name", "in_force")
    alike = next(t for t in one.header["tasks"] if all(t[name] == task[name] for name in ("backend", "env", "threads")))
    return {name: alike[name] for name in names if name in alike}
