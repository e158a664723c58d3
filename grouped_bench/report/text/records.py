"""Rows of any columns, as a query gives them, in a format."""

import datetime
import decimal
import io
import itertools
import json
import math
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from grouped_bench.report.text import cells, sheet
from grouped_bench.units import counted

_MOST_ROWS = 100


def render(table: pa.Table, format: str, width: int = 80) -> str:
    """Rows as text.

    Args:
        table: the rows.
        format: `table`, `csv` or `json`.
        width: columns of a table.
    """
    table = table.rename_columns(_unique(table.column_names))
    if format == "csv":
        written = io.BytesIO()
        flat = [_flat(table.column(place)) for place in range(table.num_columns)]
        pa_csv.write_csv(pa.table(flat, names=table.column_names), written)
        return written.getvalue().decode()
    rows = [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]
    if format == "json":
        return json.dumps({"schema": 1, "rows": rows}, indent=1, allow_nan=False)
    shown = [tuple(map(cells.text_of, row.values())) for row in rows[:_MOST_ROWS]]
    if not shown:
        return "No row."
    left = len(rows) - len(shown)
    notes = (f"{counted(left, 'more row')}: --format csv writes all.",) if left else ()
    headers = tuple(map(cells.clean, rows[0]))
    return "\n".join(sheet.lines(sheet.Sheet("", headers, tuple(shown), notes), width))


def _unique(names: list[str]) -> list[str]:
    """Names of which those that are there already are numbered."""
    found: list[str] = []
    for name in names:
        numbered = itertools.chain([name], (f"{name}:{number}" for number in itertools.count(1)))
        found.append(next(one for one in numbered if one not in found and (one == name or one not in names)))
    return found


def _plain(value: Any) -> Any:
    """A value as JSON has it: whole sums are integers, and what is no number is null."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, pa.MonthDayNano):
        seconds = datetime.timedelta(microseconds=value.nanoseconds // 1000)
        named = ((value.months, "month"), (value.days, "day"))
        return " ".join([*(counted(count, noun) for count, noun in named if count), str(seconds)])
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with one value a cell; what CSV has no form for is text."""
    kind = column.type
    if pa.types.is_decimal(kind):
        return pa.chunked_array([pa.array([_plain(value) for value in column.to_pylist()])])
    if not (pa.types.is_nested(kind) or pa.types.is_interval(kind)):
        return column
    values = map(_plain, column.to_pylist())
    texts = [one if one is None or isinstance(one, str) else json.dumps(one) for one in values]
    return pa.chunked_array([pa.array(texts, pa.string())])
