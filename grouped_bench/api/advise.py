"""Advice from runs, with a measurement where they give none; behind `grouped-bench advise`."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import backends, variants
from grouped_bench.api.runs import Run, joined, load_all, run
from grouped_bench.errors import RunError, SpaceError
from grouped_bench.harness.plan import make_plan, resolved
from grouped_bench.space import variables
from grouped_bench.space.axes import Control, validate
from grouped_bench.space.case import BASELINE, MIXED_PREFIX, Case
from grouped_bench.space.choices import DEPTHWISE, is_worth_a_trial
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
    budget: str | float | None = None,
    wait: bool = False,
    quiet: bool = True,
    files: variants.Files = (),
    **options: Any,
) -> "list[Advice]":
    """Which variant to use for each case of `space`; without one for each layer of the runs.

    What is advised was run here: its code is built and called, and for training its gradients are taken, in a worker
    under the environment as it is.

    Args:
        space: the cases asked for.
        runs: names of runs to ask, as `load` takes them; all under `out` unless given.
        out: folder of the runs, and of what is measured.
        computes: `dense` or `grouped`; `grouped` where there are groups unless given.
        measure: whether to measure what the runs leave open.
        budget: seconds, or text such as `5m`, for all that is measured; a minute per case in each environment that the
            backend names and that changes what is in force unless given.
        wait: whether to wait for another run on this machine to end before measuring.
        quiet: whether to show no progress on stderr.
        files: Python files that register variants, whose code is printed and which `measure` tries.
        **options: axes that replace those of the space; without one, what the layers must agree in.

    Raises:
        SpaceError: an argument breaks a rule, or blocks are asked for.
        VariantError: a file does not register variants.
        RunError: a run that cannot be found or read.
    """
    how = Measuring.of(out, budget, wait=wait, quiet=quiet, files=variants.import_files(files))
    rows, machines = evidence(runs, out)
    asked = questions_of(space, rows, computes, options)
    return answers(asked, rows, machines, how, measure=measure)


@dataclasses.dataclass(frozen=True)
class Measuring:
    """How what is open is measured: the folder of the run, and as `run` takes the rest.

    `tried` names the variants besides the baselines, and `takes` says of a case which of them are worth a trial;
    `environments` says whether values of the variables that the backend names are tried too. What leaves more than a
    share open is measured again; with `any_answer` only what has no interval. `network` names what the cases are the
    layers of: the run is then one of that network, and has a page.
    """

    out: str | Path
    budget: float | None
    wait: bool
    quiet: bool
    files: tuple[str, ...]
    tried: tuple[str, ...] = _TRIED
    environments: bool = True
    any_answer: bool = False
    takes: Callable[[str, Case], bool] = is_worth_a_trial
    network: str | None = None

    def is_enough(self, advice: "Advice") -> bool:
        """Whether the case need not be measured."""
        from grouped_bench.analyse.advise.replacements import KINDS, advised

        if not self.any_answer or not advice.is_measured:
            return advice.is_settled
        gain = advised(advice, (*KINDS, DEPTHWISE)).gain
        return gain is not None and gain.low is not None

    @classmethod
    def of(cls, out: str | Path, budget: str | float | None, **how: Any) -> "Measuring":
        """The same from what a user gives. Raises SpaceError for a budget that is no duration."""
        return cls(out, validate(Control, {} if budget is None else {"budget": budget}, "options").budget, **how)


def answers(
    asked: "Sequence[Question]", rows: "list[Task]", machines: "Machines", how: Measuring, *, measure: bool
) -> "list[Advice]":
    """The advice on each question.

    Args:
        asked: the questions.
        rows, machines: as `evidence` gives them.
        how: to measure.
        measure: whether to measure what the rows leave open.
    """
    from grouped_bench.harness.inspect.here import looked_at

    with looked_at(machines, quiet=how.quiet) as here:
        found = [_answer(one, rows, here) for one in asked]
        open_ones = [one.question for one in found if not how.is_enough(one)] if measure else []
        tables = [_table(one, here, how) for one in open_ones]
    if not tables:
        return found
    seconds = _seconds(tables, how)
    fresh, measured_on = _measured(tables, how, seconds)
    with looked_at(machines | measured_on, quiet=how.quiet) as here:
        found = [_answer(one, [*rows, *fresh], here) for one in asked]
    return [dataclasses.replace(one, measured_s=seconds if one.question in open_ones else None) for one in found]


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
        found = answered(asked, [_failing(row, failed) for row in rows])
        code = code_of(found)
        problem = _problem(found, code, here)
        if found.best is None or problem is None:
            told = {name: fails(why, asked, here) for name, why in failed.items()}
            others = [one for one in found.left_out if one[0] not in told]
            tried = code is not None and found.best is not None
            return dataclasses.replace(found, tried=tried, left_out=(*told.items(), *others))
        failed[found.best.variant] = problem


def _problem(advice: "Advice", code: str | None, here: "Here") -> str | None:
    """Why the code of what is advised does not work here."""
    from grouped_bench.harness.inspect.trials import Paste

    if code is None or advice.best is None:
        return None
    paste = Paste(code, advice.best.variant, advice.best.choice)
    return here.trials.problem(advice.question.case, advice.question.setting, paste)


def _failing(row: "Task", failed: Mapping[str, str]) -> "Task":
    """The row as that of a task which failed, where the code of its variant does."""
    if row.variant not in failed:
        return row
    return dataclasses.replace(row, status="error", reason=failed[row.variant], latency_s=None)


def _with_tried_alternative(advice: "Advice", here: "Here") -> "Advice":
    from grouped_bench.report.advice.text import code_of

    if advice.alternative is None:
        return advice
    told = advice.alternative.advice
    code = code_of(told)
    problem = _problem(told, code, here)
    if problem is None:
        return advice
    assert told.best is not None, "an alternative is a variant"
    left_out = (f"{told.best.variant} with {advice.alternative.env}", fails(problem, told.question, here))
    return dataclasses.replace(advice, alternative=None, left_out=(left_out, *advice.left_out))


def fails(problem: str, asked: "Question", here: "Here") -> str:
    """Why code is not advised: what it met when it was run here, with its cause and remedy where they are known."""
    from grouped_bench.analyse.reasons.reasons import explained

    probe = here.trials.probe(asked.setting)
    in_force = probe.in_force if probe else None
    row = {**asked.columns(), "computes": asked.computes, "in_force": in_force}
    return f"its code fails here: {explained(problem, row)}"


def questions_of(
    space: Space | None, rows: "list[Task]", computes: str | None, options: Mapping[str, Any]
) -> "list[Question]":
    """A question for each case of `space`; without one for each layer of `rows` that agrees with `options`.

    Args:
        space: the cases; None for the layers.
        rows: plain rows of the record.
        computes: the function; None for the usual one.
        options: axes, by the names that `Space` takes.
    """
    from grouped_bench.analyse.advise.advise import questions

    if space is not None:
        return _questions(resolved(space, {**_usual_layout(space, options), **options})[0], computes)
    every = questions(rows, computes)
    if not options:
        return every
    names = ["pass" if name == "passes" else name for name in options]
    wanted = [one.columns() for one in _questions(resolved(Space(source="options"), options)[0], computes)]
    agreed = [[one[name] for name in names] for one in wanted]
    return [one for one in every if [one.columns()[name] for name in names] in agreed]


def _usual_layout(space: Space, options: Mapping[str, Any]) -> Json:
    """Who asks for PyTorch alone, and names no variant and no mixed precision, has modules of PyTorch."""
    tables = [{**table, **options} for table in space.tables]

    def is_plain(table: Json) -> bool:
        of_torch = table.get("backend") in ("torch", ["torch"], ("torch",))
        return of_torch and not {"layout", "variant"} & set(table) and MIXED_PREFIX not in str(table.get("dtype"))

    return {"layout": backends.named("torch").layouts[0]} if all(map(is_plain, tables)) else {}


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


def evidence(names: Sequence[str], out: str | Path) -> "tuple[list[Task], Machines]":
    """The rows of the runs that may be asked, and the machine of each run."""
    from grouped_bench.store.runs import holds_runs

    try:
        runs = load_all(list(names or [str(out)]), out)
    except RunError:
        if names or holds_runs(out):
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


def _seconds(tables: Sequence[Json], how: Measuring) -> float:
    """How long to measure: as asked, else a minute per case and environment."""
    if how.budget is not None:
        return how.budget
    return float(SECONDS_A_CASE * sum(max(1, len(make_plan(_space([table], how)).cohorts)) for table in tables))


def _measured(tables: Sequence[Json], how: Measuring, seconds: float) -> "tuple[list[Task], Machines]":
    options = {"wait": how.wait, "quiet": how.quiet, "files": how.files, "page": how.network is not None}
    return _told([run(_space(tables, how), out=how.out, budget=seconds, **options)])


def _space(tables: Sequence[Json], how: Measuring) -> Space:
    return Space(cases=list(tables), source=how.network or "advise")


def _table(asked: "Question", here: "Here", how: Measuring) -> Json:
    """The case as a table of axes, with the baselines and the likely variants of its function, the user's own too."""
    columns = asked.columns()
    channels = (columns.pop("in_channels"), columns.pop("out_channels"))
    env = _as_it_is(asked)
    if columns.pop("env") is None and how.environments:
        env = _environments(asked, here)
    tried = (*how.tried, *variants.own(how.files))
    known = (name for name in tried if variants.get(name).has_layout(asked.setting.layout))
    same = [name for name in known if variants.get(name).computes == asked.computes and how.takes(name, asked.case)]
    axes = {name: [value] for name, value in columns.items() if value is not None}
    named = {name: getattr(asked, name) for name in ("label", "in_use", "multiplicity")} if how.network else {}
    told = {name: value for name, value in named.items() if value is not None}
    return {**axes, **told, **({"env": env} if env else {}), "channels": [channels], "variant": _named(asked, same)}


def _named(asked: "Question", tried: Sequence[str]) -> list[str]:
    """The baselines and what is tried; beside a depthwise layer `grouped`, which may take seconds, is of no use."""
    own = (BASELINE, DEPTHWISE) if asked.keras == DEPTHWISE else _BASELINES
    return list(dict.fromkeys((*own, *tried)))


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
