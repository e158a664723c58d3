"""A plan, and any list of like rows, as text of at most 80 columns or as JSON."""

import json
import textwrap
from collections import Counter
from typing import Any

from tabulate import MIN_PADDING, tabulate

from grouped_bench.space.case import Case
from grouped_bench.units import format_bytes, format_clock, format_count

WIDTH = 80


def render(plan: dict[str, Any], format: str) -> str:
    """The dict of `Plan.to_dict` as `table` or `json`."""
    if format == "json":
        return json.dumps(plan, indent=1)
    cohorts: dict[str, list[dict[str, Any]]] = {}
    for task in plan["tasks"]:
        cohorts.setdefault(_title(task), []).append(task)
    lines = [_headline(plan, len(cohorts)), ""]
    for title, tasks in cohorts.items():
        lines += textwrap.wrap(title, WIDTH, subsequent_indent="  ")
        lines += ["  " + line for line in _tasks(tasks).splitlines()] + [""]
    reasons = Counter(skip["reason"] for skip in plan["skipped"])
    if reasons:
        lines.append("Left out:")
        for reason, count in reasons.items():
            lines += textwrap.wrap(f"{count} × {reason}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines).rstrip()


def listing(rows: list[dict[str, str]]) -> str:
    """Rows of equal keys as a table; the last column wraps."""
    if not rows:
        return "There is none."
    keys = list(rows[0])
    width = {key: max(len(key) + MIN_PADDING, *(len(row[key]) for row in rows)) for key in keys}
    room = max(20, WIDTH - sum(width[key] + 2 for key in keys[:-1]))
    cells = [[*(row[key] for key in keys[:-1]), textwrap.fill(row[keys[-1]], room)] for row in rows]
    return tabulate(cells, headers=keys, tablefmt="simple", disable_numparse=True)


def _headline(plan: dict[str, Any], cohorts: int) -> str:
    estimate = plan["estimate"]
    return textwrap.fill(
        f"{cohorts} cohorts, {len(plan['tasks'])} tasks, {len(plan['skipped'])} cases left out. "
        f"At least about {format_clock(estimate['seconds'])} (it knows no slow implementation); "
        f"the largest task needs {format_bytes(estimate['peak_bytes'])} or more.",
        WIDTH,
    )


def _title(task: dict[str, Any]) -> str:
    name = f"{Case.from_columns(task).title()}, {task['backend']} {task['execution']} on {task['device']}"
    times = f" ({task['multiplicity']} ×)" if task["multiplicity"] else ""
    return name + times + (f": {task['label']}" if task["label"] else "")


def _tasks(tasks: list[dict[str, Any]]) -> str:
    cells = [
        [
            task["variant"],
            task["computes"],
            format_count(task["params"]),
            format_count(task["macs"]),
            format_bytes(task["min_bytes"]),
        ]
        for task in tasks
    ]
    headers = ["variant", "computes", "params", "MACs", "bytes, least"]
    align = ["left", "left", "right", "right", "right"]
    return tabulate(cells, headers=headers, tablefmt="simple", colalign=align, disable_numparse=True)
