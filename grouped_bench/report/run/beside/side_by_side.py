"""Tasks that were measured in several runs or settings, side by side: machines, devices, backends, old and new."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from grouped_bench.analyse.rows import case_title, is_ok, varying
from grouped_bench.report.text import cells
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.case import Setting, layout_title
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted

# Where and how a task was measured; the rest of a row's key says what.
_WHERE = ("machine", "run_id", "backend", "execution", "device", "cache", "layout")
_WHAT = tuple(name for name in COHORT_KEY if name not in _WHERE)
_MOST_PLACES, _MOST_CASES = 6, 30
_NOTE = (
    "Each column was measured at its own time in its own processes, so no verdict is drawn between columns. "
    "±, where known, is half the 95% interval of the latency in its own column."
)

Place = tuple[Any, ...]
ByPlace = dict[Place, Task]


def side_by_side(rows: Sequence[Task]) -> list[Sheet]:
    """A table for each case of which a variant was measured in several places: a row a variant, a column a place."""
    firsts: dict[Place, Task] = {}
    cases: dict[tuple[Any, ...], dict[str, ByPlace]] = {}
    for row in rows:
        place = tuple(row[name] for name in _WHERE)
        firsts.setdefault(place, row)
        case = cases.setdefault(tuple(row[name] for name in _WHAT), {})
        case.setdefault(row.variant, {})[place] = row
    # All variants of a case that several places have: the fastest may be one that a single backend has.
    shared = [list(tasks.values()) for tasks in cases.values() if _meets(tasks.values())]
    meeting = {place for tasks in shared for task in tasks for place in task}
    places = [place for place in firsts if place in meeting]
    shown = places[:_MOST_PLACES]
    names = varying(list(firsts.values()), _WHERE)
    headers = ("variant", *(_place_name(firsts[place], names) for place in shown))
    found = [_sheet(tasks, headers, shown) for tasks in shared[:_MOST_CASES]]
    if found:
        found[-1] = dataclasses.replace(found[-1], notes=_notes(len(places), len(shared)))
    return found


def _meets(tasks: Iterable[ByPlace]) -> bool:
    return any(sum(map(is_ok, task.values())) > 1 for task in tasks)


def _sheet(tasks: Sequence[ByPlace], headers: tuple[str, ...], places: Sequence[Place]) -> Sheet:
    row = next(iter(tasks[0].values()))
    case = ", ".join(filter(None, (case_title(row), Setting.from_columns(row).host.surroundings)))
    return Sheet(f"Side by side: {cells.clean(case)}", headers, tuple(_texts(task, places) for task in tasks))


def _place_name(row: Task, names: Sequence[str]) -> str:
    return " ".join(layout_title(row.layout) if name == "layout" else cells.text_of(row[name]) for name in names)


def _texts(task: ByPlace, places: Sequence[Place]) -> tuple[str, ...]:
    name = cells.text_of(next(iter(task.values())).variant)
    return (name, *(_text(task[place]) if place in task else cells.DASH for place in places))


def _text(row: Task) -> str:
    return cells.latency(row) if is_ok(row) else cells.text_of(row.status)


def _notes(places: int, cases: int) -> tuple[str, ...]:
    left_out = [
        f"{counted(count - most, noun)} not shown."
        for count, most, noun in ((places, _MOST_PLACES, "more column"), (cases, _MOST_CASES, "more case"))
        if count > most
    ]
    return (_NOTE, *left_out)
