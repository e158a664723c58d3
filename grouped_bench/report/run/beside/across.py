"""Several kinds of machines beside each other: the best form of each case on each, and what a wrong choice costs."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from grouped_bench.analyse.environment.across import (
    COSTS,
    FAILS,
    HOLDS,
    OPEN,
    CaseAcross,
    MachineKind,
    Transfer,
    across,
    kinds_of,
)
from grouped_bench.analyse.rows import case_title, varying
from grouped_bench.report.drawing.names import case_name, shape_of
from grouped_bench.report.findings.sentences import Finding
from grouped_bench.report.run.beside.surroundings import letters
from grouped_bench.report.text import cells, factors
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.case import SETTING
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

_MOST_CASES = 60
# With more a table has no room, and nobody compares them by eye.
_MOST_KINDS = 6
_OF_SETTING = tuple(name for name in SETTING if name != "env")
_NOTE = (
    "Best: the fastest form that is clearly faster than the one in use, which is Keras' own unless a network has "
    "another. Where none is, the one in use. “A on B”: what is best on A, used on B, beside the best on B. "
    "—: not measured there."
)


def across_sheets(rows: Sequence[Task]) -> list[Sheet]:
    """A table of the cases whose best form differs between kinds of machines, or may; none without any."""
    cases = across(rows)
    kinds = kinds_of(cases)[:_MOST_KINDS]
    if not cases:
        return []
    names = {kind: letters(place) for place, kind in enumerate(kinds)}
    apart = sorted((case for case in cases if case.state != HOLDS), key=lambda case: -_worst(case))
    shown, firsts = apart[:_MOST_CASES], [case.choices[0].best for case in cases]
    varied = shape_of(firsts), varying(firsts, _OF_SETTING)
    table = tuple(_row(case, names, *varied) for case in shown)
    if not table:
        return []
    headers = ("case", *(f"best on {name}" for name in names.values()), "used elsewhere")
    legend = "; ".join(f"{letter}: {_title(kind, kinds)}" for kind, letter in names.items())
    held = len(cases) - len(apart)
    more = [f"The same form is best wherever it was measured in {counted(held, 'other case')}."] if held else []
    more += [f"{counted(len(apart) - len(shown), 'more case')} not shown."] if len(apart) > len(shown) else []
    left = len(kinds_of(cases)) - len(kinds)
    more += [f"{counted(left, 'more kind')} of machines not shown."] if left > 0 else []
    title = cells.clean(f"{_across(kinds)}. {legend}")
    return [Sheet(title, headers, table, (_NOTE, *more))]


def across_findings(rows: Sequence[Task]) -> list[Finding]:
    """In how many cases the best form depends on the machine, and what a choice made elsewhere costs; one or none."""
    cases = across(rows)
    if not cases:
        return []
    moved = [case for case in cases if case.state in (COSTS, FAILS)]
    dearest = max((case.dearest for case in moved if case.dearest), key=lambda one: one.at_least, default=None)
    text = " ".join([_of_all(cases, moved), *_costs(dearest, cases), *_failures(moved, cases)])
    behind = tuple(choice.best for case in moved or cases for choice in case.choices)
    return [Finding(cells.clean(text), behind, math.log(dearest.at_least) if dearest else 0.0)]


def _of_all(cases: Sequence[CaseAcross], moved: Sequence[CaseAcross]) -> str:
    undecided = sum(case.state == OPEN for case in cases)
    rest = f"; {counted(undecided, 'case')} undecided" if undecided else ""
    if moved:
        return f"The best form depends on where it runs in {len(moved)} of {counted(len(cases), 'case')}{rest}."
    held = len(cases) - undecided
    return f"The best form is the same wherever it was measured in {held} of {counted(len(cases), 'case')}{rest}."


def _costs(dearest: Transfer | None, cases: Sequence[CaseAcross]) -> Iterator[str]:
    """What the dearest choice costs elsewhere."""
    if dearest is not None:
        made, used = (_where(choice.kind, kinds_of(cases)) for choice in (dearest.made, dearest.used))
        yield (
            f"{cells.text_of(dearest.made.best.variant)}, the best {made}, is {_result(dearest)} than the best {used}, "
            f"in {case_title(dearest.used.best)}."
        )


def _failures(moved: Sequence[CaseAcross], cases: Sequence[CaseAcross]) -> Iterator[str]:
    """What does not run elsewhere."""
    failing = [one for case in moved for one in case.transfers if one.state == FAILS]
    if failing:
        first, count = failing[0], counted(sum(case.state == FAILS for case in moved), "case")
        where = _where(first.used.kind, kinds_of(cases))
        yield f"What is best does not run elsewhere in {count}: {first.made.best.variant} is {_result(first)} {where}."


def _row(
    case: CaseAcross, names: dict[MachineKind, str], shape: Sequence[str], settings: Sequence[str]
) -> tuple[str, ...]:
    best = {choice.kind: choice.best for choice in case.choices}
    first = case.choices[0].best
    name = case_name(first, shape)
    passes = [] if name == cells.clean(case_title(first)) else [str(first.pass_)]
    title = " ".join([name, *passes, *(cells.text_of(first[name]) for name in settings)])
    cell = [cells.text_of(best[kind].variant) if kind in best else cells.DASH for kind in names]
    return (cells.clean(title), *cell, _elsewhere(case, names))


def _elsewhere(case: CaseAcross, names: dict[MachineKind, str]) -> str:
    """The worst that becomes of the choice of a kind on another: one that does not run, and the dearest."""
    shown = [one for one in case.transfers if {one.made.kind, one.used.kind} <= names.keys()]
    failing = [one for one in shown if one.state == FAILS][:1]
    dear = sorted((one for one in shown if one.state == COSTS), key=lambda one: -one.at_least)[:1]
    told = [f"{names[one.made.kind]} on {names[one.used.kind]}: {_result(one)}" for one in (*failing, *dear)]
    return "; ".join(told) or "undecided"


def _result(one: Transfer) -> str:
    """How many times as slow, or what became of the task."""
    if one.cost is None:
        return cells.text_of(one.task.status if one.task else None)
    return factors.factor(*dataclasses.astuple(one.cost.turned()))


def _worst(case: CaseAcross) -> float:
    if case.state == FAILS:
        return math.inf
    return case.dearest.at_least if case.dearest else 0.0


def _across(kinds: Sequence[MachineKind]) -> str:
    """What differs between the kinds."""
    machines, states = ({getattr(one, name) for one in kinds} for name in ("machine", "state"))
    told = [*(["machines"] if len(machines) > 1 else []), *(["environments"] if len(states) > 1 else [])]
    return f"Across {' and '.join(told)}"


def _where(kind: MachineKind, kinds: Sequence[MachineKind]) -> str:
    """What tells a kind from the others, in a sentence: `on amx-2 with oneDNN off`."""
    machine, state = _apart(kind, kinds)
    return " ".join([*([f"on {machine}"] if machine else []), *([f"with {state}"] if state else [])])


def _title(kind: MachineKind, kinds: Sequence[MachineKind]) -> str:
    """The same in a legend: `amx-2, oneDNN off`."""
    return ", ".join(filter(None, _apart(kind, kinds)))


def _apart(kind: MachineKind, kinds: Sequence[MachineKind]) -> tuple[str, str]:
    """Machine and its state, each where the kinds differ in it, else empty."""
    machine = kind.machine if len({one.machine for one in kinds}) > 1 else ""
    return machine, (kind.state or "no variable set") if len({one.state for one in kinds}) > 1 else ""
