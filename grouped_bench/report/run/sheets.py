"""Tables besides those of the cohorts: tasks side by side, a network by its layers, published figures beside ours."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grouped_bench.analyse.answer import Answer, Line, answers
from grouped_bench.analyse.network.parts import is_stand_in, own_variant
from grouped_bench.analyse.network.published import Beside, besides
from grouped_bench.analyse.rows import case_title, setting_title
from grouped_bench.report.run.beside.across import across_sheets
from grouped_bench.report.run.beside.devices import device_sheets
from grouped_bench.report.run.beside.side_by_side import side_by_side
from grouped_bench.report.run.beside.surroundings import environment_sheets
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import run_name
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.published import recorded_published
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_count, format_percent, format_seconds, significant

_MOST_LEFT_OUT = 50
_OF_NETWORK = ("layer", "×", "time", "share", "in use", "faster", "saves")
_OF_PUBLISHED = ("figure", "case", "published", "ours", "source")
_DEPTHWISE = (
    "In brackets: the network may use a depthwise layer here, which has an operation of its own. The variant grouped "
    "computes the same function and stands for it; savings are relative to it."
)
_METHOD = (
    "Time: all convolutions of a row in one pass, as medians. The network is timed as regular, as grouped for a layer "
    "with groups, and as depthwise_sum for a depthwise layer. Activations and other operations between the "
    "convolutions are not included. A faster variant computes the same function and has a clear lead; without one, no "
    "saving is claimed."
)


def sheets(rows: Sequence[Task], metadata: Sequence[Mapping[str, Any]]) -> list[Sheet]:
    """What was measured in several environments or places, then the sheets of each run in turn; none without any."""
    several = len(metadata) > 1
    of_runs = (sheet for facts in metadata for sheet in _of_run(rows, facts, several))
    return [
        *across_sheets(rows),
        *device_sheets(rows, metadata),
        *environment_sheets(rows),
        *side_by_side(rows),
        *of_runs,
    ]


def _of_run(rows: Sequence[Task], facts: Mapping[str, Any], several: bool) -> Iterator[Sheet]:
    mine = [row for row in rows if not several or row.run_id == facts.get("run_id")]
    run = f", run {run_name(facts)}" if several else ""
    space = facts.get("space")
    for answer in answers(mine):
        if answer.is_network:
            yield _network_sheet(answer, run, _left_out(space))
    found = besides(mine, recorded_published(space))
    if found:
        table = tuple(_published_row(one) for one in found)
        yield Sheet(f"Published and measured figures{run}", _OF_PUBLISHED, table)


def _left_out(space: Any) -> list[str]:
    told = space.get("left_out") if isinstance(space, dict) else None
    return [cells.clean(text) for text in told[:_MOST_LEFT_OUT]] if isinstance(told, list) else []


def _network_sheet(answer: Answer, run: str, left_out: Sequence[str]) -> Sheet:
    first = answer.first
    where = f"{first.pass_}, batch {first.batch_size}, {setting_title(first)}{run}"
    by_time = sorted(answer.lines, key=lambda line: -line.seconds)
    table = (*(_line_row(line, answer.seconds) for line in by_time), *map(_unmeasured_row, answer.unmeasured))
    title = cells.clean(f"Share of the convolutions' time: {where}")
    stand_ins = any(is_stand_in(row) for row in [*(line.own for line in by_time), *answer.unmeasured])
    notes = (*_sums(answer), _METHOD, *([_DEPTHWISE] if stand_ins else []), *left_out)
    return Sheet(title, _OF_NETWORK, table, notes)


def _line_row(line: Line, total: float) -> tuple[str, ...]:
    own = own_variant(line.own)
    return (
        _name(line.own),
        str(line.times),
        format_seconds(line.seconds),
        format_percent(line.seconds / total, 2) if total else cells.DASH,
        f"({own})" if is_stand_in(line.own) else own,
        cells.text_of(line.best.variant if line.best else None),
        format_seconds(line.saved.value) if line.best else cells.DASH,
    )


def _unmeasured_row(row: Task) -> tuple[str, ...]:
    own = own_variant(row)
    why = f"{own} {row.status if row.variant == own else 'not in the plan'}"
    return (_name(row), str(row.multiplicity), cells.DASH, cells.DASH, cells.clean(why), cells.DASH, cells.DASH)


def _name(row: Task) -> str:
    return cells.text_of(row.label) if row.label else cells.clean(case_title(row))


def _sums(answer: Answer) -> Iterator[str]:
    if answer.lines:
        count = counted(sum(line.times for line in answer.lines), "convolution")
        yield f"{count}: {format_seconds(answer.seconds)} in total, a sum of medians. {_saved(answer)}"
    if answer.unmeasured:
        yield f"Without a time: {counted(len(answer.unmeasured), 'row')}, excluded from the sum and the shares."


def _saved(answer: Answer) -> str:
    """What the clear changes save together; those of rows in brackets apart, since they are over a stand-in."""
    told = []
    for bracketed, name in ((False, "row"), (True, "bracketed row")):
        some = [line for line in answer.faster if is_stand_in(line.own) == bracketed]
        saved = sum(line.saved.value for line in some)
        if some:
            share = format_percent(saved / answer.seconds, 2)
            told.append(f"{format_seconds(saved)} in {counted(len(some), name)}, {share}")
    if not told:
        return "No measured change would make it clearly faster."
    return f"The faster variants would save {cells.listed(told)}."


def _published_row(one: Beside) -> tuple[str, ...]:
    figure = one.published
    ours = cells.clean(one.problem) if one.ours is None else _value(one.ours, figure.ours, figure.unit)
    if one.ours is not None and figure.ours == "speedup" and one.row is not None:
        ours += f" ({one.row.pass_}, batch {one.row.batch_size}, {setting_title(one.row)})"
    texts = (figure.what, figure.label or "all", _value(figure.value, figure.ours, figure.unit), ours, figure.source)
    return tuple(map(cells.clean, texts))


def _value(value: float, quantity: str | None, unit: str) -> str:
    if quantity in ("params", "macs"):
        return format_count(value)
    if quantity == "speedup":
        return f"{significant(value, 3)}×"
    text = f"{value:g}"
    return f"{text} {unit}" if unit and unit[0].isalpha() else text + unit
