"""A plan, or any list of rows with the same columns, as text of at most 80 columns or as JSON."""

import json
import textwrap
from collections import Counter

from tabulate import MIN_PADDING, tabulate

from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json
from grouped_bench.units import counted, format_bytes, format_clock, format_count, format_percent

WIDTH = 80


def render(plan: Json, format: str) -> str:
    """The dict of `Plan.to_dict` as `table` or `json`."""
    if format == "json":
        return json.dumps(plan, indent=1)
    cohorts: dict[str, list[Json]] = {}
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
        return "None."
    keys = list(rows[0])
    width = {key: max(len(key) + MIN_PADDING, *(len(row[key]) for row in rows)) for key in keys}
    room = max(20, WIDTH - sum(width[key] + 2 for key in keys[:-1]))
    cells = [[*(row[key] for key in keys[:-1]), textwrap.fill(row[keys[-1]], room)] for row in rows]
    return tabulate(cells, headers=keys, tablefmt="simple", disable_numparse=True)


def diagnosis(found: Json, format: str) -> str:
    """The dict of `Diagnosis.to_dict` as `table` or `json`."""
    if format == "json":
        return json.dumps(found, indent=1)
    lines = [listing([{key: check[key] for key in ("name", "grade", "found")} for check in found["checks"]]), ""]
    remedies = [f"{check['name']}: {check['remedy']}" for check in found["checks"] if check["remedy"]]
    for remedy in remedies:
        lines += textwrap.wrap(remedy, WIDTH, subsequent_indent="  ")
    difference = found["smallest_difference"]
    told = (
        "Too few visits to find the smallest difference."
        if difference is None
        else f"Smallest difference detectable in 20 s: {format_percent(difference, 2)}, measured on identical layers."
    )
    verdict = "fit" if found["fit"] else "not fit"
    return "\n".join([*lines, *([""] if remedies else []), told, f"This machine is {verdict} to measure on."])


def _headline(plan: Json, cohorts: int) -> str:
    estimate = plan["estimate"]
    return textwrap.fill(
        f"{counted(cohorts, 'cohort')}, {counted(len(plan['tasks']), 'task')}, "
        f"{counted(len(plan['skipped']), 'case')} left out. "
        f"About {format_clock(estimate['seconds'])}, if no implementation is slow. "
        f"The largest task needs at least {format_bytes(estimate['peak_bytes'])}.",
        WIDTH,
    )


def _title(task: Json) -> str:
    setting = Setting.from_columns(task)
    name = f"{Case.from_columns(task).title()}, {setting.title()}"
    times = f" ({task['multiplicity']} ×)" if task["multiplicity"] else ""
    return name + times + (f": {task['label']}" if task["label"] else "")


def _tasks(tasks: list[Json]) -> str:
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
    headers = ["variant", "computes", "params", "MACs", "least bytes"]
    align = ["left", "left", "right", "right", "right"]
    return tabulate(cells, headers=headers, tablefmt="simple", colalign=align, disable_numparse=True)
