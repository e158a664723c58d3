"""What the page says of each run beside its rows: environment, effort, limits, space and where its time went."""

from collections.abc import Iterator, Sequence
from typing import Any

from grouped_bench.analyse.rows import is_ok
from grouped_bench.report.findings import findings
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import run_name
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.identity import identity_of
from grouped_bench.store.schema import Task
from grouped_bench.units import format_clock, format_percent, format_seconds

_CONTROL = {
    "precision": "requested precision",
    "margin": "margin of equivalence",
    "false_coverage": "allowed share of wrong ones among the decided verdicts",
    "visits": "most visits per case",
    "budget": "budget",
    "task_timeout": "time limit of a task",
}
_SHARES = ("precision", "margin", "false_coverage")
_SPANS = ("budget", "task_timeout")
_IN_SHEETS = ("published", "left_out")
_MOST_CASES = 60


class PageRun:
    """What the page says of one run beside its rows."""

    def __init__(self, facts: Facts, rows: Sequence[Task]) -> None:
        self.name = run_name(facts)
        self.stop = findings.stop(facts)
        self.environment = list(_flat(facts.get("environment") or {}))
        self.command = cells.clean(" ".join(str(word) for word in facts.get("command") or ()))
        mine = [row for row in rows if row.run_id == facts.get("run_id") and is_ok(row)]
        self.facts = [*_identity(facts), *_effort(mine), *_control(facts.get("control") or {})]
        space = facts.get("space") or {}
        self.space = list(_space({name: value for name, value in space.items() if name not in _IN_SHEETS}))
        self.time = _time(facts.get("time") or {})


def _identity(facts: Facts) -> Iterator[tuple[str, str]]:
    for key, name in (
        ("machine", "machine"),
        ("started_at", "started"),
        ("version", "grouped-bench"),
        ("seed", "seed"),
    ):
        if facts.get(key) is not None:
            yield name, cells.clean(facts[key])
    machine = identity_of(facts)
    if machine is not None and machine.machine_class is not None:
        yield "class", machine.machine_class


def _effort(rows: Sequence[Task]) -> Iterator[tuple[str, str]]:
    """Visits and processes of a task, from its own record."""
    made = [row.visit_process for row in rows if row.visit_process]
    if made:
        yield "visits per task", _range([len(processes) for processes in made])
        yield "processes per task", _range([len(set(processes)) for processes in made])
    calls = [row.iterations for row in rows if row.iterations]
    if calls:
        yield "calls per sample", _range(calls)


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _control(control: Json) -> Iterator[tuple[str, str]]:
    for key, value in control.items():
        text = cells.text_of(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = format_percent(value) if key in _SHARES else f"{value:g} s" if key in _SPANS else text
        yield _CONTROL.get(key, cells.clean(key)), text


def _time(spent: Json) -> list[tuple[str, str, str]]:
    """Name, clock and share of the total, of each thing that time was spent on."""
    known = {key: value for key, value in spent.items() if isinstance(value, (int, float)) and value >= 0}
    total = known.get("total_s") or 0
    rows = []
    for key, value in known.items():
        share = f"{value / total:.0%}" if total else cells.DASH
        clock = format_clock(value) if value >= 60 else format_seconds(value)
        rows.append((cells.clean(key.removesuffix("_s").replace("_", " ")), clock, share))
    return rows


def _space(space: Json) -> Iterator[tuple[str, str]]:
    """What was asked for, a line a case."""
    cases = space.get("cases")
    listed = cases if isinstance(cases, list) and all(isinstance(case, dict) for case in cases) else []
    for number, case in enumerate(listed[:_MOST_CASES], 1):
        yield f"case {number}", "; ".join(f"{cells.clean(name)} {cells.text_of(value)}" for name, value in case.items())
    if len(listed) > _MOST_CASES:
        yield "more cases", str(len(listed) - _MOST_CASES)
    yield from _flat({name: value for name, value in space.items() if not (listed and name == "cases")})


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as dotted names with their text."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}" if path else str(key))
    else:
        yield cells.clean(path), cells.fact_text(path, value)
