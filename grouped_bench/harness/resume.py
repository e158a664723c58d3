"""Resuming a run: what may be asked again, and the plan with which it began."""

import json
from pathlib import Path

from grouped_bench import variants
from grouped_bench.errors import RunError
from grouped_bench.harness.plan import Plan, make_plan, resolved
from grouped_bench.space.axes import Control, validate
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.space import Space
from grouped_bench.units import counted
from grouped_bench.variants import Files
from grouped_bench.variants.plugins import digests


def same_files(header: Facts) -> list[str]:
    """The run's files of variants, by absolute paths; RunError where one has changed."""
    files: list[str] = header["order"]["files"]
    before = header["environment"].get("imports", {})
    changed = [name for name, digest in digests(files).items() if before.get(name) != digest]
    if changed:
        raise RunError(
            "A resumed run must use the variant files with which it began",
            received=f"{', '.join(changed)}, changed since",
            remedy="Restore what changed, or start a new run",
        )
    return files


def refuse_others(header: Facts, asked: Facts) -> None:
    """RunError where an option of a request, by its name, is not as the run with this header had it."""
    before = {**header["order"], "seed": header["seed"]}
    for name, value in asked.items():
        if name == "files":
            if list(variants.absolute(value)) != before[name]:
                raise _other_options(f"files {_names(value)}, which were {_names(before[name])}")
        elif value != before.get(name):
            raise _other_options(f"{name} {value}, which was {before.get(name)}")


def _names(files: Files) -> str:
    return ", ".join(Path(file).name for file in variants.absolute(files)) or "none"


def refuse_half(header: Facts, path: Path) -> None:
    """RunError where the run is one side of two that were measured together: alone it would have no partner."""
    if "side_by_side" in header:
        raise RunError(
            "A run measured side by side with another must not be resumed",
            received=path.name,
            remedy="Compare what was measured, or measure both again",
        )


def planned_again(header: Facts, space: Space | None, options: Facts) -> tuple[Plan, Control]:
    """The plan and controls of the run with this header; RunError where `space` and `options` ask for others."""
    own = {name: header["control"].get(name) for name in Control.model_fields}
    made, control = resolved(space or Space(**header["space"]), options)
    for name, before in own.items():
        value = getattr(control, name)
        if name in options and value != before:
            raise _other_options(f"{name} {value}, which was {before}")
    plan = make_plan(made)
    known = [_without(task, ("backend_version", "device_name", "in_force")) for task in header["tasks"]]
    if json.loads(json.dumps(plan.numbered())) != known:
        raise _other_options(f"a plan of {counted(plan.tasks, 'task')} instead of {len(known)}")
    return plan, validate(Control, own, "journal")


def _without(options: Facts, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in options.items() if name not in names}


def _other_options(received: str) -> RunError:
    return RunError(
        "A resumed run must keep its options",
        received=received,
        remedy="Leave that option out, or start a new run",
    )
