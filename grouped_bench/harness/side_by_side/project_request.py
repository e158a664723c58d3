"""From what a user asks of a project on two sides to the request, by the rules of a sweep's axes and controls."""

import dataclasses
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grouped_bench.errors import SpaceError, shown
from grouped_bench.harness.inspect.networks import extents_of
from grouped_bench.harness.plan import make_plan, resolved
from grouped_bench.harness.side_by_side.project import StepRequest
from grouped_bench.measure.models.project.subject import ProjectSubject
from grouped_bench.space.axes import Control
from grouped_bench.space.case import PASSES
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import refuse_store

# Axes of a model, and the preset whose controls hold where others are not given.
AXES = ("backend", "execution", "device", "batch_size", "passes")
CONTROLS = ("visits", "visit_time", "budget", "task_timeout", "memory_limit")
_PRESET = "ci"
# A step reads the environment that it is started in.
_OF_THE_SHELL = ("threads", "env")
_NAME = r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"
_OWN = tuple(
    field.name
    for field in dataclasses.fields(StepRequest)
    if field.name not in ("subject", "control", "only", "rerun_of")
)
# What another option names by this form.
_SOURCES = ("keras.applications", "timm", "torchvision")


def names_function(text: str) -> bool:
    """Whether a text is `MODULE:FUNCTION`, and not a network of one of the libraries."""
    return bool(re.fullmatch(_NAME, text)) and text.partition(":")[0] not in _SOURCES


def request_of(function: str, kind: str, options: Mapping[str, Any]) -> StepRequest:
    """The request; see `api.compare.step_both`.

    Raises:
        SpaceError: the name is none of a function, an option breaks its rule or does not belong to the kind.
    """
    if not re.fullmatch(_NAME, function):
        raise SpaceError(
            f"--{kind} must name a function as MODULE:FUNCTION, in letters, digits, _ and dots",
            received=shown(function),
            remedy="Write it like train:step, without .py",
        )
    own = {name: value for name, value in options.items() if name in _OWN and value is not None}
    refuse_store(own.get("out", DEFAULT_OUT), "Steps measured side by side")
    own["out"] = Path(own.get("out", DEFAULT_OUT))
    rest = {name: value for name, value in options.items() if name not in _OWN and value is not None}
    allowed = CONTROLS if kind == "step" else (*CONTROLS, *AXES, "input_shape")
    for name in rest:
        if name not in allowed:
            option = {"passes": "pass"}.get(name, name).replace("_", "-")
            raise SpaceError(
                f"--{option} must not go with --{kind}",
                received=f"--{option} and --{kind} {function}",
                remedy="Set its variable in the shell" if name in _OF_THE_SHELL else f"Leave --{option} out",
            )
    usual = {name: value for name, value in Space.preset(_PRESET).control.items() if name in CONTROLS}
    subject, control = _of_model(function, rest, usual) if kind == "model" else _of_step(function, rest, usual)
    return StepRequest(subject, control, **{"seed": secrets.randbelow(2**31), "command": tuple(sys.argv), **own})


def _of_step(function: str, rest: Mapping[str, Any], usual: Mapping[str, Any]) -> tuple[ProjectSubject, Control]:
    _, control = resolved(Space(), {**usual, **rest})
    return ProjectSubject(function), control


def _of_model(function: str, rest: Mapping[str, Any], usual: Mapping[str, Any]) -> tuple[ProjectSubject, Control]:
    axes = {"passes": ",".join(PASSES), **{name: rest[name] for name in AXES if name in rest}}
    controls = {name: value for name, value in rest.items() if name in CONTROLS}
    space, control = resolved(Space(), {**usual, **axes, **controls})
    cohorts = make_plan(space).cohorts
    settings = {(cohort.setting, cohort.case.batch_size) for cohort in cohorts}
    if len(settings) > 1:
        raise SpaceError(
            "A model must be compared in one setting",
            received=f"{len(settings)} of backend, execution, device and batch size",
            remedy="Give one value of each",
        )
    setting, batch_size = settings.pop()
    shape = extents_of(rest.get("input_shape"))
    return (
        ProjectSubject(
            function, setting.backend, setting.execution, setting.device,
            tuple(dict.fromkeys(cohort.case.pass_ for cohort in cohorts)), batch_size,
            None if shape is None else tuple(shape),
        ),
        control,
    )  # fmt: skip
