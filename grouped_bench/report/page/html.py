"""The page: one file that shows a run, loads nothing, and runs no script but its own."""

import collections
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from grouped_bench.analyse.environment.machines import of_known_class
from grouped_bench.analyse.history.history import of_enough
from grouped_bench.analyse.rows import case_title, cohorts, is_ok, plain, verdict_of
from grouped_bench.errors import OutputError
from grouped_bench.report import explanation, history
from grouped_bench.report.drawing import registry
from grouped_bench.report.drawing.svg import Drawn
from grouped_bench.report.findings import findings
from grouped_bench.report.page import explorer, scripts
from grouped_bench.report.run.blocks import blocks
from grouped_bench.report.run.sheets import sheets
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import contrast, run_name
from grouped_bench.report.text.files import replace
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store import schema
from grouped_bench.store.identity import identity_of
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_clock, format_percent, format_seconds

_MOST_REASONS = 100
_MOST_FAILURES = 200
_MOST_LOOKS = 60
_MOST_STEPS = 30
# A table of its own for each cohort reads well, and would make a page of thousands too large.
_MOST_TABLES = 60
_SIGNS = {"faster": "▲", "slower": "▼", "equivalent": "≈", "undecided": "?", "unstable": "!"}
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
_PROLOGUE = re.compile(r"\A.*?(?=<svg\b)", re.DOTALL)
_NAMESPACE = re.compile(r'\sxmlns(:\w+)?="[^"]*"')
_TAG = re.compile(r"<[^>]*>")
_TOO_FINE = re.compile(r"(?<![\d.])([1-9]\d*\.\d\d)\d+|(?<=\n)\s+")
_UNIVERSAL = re.compile(r"<defs>\s*<style[^>]*>\*\{[^}]*\}</style>\s*</defs>", re.DOTALL)


def page(frame: pd.DataFrame, metadata: Sequence[Facts]) -> str:
    """The whole page as HTML text.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        metadata: the run-wide facts of each run; any may be missing.
    """
    rows = plain(frame)
    told, looks = findings.of_rows(rows, metadata), explanation.told(metadata)
    found = cohorts(rows)
    past = of_enough(frame, metadata)
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            title=_title(rows, metadata),
            counts=findings.counts(rows, metadata),
            contrast=contrast(metadata),
            findings=told,
            figures=[(drawn, _inline(drawn)) for drawn in registry.draw(frame, metadata, past)],
            steps=history.sentences(past)[:_MOST_STEPS] if past else [],
            more_steps=max(0, len(past.steps) - _MOST_STEPS) if past else 0,
            blocks=blocks([row for cohort in found[:_MOST_TABLES] for row in cohort.rows]),
            more_tables=max(0, len(found) - _MOST_TABLES),
            sheets=sheets(rows, metadata),
            whys=looks[:_MOST_LOOKS],
            more_whys=max(0, len(looks) - _MOST_LOOKS),
            failures=[row for row in rows if not is_ok(row)],
            skips=_skips(metadata),
            runs=[_Run(facts, rows) for facts in metadata],
            columns=schema.COLUMNS,
            most_reasons=_MOST_REASONS,
            most_failures=_MOST_FAILURES,
            policy=scripts.policy(),
            script=Markup(scripts.own()),
            record=explorer.packed_record(frame, rows, told),
            library=scripts.packed_library(),
            total=len(rows),
            most_rows=explorer.MOST_ROWS,
            cells=cells,
            counted=counted,
            case_title=case_title,
            verdict_of=verdict_of,
            signs=_SIGNS,
        )
    )


def write(frame: pd.DataFrame, metadata: Sequence[Facts], path: str | Path) -> Path:
    """Write the page to `path` in one step, and return the path.

    Args:
        frame, metadata: as `page` takes them.
        path: of the page; a file there is replaced.

    Raises:
        OutputError: the file cannot be written there.
    """
    path = Path(path)
    content = page(frame, metadata).encode("utf-8", "backslashreplace")
    try:
        replace(path, content)
    except OSError as problem:
        raise OutputError(
            "A page must have a file name in a writable folder",
            received=f"{path} ({problem.strerror or problem})",
            remedy="Create the folder, or name another file",
        ) from problem
    return path


class _Run:
    """What the page says of one run beside its rows."""

    def __init__(self, facts: Facts, rows: Sequence[Task]) -> None:
        self.name = run_name(facts)
        self.stop = findings.stop(facts)
        self.environment = list(_flat(facts.get("environment") or {}))
        self.command = cells.clean(" ".join(str(word) for word in facts.get("command") or ()))
        mine = [row for row in rows if row.run_id == facts.get("run_id") and is_ok(row)]
        self.facts = [*_identity(facts), *_effort(mine), *_control(facts.get("control") or {})]
        space = facts.get("space") or {}
        self.space = list(_flat({name: value for name, value in space.items() if name not in _IN_SHEETS}))
        self.time = _time(facts.get("time") or {})


def _title(rows: Sequence[Task], metadata: Sequence[Facts]) -> str:
    classed = {told.partition(",")[0]: f"{told.replace(', ', ' (')})" for told in of_known_class(metadata)}
    names = sorted({str(row.machine) for row in rows if row.machine is not None})
    names = names or [str(facts["machine"]) for facts in metadata if facts.get("machine")]
    where = f" on {cells.listed(cells.clean(classed.get(name, name)) for name in names)}" if names else ""
    return f"Grouped convolutions, measured{where}"


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


def _skips(metadata: Sequence[Facts]) -> list[tuple[str, int, str]]:
    """Reason, how many cases have it, and one of them; the commonest first."""
    reasons: dict[str, list[Json]] = collections.defaultdict(list)
    for facts in metadata:
        for skip in facts.get("skipped") or ():
            reasons[cells.text_of(skip.get("reason"))].append(skip)
    found = [(reason, len(skips), _example(skips[0])) for reason, skips in reasons.items()]
    return sorted(found, key=lambda skip: -skip[1])


def _example(skip: Json) -> str:
    names = [name for name in ("variant", *schema.COHORT_KEY) if skip.get(name) is not None]
    return ", ".join(f"{name} {cells.text_of(skip[name])}" for name in names) or cells.DASH


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as dotted names with their text."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{path}.{key}" if path else str(key))
    else:
        yield cells.clean(path), cells.fact_text(path, value)


def _inline(drawn: Drawn) -> Markup:
    """The figure's SVG for use inside HTML: with its words, without styles that leak out, no finer than is seen."""
    if not drawn.svg:
        return Markup("")
    root, rest = _PROLOGUE.sub("", drawn.svg).split(">", 1)
    root = _NAMESPACE.sub("", root)
    rest = _TAG.sub(lambda tag: _TOO_FINE.sub(r"\1", tag[0]), _UNIVERSAL.sub("", rest, count=1))
    named = Markup('<svg role="img" aria-label="{}" stroke-linejoin="round" stroke-linecap="butt"').format(drawn.alt)
    return named + Markup(root.removeprefix("<svg") + ">" + rest)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("grouped_bench.report.page", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
