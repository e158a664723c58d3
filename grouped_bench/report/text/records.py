"""Rows of any columns, as a query gives them, in a format."""

import io
import json
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
    if format == "csv":
        written = io.BytesIO()
        flat = [_flat(table.column(name)) for name in range(table.num_columns)]
        pa_csv.write_csv(pa.table(flat, names=_unique(table.column_names)), written)
        return written.getvalue().decode()
    rows = table.to_pylist() if len(set(table.column_names)) == table.num_columns else _by_place(table)
    if format == "json":
        return json.dumps({"schema": 1, "rows": rows}, indent=1, default=str)
    shown = [tuple(map(cells.text_of, row.values())) for row in rows[:_MOST_ROWS]]
    if not shown:
        return "No row."
    left = len(rows) - len(shown)
    notes = (f"{counted(left, 'more row')}: --format csv writes all.",) if left else ()
    headers = tuple(map(cells.clean, rows[0]))
    return "\n".join(sheet.lines(sheet.Sheet("", headers, tuple(shown), notes), width))


def _by_place(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of a table in which columns have one name: later ones are numbered."""
    rows: list[dict[str, Any]] = table.rename_columns(_unique(table.column_names)).to_pylist()
    return rows


def _unique(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        again = sum(one.partition(":")[0] == name for one in found)
        found.append(f"{name}:{again}" if again else name)
    return found


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with one value a cell; a list is its text."""
    if not pa.types.is_nested(column.type):
        return column
    return pa.chunked_array([pa.array([None if v is None else json.dumps(v, default=str) for v in column.to_pylist()])])
