"""The page: one file that shows a run, loads nothing, and runs no script but its own."""

import collections
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from grouped_bench.analyse.history.history import of_enough
from grouped_bench.analyse.rows import case_title, cohorts, is_ok, plain
from grouped_bench.report import explanation, history
from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.findings import findings
from grouped_bench.report.page import explorer, scripts
from grouped_bench.report.page.drawings import by_night, first_drawing, other_drawings
from grouped_bench.report.page.first_screen import first_screen
from grouped_bench.report.page.heading import heading
from grouped_bench.report.page.runs import PageRun
from grouped_bench.report.run.blocks import blocks
from grouped_bench.report.run.sheets import sheets
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import contrast
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store import schema
from grouped_bench.store.files.temporary import replace, unwritable
from grouped_bench.units import counted

_MOST_REASONS = 100
_MOST_FAILURES = 200
_MOST_LOOKS = 60
_MOST_STEPS = 30
# A table of its own for each cohort reads well, and would make a page of thousands too large.
_MOST_TABLES = 60
_SIGNS = {"faster": "▲", "slower": "▼", "equivalent": "≈", "undecided": "?"}


def page(frame: pd.DataFrame, metadata: Sequence[Facts], *, of: int | None = None) -> str:
    """The whole page as HTML text.

    Args:
        frame: the columns of `store.schema`, of one run or several.
        metadata: the run-wide facts of each run; any may be missing.
        of: how many runs there are, where these are the newest of them.
    """
    rows = plain(frame)
    told, looks = findings.of_rows(rows, metadata), explanation.told(metadata)
    found = cohorts(rows)
    past = of_enough(frame, metadata)
    record = Drawable(rows, metadata, past)
    first, others = first_drawing(record), other_drawings(record)
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            heading=heading(rows, metadata, of),
            screen=first_screen(record),
            picture=first,
            is_network=any(row.multiplicity is not None for row in rows),
            figures=[one for one in others if not one.is_of_cost],
            costs=[one for one in others if one.is_of_cost],
            night=by_night([one for one in (first, *others) if one]),
            counts=findings.counts(rows, metadata),
            contrast=contrast(metadata),
            findings=told,
            steps=history.sentences(past)[:_MOST_STEPS] if past else [],
            more_steps=max(0, len(past.steps) - _MOST_STEPS) if past else 0,
            blocks=blocks([row for cohort in found[:_MOST_TABLES] for row in cohort.rows]),
            more_tables=max(0, len(found) - _MOST_TABLES),
            sheets=sheets(rows, metadata),
            whys=looks[:_MOST_LOOKS],
            more_whys=max(0, len(looks) - _MOST_LOOKS),
            failures=[row for row in rows if not is_ok(row)],
            skips=_skips(metadata),
            runs=[PageRun(facts, rows) for facts in metadata],
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
            signs=_SIGNS,
        )
    )


def write(frame: pd.DataFrame, metadata: Sequence[Facts], path: str | Path, *, of: int | None = None) -> Path:
    """Write the page to `path` in one step, and return the path.

    Args:
        frame, metadata, of: as `page` takes them.
        path: of the page; a file there is replaced.

    Raises:
        OutputError: the file cannot be written there.
    """
    return put(page(frame, metadata, of=of), Path(path))


def put(content: str, path: Path) -> Path:
    """Put a page at `path` in one step, and return it. Raises OutputError."""
    remedy = "Create the folder, or name another file"
    with unwritable("A page must have a file name in a writable folder", path, remedy):
        replace(path, content.encode("utf-8", "backslashreplace"))
    return path


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


def environment() -> jinja2.Environment:
    """The templates, whose values are escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("grouped_bench.report.page", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
