"""A plan, or any list of rows with the same columns, as text or as JSON."""

import json
import textwrap
from collections import Counter

from tabulate import MIN_PADDING, tabulate

from grouped_bench.report.text import cells, ink, sheet
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json
from grouped_bench.units import counted, format_bytes, format_clock, format_count, format_percent

# A last column narrower than this, of more columns than these, is hard to read.
_NARROW, _FEW = 40, 2
_NARROWEST = 16


def render(plan: Json, format: str, width: int = 80) -> str:
    """A plan as text.

    Args:
        plan: the dict of `Plan.to_dict`.
        format: `table` or `json`.
        width: columns of a table.
    """
    if format == "json":
        return json.dumps(plan, indent=1)
    cohorts: dict[str, list[Json]] = {}
    for task in plan["tasks"]:
        cohorts.setdefault(_title(task), []).append(task)
    lines = [_headline(plan, len(cohorts), width), ""]
    for title, tasks in cohorts.items():
        lines += textwrap.wrap(title, width, subsequent_indent="  ")
        lines += ["  " + line for line in _tasks(tasks, width - 2)] + [""]
    reasons = Counter(skip["reason"] for skip in plan["skipped"])
    if reasons:
        lines.append("Left out:")
        for reason, count in reasons.items():
            lines += textwrap.wrap(f"{count} × {reason}", width, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines).rstrip()


def listing(rows: list[dict[str, str]], width: int = 80) -> str:
    """Rows of equal keys as a table of at most `width` columns; the last column wraps.

    Where long texts would be narrow, they take what stands between them and the first column in brackets.
    """
    if not rows:
        return "None."
    room = _room(rows, width)
    if room < _NARROW < max(len(list(row.values())[-1]) for row in rows) and len(rows[0]) > _FEW:
        rows = [_folded(row) for row in rows]
        room = _room(rows, width)
    texts = [[*list(row.values())[:-1], textwrap.fill(list(row.values())[-1], max(_NARROWEST, room))] for row in rows]
    return tabulate(texts, headers=list(rows[0]), tablefmt="simple", disable_numparse=True)


def _room(rows: list[dict[str, str]], width: int) -> int:
    """Columns that the others leave to the last."""
    return width - sum(max(len(key) + MIN_PADDING, *(len(row[key]) for row in rows)) + 2 for key in list(rows[0])[:-1])


def _folded(row: dict[str, str]) -> dict[str, str]:
    """The first column, and the last with what stands between them in brackets."""
    (first, name), *between, (last, text) = row.items()
    told = ", ".join(value for _, value in between if value)
    return {first: name, last: f"{text} ({told})" if told else text}


def diagnosis(found: Json, format: str, width: int = 80) -> str:
    """A diagnosis as text.

    Args:
        found: the dict of `Diagnosis.to_dict`.
        format: `table`, which is styled, or `json`.
        width: columns of a table.
    """
    if format == "json":
        return json.dumps(found, indent=1)
    lines = [line for check in found["checks"] for line in _check(check, width)]
    lines += [""] if any(check["remedy"] for check in found["checks"]) else []
    for check in found["checks"]:
        if check["remedy"]:
            lines += textwrap.wrap(f"{check['name']}: {check['remedy']}", width, subsequent_indent="  ")
    difference = found["smallest_difference"]
    told = (
        "Too few visits to find the smallest difference."
        if difference is None
        else f"Smallest difference detectable in 20 s: {format_percent(difference, 2)}, measured on identical layers."
    )
    verdict = "fit" if found["fit"] else "not fit"
    style = ink.good if found["fit"] else ink.bad
    last = ink.strong(style(f"This machine is {verdict} to measure on."))
    return "\n".join([*lines, "", *textwrap.wrap(told, width), last])


def _check(check: Json, width: int) -> list[str]:
    """A check: its grade in colour, then its name and what was found, which wraps below itself."""
    mark = f"{check['grade']:8}"
    told = textwrap.wrap(f"{check['name']}: {check['found']}", max(20, width - len(mark)))
    style = _GRADES.get(check["grade"], ink.bad)
    return [style(mark) + told[0], *(" " * len(mark) + line for line in told[1:])]


_GRADES = {"good": ink.good, "poor": ink.warning, "unknown": ink.faint}


def _headline(plan: Json, cohorts: int, width: int) -> str:
    estimate = plan["estimate"]
    return textwrap.fill(
        f"{counted(cohorts, 'cohort')}, {counted(len(plan['tasks']), 'task')}, "
        f"{counted(len(plan['skipped']), 'case')} left out. "
        f"About {format_clock(estimate['seconds'])}{_basis(estimate, len(plan['tasks']))} "
        f"The largest task needs at least {format_bytes(estimate['peak_bytes'])}.",
        width,
    )


def _basis(estimate: Json, tasks: int) -> str:
    """On what the time rests."""
    known = estimate["measured"] + estimate["tried"] + estimate["failed"]
    told = [
        *([f"runs on this machine for {estimate['measured']}"] if estimate["measured"] else []),
        *([f"a first call of {estimate['tried']}"] if estimate["tried"] else []),
    ]
    by = f", by {' and '.join(told)} of {counted(tasks, 'task')}" if told else ""
    failed = f"; {counted(estimate['failed'], 'task')} cannot run here" if estimate["failed"] else ""
    if known == tasks:
        return f"{by}{failed}."
    return f"{by}{failed}, if no {'other ' if told else ''}implementation is slow (--try finds out)."


def _title(task: Json) -> str:
    setting = Setting.from_columns(task)
    name = f"{Case.from_columns(task).title()}, {setting.title()}"
    times = f" ({task['multiplicity']} ×)" if task["multiplicity"] else ""
    return name + times + (f": {task['label']}" if task["label"] else "")


def _tasks(tasks: list[Json], width: int) -> list[str]:
    rows = tuple(
        (
            task["variant"],
            task["computes"],
            format_count(task["params"]),
            format_count(task["macs"]),
            format_bytes(task["min_bytes"]),
        )
        for task in tasks
    )
    headers = ("variant", "computes", "params", "MACs", "least bytes")
    align = ["left", "left", "right", "right", "right"]
    told = tabulate(rows, headers=headers, tablefmt="simple", colalign=align, disable_numparse=True).splitlines()
    fits = max(map(cells.display_width, told)) <= width
    return told if fits else sheet.lines(sheet.Sheet("", headers, rows, spare=1), width)
