"""How much devices of one class differ, beside what one of them measured."""

import math
from collections.abc import Iterator, Sequence

from grouped_bench.analyse.environment.devices import Devices, Repeated, devices_of
from grouped_bench.analyse.rows import VERDICTS, case_title, setting_title
from grouped_bench.report.findings.sentences import Finding
from grouped_bench.report.text import cells, factors
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_percent

_MOST_DEVICES, _MOST_ROWS = 6, 40
_DECIDED = VERDICTS[:-1]
_NOTE = (
    "A verdict for the class holds on 95 of 100 devices like these: its interval is that of the run, widened by how "
    "much the devices differ."
)


def device_sheets(rows: Sequence[Task], metadata: Sequence[Facts]) -> Iterator[Sheet]:
    """A table for each run that was repeated on several devices: a row a comparison."""
    for mine, found in _of_runs(rows, metadata):
        names = found.names[:_MOST_DEVICES]
        headers = ("variant", "case", *(f"on {name}" for name in names), "in the run", "for the class")
        judged = {(case_title(row), setting_title(row), str(row.variant)): row for row in mine}
        table = tuple(_row(one, judged.get((one.case, one.setting, one.variant)), found) for one in found.repeated)
        more = len(table) - _MOST_ROWS
        notes = [f"{counted(more, 'more row')} not shown."] if more > 0 else []
        title = cells.clean(f"Between {counted(len(found.names), 'device')} of {mine[0].machine}. {_spread(found)}")
        yield Sheet(title, headers, table[:_MOST_ROWS], (_NOTE, *notes))


def device_findings(rows: Sequence[Task], metadata: Sequence[Facts]) -> list[Finding]:
    """How much the devices of a class differ, and how many verdicts hold for all of it."""
    told = []
    for mine, found in _of_runs(rows, metadata):
        decided = [row for row in mine if row.verdict in _DECIDED]
        held = sum(found.verdict(row) == row.verdict for row in decided)
        count = f"{held} of {counted(len(decided), 'decided verdict')} hold for the class"
        told.append(Finding(cells.clean(f"{_spread(found)} {count}."), tuple(decided)))
    return told


def _of_runs(rows: Sequence[Task], metadata: Sequence[Facts]) -> Iterator[tuple[list[Task], Devices]]:
    for facts in metadata:
        found = devices_of(facts)
        mine = [row for row in rows if row.run_id == facts.get("run_id")]
        if found is not None and mine:
            yield mine, found


def _spread(found: Devices) -> str:
    share = math.expm1(found.deviation)
    much = f"differ by {format_percent(share, 2)}" if share >= 0.0005 else "differ by no more than noise"
    return f"Speed-ups of {counted(len(found.names), 'device')} {much}."


def _row(one: Repeated, row: Task | None, found: Devices) -> tuple[str, ...]:
    each = [cells.DASH if log is None else factors.factor(math.exp(log)) for log in one.logs[:_MOST_DEVICES]]
    here, held = cells.DASH, cells.DASH
    if row is not None and row.speedup:
        here = factors.factor(row.speedup, row.speedup_low, row.speedup_high)
        held = cells.text_of(found.verdict(row))
    return (cells.text_of(one.variant), cells.clean(one.case), *each, here, held)
