"""Advice from runs, and a measurement where they do not tell: what `grouped-bench advise` stands for."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import api, variants
from grouped_bench.errors import HostError, RunError, SpaceError, UnavailableError
from grouped_bench.plan import make_plan, resolved
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.analyse.advice import Advice, Question, Row
    from grouped_bench.harness.probing import Probe
    from grouped_bench.store.identity import Identity

SECONDS_A_CASE = 30
# Besides the baselines: what was fastest somewhere. More ways would leave each of them less of the time.
_BASELINES = ("regular", "grouped")
_TRIED = ("grouped_native", "split_concat", "split_sum", "block_diagonal")


def advise(
    space: Space | None = None,
    runs: Sequence[str] = (),
    *,
    out: str | Path = DEFAULT_OUT,
    computes: str | None = None,
    measure: bool = False,
    wait: bool = False,
    quiet: bool = True,
    **options: Any,
) -> "list[Advice]":
    """Which variant to use for each case of `space`, or of the runs where no space is given.

    Args:
        space: the cases asked for.
        runs: names of runs to ask, as `load` takes them; all under `out` unless given.
        out: folder of the runs, and of what is measured.
        computes: `dense` or `grouped`; `grouped` where there are groups unless given.
        measure: whether to measure, for some 30 s each, the cases that the runs leave open.
        wait: whether to wait for another run on this machine to end before measuring.
        quiet: whether to show no progress on stderr.
        **options: axes that replace those of the space.

    Raises:
        SpaceError: an argument breaks a rule, or blocks are asked for, or runs of several other machines.
        RunError: a run that cannot be found or read.
    """
    from grouped_bench.analyse.advise import questions

    rows, machines = _evidence(runs, Path(out))
    asked = questions(rows, computes) if space is None else _questions(resolved(space, options)[0], computes)
    here = Here(machines)
    found = [_answer(one, rows, here) for one in asked]
    open_ones = [advice.question for advice in found if not advice.is_settled]
    if measure and open_ones:
        fresh = _measured(open_ones, Path(out), wait=wait, quiet=quiet)
        here.just_measured = {row["run_id"] for row in fresh}
        found = [_answer(one, [*rows, *fresh], here) for one in asked]
    return found


class Here:
    """This machine and what its workers use, as far as it is asked: what a row must share to be evidence."""

    def __init__(self, machines: "Mapping[str, Identity | None]") -> None:
        self._machines = machines
        self.just_measured: set[str] = set()

    def why_not(self, row: "Row") -> str | None:
        """Why the row is of elsewhere, in words; None where it is not."""
        from grouped_bench.analyse.machines import machine_differences, why_elsewhere

        if row["run_id"] in self.just_measured:
            return None
        there = self._machines.get(row["run_id"])
        setting = row["backend"], row["device"]
        here = machine_here(*setting) if there is not None else None
        # A backend takes seconds to start, and is not asked where the machine is another one.
        in_force = {} if machine_differences(there, here) else in_force_here(row["backend"])
        if in_force is None:
            return f"{row['backend']} does not start here"
        return why_elsewhere(there, here, row["in_force"], in_force)


@functools.cache
def machine_here(backend: str, device: str) -> "Identity | None":
    """The machine that computes on `device` here; None where it tells too little."""
    from grouped_bench.harness.identification import machine_of
    from grouped_bench.harness.probing import full_name
    from grouped_bench.measure import environment

    name = full_name(device)
    probe = _probed(backend) if name.startswith("gpu") else None
    if name.startswith("gpu") and (probe is None or name not in probe.devices):
        return None
    return machine_of([(backend, name)], {backend: probe} if probe else {}, environment.describe([]))


def in_force_here(backend: str) -> dict[str, Any] | None:
    """What a worker of the backend uses here; None where it does not start."""
    probe = _probed(backend)
    return probe.in_force if probe else None


@functools.cache
def _probed(backend: str) -> "Probe | None":
    from grouped_bench.harness.probing import probe_backend

    try:
        return probe_backend(backend)
    except (UnavailableError, HostError):
        return None


def _answer(asked: "Question", rows: "list[Row]", here: Here) -> "Advice":
    from grouped_bench.analyse.advise import advise as answered

    chosen, why = _of_one_machine(asked, rows, here)
    found = answered(asked, chosen)
    return dataclasses.replace(found, why_elsewhere=why if found.evidence else None)


def _questions(space: Space, computes: str | None) -> "list[Question]":
    from grouped_bench.analyse.advice import question

    plan = make_plan(space)
    if any(cohort.case.scope != "layer" for cohort in plan.cohorts):
        raise SpaceError("Advice is given on layers", received="scope block", remedy="Use `grouped-bench run`")
    for skip in plan.skipped:
        asked = skip.cohort.case.title()
        raise SpaceError(f"Every case must make sense: {skip.reason}", received=asked, remedy="Leave that one out")
    return [question(cohort.case, cohort.setting, computes) for cohort in plan.cohorts]


def _evidence(names: Sequence[str], out: Path) -> "tuple[list[Row], dict[str, Identity | None]]":
    """The rows of the runs that may be asked, and the machine of each run."""
    from grouped_bench.analyse.advise import sensible
    from grouped_bench.report.rows import plain
    from grouped_bench.store.identity import identity_of

    try:
        runs = api.load_all(list(names or [str(out)]), out)
    except RunError:
        if names or (out.is_dir() and any(out.rglob("*.parquet"))):
            raise
        return [], {}  # nothing was measured yet, which is no fault of the question
    alike = _comparable(runs, named=bool(names))
    machines = {str(run.metadata.get("run_id")): identity_of(run.metadata) for run in alike}
    return sensible(plain(api.joined(alike))) if alike else [], machines


def _comparable(runs: "list[api.Run]", *, named: bool) -> "list[api.Run]":
    """Runs in the backend's own threads and precision, which the rows do not tell; named ones must be alike."""
    kinds = [tuple((run.metadata.get("control") or {}).get(key) for key in ("threads", "tf32")) for run in runs]
    if named and len(set(kinds)) > 1:
        raise SpaceError(
            "Advice is of runs with the same --threads and --tf32",
            received=", ".join(f"threads {threads}, tf32 {tf32}" for threads, tf32 in dict.fromkeys(kinds)),
            remedy="Name those that are alike",
        )
    return [run for run, kind in zip(runs, kinds, strict=True) if named or kind == (None, None)]


def _of_one_machine(asked: "Question", rows: "list[Row]", here: Here) -> "tuple[list[Row], str | None]":
    """The rows of this machine as it is, or of the only other one that there is for the setting and why it is another.

    Of another machine the rows are those of what was in force there last.
    """
    setting = (asked.setting.backend, asked.setting.device)
    alike = [row for row in rows if (row["backend"], row["device"]) == setting]
    own = [row for row in alike if here.why_not(row) is None]
    if own or not alike:
        return own, None
    machines = list(dict.fromkeys(row["machine"] for row in alike))
    if len(machines) > 1:
        raise SpaceError(
            "Advice is of one machine, and none of these is this one",
            received=", ".join(machines),
            remedy="Name the runs of one machine",
        )
    last = max(alike, key=lambda row: row["started_at"])
    return [row for row in alike if row["in_force"] == last["in_force"]], here.why_not(last)


def _measured(asked: "Sequence[Question]", out: Path, *, wait: bool, quiet: bool) -> "list[Row]":
    from grouped_bench.report.rows import plain

    space = Space(cases=[_table(one) for one in asked], source="advise")
    budget = SECONDS_A_CASE * len(asked)
    run = api.run(space, out=out, page=False, quiet=quiet, wait=wait, budget=budget)
    return plain(run.frame)


def _table(asked: "Question") -> dict[str, Any]:
    """The case as a table of axes, with the baselines and the likely variants of its function."""
    columns = asked.columns()
    channels = (columns.pop("in_channels"), columns.pop("out_channels"))
    same = [name for name in _TRIED if variants.get(name).computes == asked.computes]
    axes = {name: [value] for name, value in columns.items() if value is not None}
    return {**axes, "channels": [channels], "variant": [*_BASELINES, *same]}
