"""Advice from runs, and a measurement where they do not tell: what `grouped-bench advise` stands for."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import api, variants
from grouped_bench.errors import RunError, SpaceError
from grouped_bench.plan import make_plan, resolved
from grouped_bench.space.choices import DEPTHWISE, is_narrow
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.analyse.advice import Advice, Question, Row

SECONDS_A_CASE = 30
# Besides the baselines: what was fastest somewhere. More ways would leave each of them less of the time.
_BASELINES = ("regular", "grouped")
_TRIED = (
    *("grouped_native", "split_concat", "split_sum", "block_diagonal"),
    *("merged_groups", DEPTHWISE, "composed"),
)


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
    from grouped_bench.measure.environment import machine_slug

    rows = _rows(runs, Path(out))
    asked = questions(rows, computes) if space is None else _questions(resolved(space, options)[0], computes)
    here = [machine_slug()]
    found = [_answer(one, rows, here) for one in asked]
    open_ones = [advice.question for advice in found if not advice.is_settled]
    if measure and open_ones:
        fresh = _measured(open_ones, Path(out), wait=wait, quiet=quiet)
        # A run on GPUs alone is of a machine that is called after them.
        here = [*(row["machine"] for row in fresh[:1]), *here]
        found = [_answer(one, [*rows, *fresh], here) for one in asked]
    return found


def _answer(asked: "Question", rows: "list[Row]", here: Sequence[str]) -> "Advice":
    from grouped_bench.analyse.advise import advise as answered

    found = answered(asked, _of_one_machine(asked, rows, here))
    return dataclasses.replace(found, elsewhere=any(row["machine"] not in here for row in found.evidence))


def _questions(space: Space, computes: str | None) -> "list[Question]":
    from grouped_bench.analyse.advice import question

    plan = make_plan(space)
    if any(cohort.case.scope != "layer" for cohort in plan.cohorts):
        raise SpaceError("Advice is given on layers", received="scope block", remedy="Use `grouped-bench run`")
    for skip in plan.skipped:
        asked = skip.cohort.case.title()
        raise SpaceError(f"Every case must make sense: {skip.reason}", received=asked, remedy="Leave that one out")
    return [question(cohort.case, cohort.setting, computes) for cohort in plan.cohorts]


def _rows(names: Sequence[str], out: Path) -> "list[Row]":
    from grouped_bench.analyse.advise import sensible
    from grouped_bench.report.rows import plain

    try:
        runs = api.load_all(list(names or [str(out)]), out)
    except RunError:
        if names or (out.is_dir() and any(out.rglob("*.parquet"))):
            raise
        return []  # nothing was measured yet, which is no fault of the question
    alike = _comparable(runs, named=bool(names))
    return sensible(plain(api.joined(alike))) if alike else []


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


def _of_one_machine(asked: "Question", rows: "list[Row]", here: Sequence[str]) -> "list[Row]":
    """The rows of the first of this machine's names that has any, or of the only one that there is for the setting."""
    setting = (asked.setting.backend, asked.setting.device)
    alike = [row for row in rows if (row["backend"], row["device"]) == setting]
    machines = list(dict.fromkeys(row["machine"] for row in alike))
    known = [name for name in here if name in machines]
    if len(machines) > 1 and not known:
        raise SpaceError(
            "Advice is of one machine, and none of these is this one",
            received=", ".join(machines),
            remedy="Name the runs of one machine",
        )
    chosen = [*known, *machines][:1]
    return [row for row in alike if row["machine"] in chosen]


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
    if not is_narrow(asked.case):
        same = [name for name in same if name != DEPTHWISE]
    axes = {name: [value] for name, value in columns.items() if value is not None}
    return {**axes, "channels": [channels], "variant": [*_BASELINES, *same]}
