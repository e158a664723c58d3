"""A selection of rows as Markdown, CSV or JSON."""

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import Any

from grouped_bench.analyse.rows import ascending, is_ok
from grouped_bench.report.findings.findings import Finding, of_rows
from grouped_bench.report.run.blocks import Section, blocks, sorted_by
from grouped_bench.report.run.summary import counts
from grouped_bench.report.run.where import NAMES
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import Contrast, contrast
from grouped_bench.report.text.markup import escape, pipes
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store import schema
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

# Extents stand as their text, and what has an entry for each visit or process is no single value.
_NOT_IN_CSV = (*(f"{name}_text" for name in schema.EXTENTS), *schema.SERIES)
CSV_NAMES = tuple(name for name in NAMES if name not in _NOT_IN_CSV)


@dataclasses.dataclass(frozen=True)
class Request:
    """Rows to show, selected from `every`, and how to group, order and lay them out."""

    rows: list[Task]
    every: list[Task]
    metadata: Sequence[Facts]
    by: str | None
    sort: str | None
    width: int
    sheets: Sequence[Sheet] = ()

    def blocks(self) -> list[Section]:
        """The rows under their headings."""
        return blocks(self.rows, by=self.by, sort=self.sort)

    def closing(self) -> list[str]:
        """The lines that end a table."""
        return counts(self.rows, self.metadata, of=len(self.every))

    def findings(self) -> list[Finding]:
        """What is found in whole cohorts, as far as it rests on selected rows alone: a part would change a ranking."""
        if len(self.rows) == len(self.every):
            return of_rows(self.rows, self.metadata)
        shown = {id(row) for row in self.rows}
        touched = {_cohort(row) for row in self.rows}
        whole = [row for row in self.every if _cohort(row) in touched]
        told = of_rows(whole, self.metadata) if whole else []
        return [one for one in told if one.rows and all(id(row) in shown for row in one.rows)]


def _cohort(row: Task) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("run_id", *schema.COHORT_KEY))


def markdown(request: Request) -> str:
    """The findings, then a heading and a pipe table a block; what could act as markup is escaped."""
    lines = _contrast_table(contrast(request.metadata))
    told = request.findings()
    lines += ["### Findings", "", *(f"- {escape(finding.text)}" for finding in told), ""] if told else []
    for block in request.blocks():
        lines += [f"### {escape(block.heading)}", ""]
        lines += [escape(block.detail), ""] if block.detail else []
        names = ("variant", *(name for name in block.apart if name != "variant"))
        headers = [*names, *cells.MEASURES, "outcome"]
        lines += [pipes(headers), pipes(["---"] * len(headers))]
        for row in (*block.rows, *block.failed):
            measures = [write(row) if is_ok(row) else cells.DASH for write in cells.MEASURES.values()]
            texts = [*(cells.column_text(row, name) for name in names), *measures, cells.outcome(row)]
            lines += [pipes([escape(text) for text in texts])]
        lines += [""]
    for sheet in request.sheets:
        lines += _sheet_table(sheet)
    return "\n".join([*lines, *(escape(line) for line in request.closing())]) + "\n"


def _sheet_table(sheet: Sheet) -> list[str]:
    rows = [pipes(map(escape, row)) for row in sheet.rows]
    notes = [line for note in sheet.notes for line in (escape(note), "")]
    return [
        f"### {escape(sheet.title)}",
        "",
        pipes(map(escape, sheet.headers)),
        pipes(["---"] * len(sheet.headers)),
        *rows,
        "",
        *notes,
    ]


def _contrast_table(found: Contrast | None) -> list[str]:
    if found is None:
        return []
    lines = [f"### {found.headline}", "", pipes(["fact", *map(escape, found.runs)])]
    lines += [pipes(["---"] * (1 + len(found.runs)))]
    lines += [pipes(map(escape, (fact, *texts))) for fact, texts in found.shown]
    return [*lines, "", *([f"{counted(found.left_out, 'more fact')} not shown.", ""] if found.left_out else [])]


def comma_separated(request: Request) -> str:
    """The columns of CSV, one value a cell: nulls are empty, extents stand as typed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_NAMES)
    writer.writerows([_csv_cell(row, name) for name in CSV_NAMES] for row in _flat(request))
    return text.getvalue()


def _csv_cell(row: Task, name: str) -> str:
    value = row[name]
    if value is None:
        return ""
    if isinstance(value, tuple):
        return cells.clean(("," if name == "flags" else "x").join(map(str, value)))
    return cells.clean(str(value).lower() if isinstance(value, bool) else value)


def as_json(request: Request) -> str:
    """`{"schema": 1, "tasks": [...], "findings": [...]}`, of several runs also `"differences"`.

    Tasks have every column but the raw samples; a finding has its text and the places of its rows in `tasks`.
    """
    ordered = _flat(request)
    places = {id(row): place for place, row in enumerate(ordered)}
    told: Json = {
        "schema": schema.SCHEMA_VERSION,
        "tasks": [{name: row[name] for name in NAMES} for row in ordered],
        "findings": [
            {"text": cells.clean(one.text), "tasks": sorted({places[id(row)] for row in one.rows})}
            for one in request.findings()
        ],
    }
    if len(request.metadata) > 1:
        told["differences"] = _differences(contrast(request.metadata))
    return json.dumps(told, indent=1, allow_nan=False, default=str) + "\n"


def _differences(found: Contrast | None) -> list[Json]:
    if found is None:
        return []
    runs = found.runs
    return [
        {"fact": fact, "values": [{"run_id": r, "value": t} for r, t in zip(runs, texts, strict=True)]}
        for fact, texts in found.rows
    ]


def _flat(request: Request) -> list[Task]:
    """Every row: in the order of the record, or with `by` and `sort` in the order of the table."""
    if not request.by and not request.sort:
        return request.rows
    ordered = request.rows if not request.sort else sorted_by(request.rows, request.sort)
    ordered = sorted(ordered, key=lambda row: not is_ok(row)) if request.sort else ordered
    by = request.by
    return sorted(ordered, key=lambda row: ascending(row[by])) if by else list(ordered)
