"""What a user asks of a run: one frozen value, from the command line to the sweep."""

import dataclasses
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from grouped_bench import variants
from grouped_bench.errors import SpaceError
from grouped_bench.harness.plan import Plan, make_plan, resolved
from grouped_bench.harness.resume import planned_again, refuse_others, same_files
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import Location, is_url, local_folder
from grouped_bench.variants.plugins import refuse_unknown

LOCAL = "local"
EXECUTORS = (LOCAL, "ray", "slurm")
_MOST_DEVICES = 64


@dataclasses.dataclass(frozen=True)
class RunRequest:
    """Everything that a user asked of a run.

    Args:
        plan, control: what to measure, and how closely.
        space: where the plan comes from, as it is recorded.
        out: folder; the file is `OUT/<machine>/<run_id>.parquet`, the page beside it.
        store: URL of the object store that gets both when the run has ended; None keeps them in the folder alone.
        seed: of inputs, weights and orders; drawn when not given.
        memory: whether to read each task's peak memory, in a pass of its own.
        page: whether to write the HTML page.
        quiet: whether to show no progress on stderr.
        command: the command line to record, this process' own when not given.
        files: Python files that register variants, run in this process and in those that measure.
        force: whether to try tasks that are predicted to run out of memory.
        wait: whether to wait for another run on this machine to end, instead of refusing.
        explain: whether to look, after the sweep and beyond its budget, into the slowest and the fastest of each case.
        peaks: whether to measure the machine's peaks before the sweep.
        executor: `local`, or the engine of the fleet that measures: `ray` or `slurm`.
        address: where the engine listens; it is started on this machine unless given.
        repeat_devices: on how many devices of a class some cohorts are measured again; None measures each once.
    """

    plan: Plan
    control: Control
    space: Json = dataclasses.field(default_factory=dict)
    out: Path = DEFAULT_OUT
    store: str | None = None
    seed: int = dataclasses.field(default_factory=lambda: secrets.randbelow(2**31))
    memory: bool = True
    page: bool = True
    quiet: bool = True
    command: list[str] = dataclasses.field(default_factory=lambda: list(sys.argv))
    files: tuple[str, ...] = ()
    force: bool = False
    wait: bool = False
    explain: bool = False
    peaks: bool = True
    executor: str = LOCAL
    address: str | None = None
    repeat_devices: int | None = None

    @classmethod
    def of(cls, space: Space, options: Mapping[str, Any]) -> Self:
        """A request for `space`; `options` are fields of a request, axes that replace those of the space, and controls.

        Raises:
            SpaceError: an argument breaks a rule, or no legal case is left.
            VariantError: a file of variants cannot be used, or a variant is known to this process alone.
        """
        own, rest = _split(options)
        _check_executor(own)
        own["files"] = variants.import_files(own.get("files", ()))
        space, control = resolved(space, rest)
        plan = make_plan(space)
        refuse_unknown(plan.variants, own["files"])
        return cls(plan=plan, control=control, space=space.to_dict(), **own)

    @classmethod
    def again(cls, header: Facts, space: Space | None, options: Mapping[str, Any]) -> Self:
        """The request with which the run with this header is resumed.

        Args:
            header: of the run's journal.
            space, options: may repeat those of the run, and no others, except what may differ between its parts.

        Raises:
            RunError: the run was asked for something else.
        """
        own, rest = _split(options)
        own = {"executor": header.get("fleet", {}).get("executor", LOCAL), **own}
        _check_executor(own)
        refuse_others(header, {name: value for name, value in own.items() if name not in _OF_EACH_PART})
        begun = {name: header["order"][name] for name in _RECORDED if name in header["order"]}
        begun["files"] = variants.import_files(same_files(header))
        usual = {name: begun.pop(name) for name in _USUAL if name in begun}
        plan, control = planned_again(header, space, rest)
        found = {**usual, **own, **begun, "seed": header["seed"]}
        return cls(plan=plan, control=control, space=header["space"], **found)

    @property
    def named_out(self) -> Location:
        """What a user names as the place of the run."""
        return self.store or self.out

    @property
    def recorded(self) -> Json:
        """What the journal keeps of it for a resume, besides plan, controls and seed."""
        return {name: getattr(self, name) for name in _RECORDED}


_FIELDS = tuple(
    field.name for field in dataclasses.fields(RunRequest) if field.name not in ("plan", "control", "space")
)
# What may differ between the parts of a run that is resumed; everything else is kept for them.
_OF_EACH_PART = (
    "out",
    "store",
    "page",
    "quiet",
    "wait",
    "explain",
    "command",
    "peaks",
    "executor",
    "address",
    "repeat_devices",
)
# Of these, what a part has as the run began, unless it is given.
_USUAL = ("page", "explain")
_RECORDED = tuple(name for name in _FIELDS if name not in (*_OF_EACH_PART, "seed") or name in _USUAL)


def _check_executor(own: Mapping[str, Any]) -> None:
    """Raises SpaceError."""
    executor = own.get("executor", LOCAL)
    if executor not in EXECUTORS:
        raise SpaceError(
            f"An executor must be one of {', '.join(EXECUTORS)}", received=executor, remedy="Name one of them"
        )
    if own.get("address") is not None and executor == LOCAL:
        raise SpaceError(
            "An address must go with an engine that listens there",
            received=own["address"],
            remedy="Use --executor ray, or leave the address out",
        )
    devices = own.get("repeat_devices")
    if devices is None:
        return
    if executor == LOCAL:
        raise SpaceError(
            "--repeat-devices must go with a fleet",
            received="--executor local",
            remedy="Use --executor ray, or leave the option out",
        )
    if isinstance(devices, bool) or not isinstance(devices, int) or not 2 <= devices <= _MOST_DEVICES:
        raise SpaceError(
            f"--repeat-devices must be an integer from 2 to {_MOST_DEVICES}", received=devices, remedy="Give 2 or more"
        )


def _split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that are fields of a request and were given, and the others."""
    own = {name: value for name, value in options.items() if name in _FIELDS and value is not None}
    if "out" in own:
        own["store"] = own["out"] if is_url(own["out"]) else None
        own["out"] = local_folder(own["out"])
    return own, {name: value for name, value in options.items() if name not in _FIELDS}
