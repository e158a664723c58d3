"""Base against head, found by name and judged by thresholds; behind `grouped-bench compare`."""

import dataclasses
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from grouped_bench.api.gate.sides import Names, sides_of
from grouped_bench.api.runs import Run
from grouped_bench.errors import SpaceError, UnavailableError
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.units import parse_share

if TYPE_CHECKING:
    from grouped_bench.analyse.compare.again import Again
    from grouped_bench.analyse.compare.side_selection import Judgement

OFF = "off"
# What two interpreters measure where nothing else is asked for, and for how long whatever they measure.
PRESET = "ci"
_LARGEST = 10.0
_REMEDY = "Write 5%, memory=10% or memory=off"


def compare(
    base: Names,
    head: Names,
    *,
    out: str | Path = DEFAULT_OUT,
    thresholds: Mapping[str, Any] | None = None,
    allow_gone: bool = False,
    as_one: bool = False,
) -> "Judgement":
    """Base against head, task by task and metric by metric.

    Args:
        base, head: each a run (a Parquet file, a journal, a run id or `latest`), a folder of runs, of which those of
            the newest commit are taken together, or pytest-benchmark's JSON, one file or a folder of them. Of a folder
            as base, what is of head's commit, or head itself, is left out. Uncommitted changes count as a commit of
            their own where runs record them. Files of steps, as `step_both` writes them, may stand for runs. Several
            names of a side are taken together.
        out: folder of run ids and `latest`.
        thresholds: allowed worsening by metric, as `"5%"` or 0.05; `"off"` or None reports a metric without judging
            it. Metrics that are not named keep their own (`analyse.compare.DEFAULTS`).
        allow_gone: whether head may lack most of base's tasks. Else that is inconclusive.
        as_one: whether all files of a folder are repetitions of one side, whatever their commits. Those of another
            machine, other libraries, threads or precision are still left out.

    Raises:
        RunError: a run or file that cannot be found or read, a folder as base that holds nothing else than head and
            its commit, two files of one run that differ, or a run on one side and benchmarks on the other.
        SpaceError: no such metric, or no share.
    """
    from grouped_bench.analyse.compare.apart import apart, judged_apart
    from grouped_bench.analyse.compare.compare import compare as compared
    from grouped_bench.analyse.compare.side_selection import Judgement, are_partners
    from grouped_bench.analyse.environment.differences import certain_changes
    from grouped_bench.analyse.environment.machines import are_alike

    limits = _limits(thresholds or {})
    sides = sides_of(base, head, out, as_one=as_one)
    taken = [side.taken for side in sides]
    last = [one.runs[-1] for one in taken]
    # A run made before identities were recorded may be of head's machine under another name.
    machine = last[1].get("machine") if are_alike(*last) else None
    measured = sides[0].measured(machine), sides[1].measured()
    paired = are_partners(*(one.runs for one in taken))
    found = compared(*measured, limits, paired=paired, changed=certain_changes(last))
    # A model whose layers are all others is still compared by its whole step.
    may_lack = allow_gone or (sides[1].are_steps and bool(found.tasks))
    found = dataclasses.replace(found, is_same_run=sides[0].shares(sides[1]), allow_gone=may_lack)
    return Judgement(judged_apart(found, apart(*last)), *taken)


def run_both(
    base_python: str | Path,
    head_python: str | Path,
    space: Space | None = None,
    *,
    again: "Again | None" = None,
    **options: Any,
) -> tuple[Run, Run]:
    """Measure `space` in two interpreters, in alternating visits, and return the runs of base and head.

    Each computes with its own backends, by this package's code. `compare` pairs the visits of the two. The runs record
    no commit: the folder at hand is that of neither interpreter.

    Args:
        base_python, head_python: interpreters, such as `venv/bin/python`, with NumPy and the backends of the space.
        space: what to sweep, the preset `ci` unless given.
        again: which tasks of an earlier measurement side by side are measured once more; all are unless given.
        **options: as of `run`. Controls that neither they nor the space set are those of the preset `ci`.

    Raises:
        UnavailableError: no such interpreter; the others of `run`.
    """
    from grouped_bench.harness.request import RunRequest
    from grouped_bench.harness.side_by_side.runs import carry_out_both

    pythons = _interpreter(base_python), _interpreter(head_python)
    usual = Space.preset(PRESET)
    space = usual if space is None else space
    request = RunRequest.of(space, {**usual.control, **space.control, **options})
    if again is not None:
        request = dataclasses.replace(request, plan=request.plan.having(again.cohorts))
    base, head = carry_out_both(request, pythons, again.runs if again else None)
    return Run(base.frame, base.metadata, base.path), Run(head.frame, head.metadata, head.path)


def step_both(
    function: str,
    *,
    kind: Literal["step", "model"] = "step",
    base_python: str | Path = sys.executable,
    head_python: str | Path = sys.executable,
    base_path: str | Path | None = None,
    head_path: str | Path | None = None,
    again: "Again | None" = None,
    **options: Any,
) -> tuple[Path, Path]:
    """Time what a user's project computes on two sides, in alternating visits, and return the files of base and head.

    `compare` judges them. Each visit is made by a fresh process in the interpreter and the folder of its side, which
    imports `MODULE`. The folder may have a commit, which is recorded.

    Args:
        function: `MODULE:FUNCTION`, called without arguments.
        kind: `step`: the function is what is timed, and returns what to wait for; if it returns a function, that one
            is timed. `model`: it returns a Keras model of one input and one output, whose whole step is timed, and each
            of its layers that has a kernel.
        base_python, head_python: interpreters with NumPy; for a model also with Keras and the backend.
        base_path, head_path: folder that is current and whose modules are imported before those installed.
        again: which steps of an earlier measurement are measured once more; all are unless given.
        **options: `out`, `seed`, `memory`, `quiet`, `wait`, `command` and controls as of `run`; for a model also the
            axes `backend`, `execution`, `device`, `batch_size` and `passes`, of which all but the last take one value,
            and `input_shape`. Controls that are not given are those of the preset `ci`, and both passes are timed.

    Raises:
        SpaceError: an argument breaks a rule, or a side has nothing of the kind.
        UnavailableError: an interpreter is not there or lacks what is needed, or another run is measuring.
        OutputError: `out` cannot be written.
    """
    from grouped_bench.harness.processes.projects import ProjectSide
    from grouped_bench.harness.side_by_side.project import carry_out_steps
    from grouped_bench.harness.side_by_side.project_request import request_of

    sides = [
        ProjectSide(_interpreter(python), None if path is None else _folder(path))
        for python, path in ((base_python, base_path), (head_python, head_path))
    ]
    request = request_of(function, kind, options)
    if again is not None:
        request = dataclasses.replace(request, only=again.steps, rerun_of=again.runs)
    return carry_out_steps(request, (sides[0], sides[1]))


def _folder(path: str | Path) -> Path:
    """The folder, absolute. Raises SpaceError."""
    try:
        found = Path(path).resolve()
        is_folder = found.is_dir()
    except (OSError, ValueError):
        is_folder = False
    if not is_folder:
        raise SpaceError(
            "--base-path and --head-path must be folders", received=path, remedy="Name a checkout of the project"
        )
    return found


def _interpreter(path: str | Path) -> str:
    """The path of a program, absolute but not resolved: a virtual environment's link is what makes it one."""
    found = shutil.which(str(path))
    if found is None:
        raise UnavailableError(
            "An interpreter must be an executable program", received=path, remedy="Name one, such as venv/bin/python"
        )
    return os.path.abspath(found)  # noqa: PTH100 - Path.resolve would follow the link


def thresholds_of(texts: Iterable[str]) -> dict[str, str]:
    """Thresholds by metric, as `compare` takes them, from `5%` (the latency's), `memory=10%` or a comma list of such.

    Raises:
        SpaceError: not of this form, no such metric, or no share.
    """
    found = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        metric, sign, share = part.rpartition("=")
        if not share or (sign and not metric):
            raise SpaceError("A threshold must be a share, or METRIC=SHARE", received=part, remedy=_REMEDY)
        found[metric.strip() if sign else "latency"] = share.strip()
    _limits(found)
    return found


def _limits(thresholds: Mapping[str, Any]) -> dict[str, float | None]:
    """The share by which each metric may become worse, from what `compare` takes. Raises SpaceError."""
    from grouped_bench.analyse.compare.compare import DEFAULTS

    limits = {metric: _limit(metric, value) for metric, value in thresholds.items()}
    if all(limit is None for limit in {**DEFAULTS, **limits}.values()):
        raise SpaceError("At least one metric must be judged", received="every threshold off", remedy=_REMEDY)
    return limits


def _limit(metric: str, value: Any) -> float | None:
    """The share by which a metric may become worse; None where it is reported and not judged."""
    from grouped_bench.analyse.compare.compare import METRICS

    if metric not in METRICS:
        raise SpaceError(
            f"A threshold must name one of {', '.join(METRICS)}", received=metric, remedy="Choose one of them"
        )
    if value is None or value == OFF:
        return None
    try:
        share = parse_share(value)
    except ValueError:
        share = -1.0
    # 5 is 500 % to parse_share, a gate that nobody means.
    bare = not (isinstance(value, str) and value.endswith("%"))
    if not 0 <= share <= _LARGEST or (bare and share >= 1):
        raise SpaceError(
            f"The threshold of {metric} must be a share such as 5% or 0.05, at most {_LARGEST:.0%}, or {OFF}",
            received=value,
            remedy=_REMEDY,
        )
    if metric == "status" and share:
        raise SpaceError(
            f"The threshold of status must be 0% or {OFF}: a task that worked and now fails is a regression",
            received=value,
            remedy=f"Write status={OFF} to report failures without judging them",
        )
    return share
