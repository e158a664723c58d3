"""Advice from runs, with a measurement where they give none; behind `grouped-bench advise`."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import backends, variants
from grouped_bench.api.runs import Run, joined, load_all, run
from grouped_bench.errors import RunError, SpaceError
from grouped_bench.plan import make_plan, resolved
from grouped_bench.space import variables
from grouped_bench.space.choices import DEPTHWISE, is_narrow
from grouped_bench.space.facts import Json
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.analyse.advise.advice import Advice, Question
    from grouped_bench.harness.inspect.here import Here, Machines
    from grouped_bench.store.schema import Task

# For each environment that is tried.
SECONDS_A_CASE = 60
# Besides the baselines: what was fastest somewhere. More ways would leave each of them less of the time.
_BASELINES = ("regular", "grouped")
# `composed` is left out: its search takes a third of that time.
_TRIED = ("grouped_native", "split_concat", "split_sum", "block_diagonal", "merged_groups", DEPTHWISE)


def advise(
    space: Space | None = None,
    runs: Sequence[str] = (),
    *,
    out: str | Path = DEFAULT_OUT,
    computes: str | None = None,
    measure: bool = False,
    wait: bool = False,
    quiet: bool = True,
    files: variants.Files = (),
    **options: Any,
) -> "list[Advice]":
    """Which variant to use for each case of `space`, or of the runs where no space is given.

    What is advised was run here: its code is built and called, and for training its gradients are taken, in a worker
    under the environment as it is.

    Args:
        space: the cases asked for.
        runs: names of runs to ask, as `load` takes them; all under `out` unless given.
        out: folder of the runs, and of what is measured.
        computes: `dense` or `grouped`; `grouped` where there are groups unless given.
        measure: whether to measure what the runs leave open, for a minute per case in each environment that the backend
            names and that changes what is in force.
        wait: whether to wait for another run on this machine to end before measuring.
        quiet: whether to show no progress on stderr.
        files: Python files that register variants, whose code is printed and which `measure` tries.
        **options: axes that replace those of the space.

    Raises:
        SpaceError: an argument breaks a rule, or blocks are asked for.
        VariantError: a file does not register variants.
        RunError: a run that cannot be found or read.
    """
    from grouped_bench.analyse.advise.advise import questions
    from grouped_bench.harness.inspect.here import looked_at

    files = variants.import_files(files)
    rows, machines = _evidence(runs, Path(out))
    asked = questions(rows, computes) if space is None else _questions(resolved(space, options)[0], computes)
    with looked_at(machines, quiet=quiet) as here:
        found = [_answer(one, rows, here) for one in asked]
        open_ones = [one.question for one in found if not one.is_settled] if measure else []
        tables = [_table(one, here, variants.own(files)) for one in open_ones]
    if not tables:
        return found
    fresh, measured_on = _measured(tables, Path(out), wait=wait, quiet=quiet, files=files)
    with looked_at(machines | measured_on, quiet=quiet) as here:
        return [_answer(one, [*rows, *fresh], here) for one in asked]


def _answer(asked: "Question", rows: "list[Task]", here: "Here") -> "Advice":
    """The advice of what was measured here, tried here; else what was found elsewhere, which is none."""
    from grouped_bench.analyse.advise.advise import advise as answered
    from grouped_bench.analyse.advise.advise import is_measured, of_case, with_alternative

    here.begin(asked.setting, of_case(asked, rows))
    sorted_ = here.sort(asked.setting, rows)
    found = with_alternative(_tried(asked, sorted_.own, here), sorted_.others)
    found = _with_tried_alternative(found, here)
    if found.answers or is_measured(asked, sorted_.own):
        return found
    for why, theirs in sorted_.elsewhere:
        told = answered(asked, theirs)
        if told.best is not None:
            return dataclasses.replace(told, why_elsewhere=why)
    return found


def _tried(asked: "Question", rows: "list[Task]", here: "Here") -> "Advice":
    """The advice whose code works here: a variant that fails is not advised, and its reason is given."""
    from grouped_bench.analyse.advise.advise import advise as answered
    from grouped_bench.report.advice.text import code_of

    failed: dict[str, str] = {}
    while True:
        found = answered(asked, [row for row in rows if row.variant not in failed])
        code = code_of(found)
        problem = None if code is None else here.trials.problem(asked.case, asked.setting, code)
        if found.best is None or problem is None:
            told = tuple((name, _fails(why, asked, here)) for name, why in failed.items())
            tried = code is not None and found.best is not None
            return dataclasses.replace(found, tried=tried, left_out=(*told, *found.left_out))
        failed[found.best.variant] = problem


def _with_tried_alternative(advice: "Advice", here: "Here") -> "Advice":
    from grouped_bench.report.advice.text import code_of

    if advice.alternative is None:
        return advice
    told = advice.alternative.advice
    code = code_of(told)
    problem = None if code is None else here.trials.problem(told.question.case, told.question.setting, code)
    if problem is None:
        return advice
    assert told.best is not None, "an alternative is a variant"
    left_out = (f"{told.best.variant} with {advice.alternative.env}", _fails(problem, told.question, here))
    return dataclasses.replace(advice, alternative=None, left_out=(left_out, *advice.left_out))


def _fails(problem: str, asked: "Question", here: "Here") -> str:
    """Why code is not advised: what it met when it was run here, with its cause and remedy where they are known."""
    from grouped_bench.analyse.reasons.reasons import explained

    probe = here.trials.probe(asked.setting)
    in_force = probe.in_force if probe else None
    row = {**asked.columns(), "computes": asked.computes, "in_force": in_force}
    return f"its code fails here: {explained(problem, row)}"


def _questions(space: Space, computes: str | None) -> "list[Question]":
    from grouped_bench.analyse.advise.advice import question

    plan = make_plan(space)
    if any(cohort.case.scope != "layer" for cohort in plan.cohorts):
        raise SpaceError("`advise` takes layers", received="scope block", remedy="Compare blocks with `run`")
    for skip in plan.skipped:
        asked = skip.cohort.case.title()
        raise SpaceError(
            f"Every case must be a valid convolution: {skip.reason}", received=asked, remedy="Leave it out"
        )
    return [question(cohort.case, cohort.setting, computes) for cohort in plan.cohorts]


def _evidence(names: Sequence[str], out: Path) -> "tuple[list[Task], Machines]":
    """The rows of the runs that may be asked, and the machine of each run."""
    try:
        runs = load_all(list(names or [str(out)]), out)
    except RunError:
        if names or (out.is_dir() and any(out.rglob("*.parquet"))):
            raise
        return [], {}  # nothing was measured yet, and the question is sound
    return _told([one for one in runs if names or not (one.metadata.get("control") or {}).get("tf32")])


def _told(runs: Sequence[Run]) -> "tuple[list[Task], Machines]":
    """The rows of some runs, and the machine of each run."""
    from grouped_bench.analyse.advise.advise import sensible
    from grouped_bench.analyse.rows import plain
    from grouped_bench.store.identity import identity_of

    machines = {str(one.metadata.get("run_id")): identity_of(one.metadata) for one in runs}
    return sensible(plain(joined(list(runs)))) if runs else [], machines


def _measured(
    tables: Sequence[Json], out: Path, *, wait: bool, quiet: bool, files: tuple[str, ...]
) -> "tuple[list[Task], Machines]":
    space = Space(cases=list(tables), source="advise")
    environments = sum(max(1, len(make_plan(Space(cases=[table], source="advise")).cohorts)) for table in tables)
    budget = SECONDS_A_CASE * environments
    return _told([run(space, out=out, page=False, quiet=quiet, wait=wait, budget=budget, files=files)])


def _table(asked: "Question", here: "Here", own: Sequence[str]) -> Json:
    """The case as a table of axes, with the baselines and the likely variants of its function, the user's `own` too."""
    columns = asked.columns()
    channels = (columns.pop("in_channels"), columns.pop("out_channels"))
    env = _environments(asked, here) if columns.pop("env") is None else _as_it_is(asked)
    same = [name for name in (*_TRIED, *own) if variants.get(name).computes == asked.computes]
    if not is_narrow(asked.case):
        same = [name for name in same if name != DEPTHWISE]
    axes = {name: [value] for name, value in columns.items() if value is not None}
    return {**axes, **({"env": env} if env else {}), "channels": [channels], "variant": [*_BASELINES, *same]}


def _as_it_is(asked: "Question") -> dict[str, list[str]]:
    return {name: [value] for name, value in variables.parsed(asked.setting.env).items()}


def _environments(asked: "Question", here: "Here") -> dict[str, list[str]]:
    """The variables that the backend names, each with its value at hand and those that change what is in force."""
    found = {}
    for name, values in backends.get(asked.setting.backend).environments.items():
        others = [value for value in values if here.changes(asked.setting, f"{name}={value}")]
        if others:
            found[name] = [os.environ.get(name, ""), *others]
    return found
