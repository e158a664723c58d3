"""The frame of a run: what its file holds, as values that people can group and filter by, and the derived columns."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from grouped_bench.store.schema import DERIVED, EXTENTS, IN_FRAME, NAMES, Derived

# As tuples, pandas can group by them.
_TUPLES = (*EXTENTS, "flags")


def frame_of(table: pa.Table) -> pd.DataFrame:
    """The frame of a table that has the columns of the schema: those of IN_FRAME, in their order."""
    frame: pd.DataFrame = table.select(list(NAMES)).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    columns: dict[str, Any] = {str(name): frame[name] for name in frame}
    columns |= {name: _values(frame[name]) for name in _TUPLES}
    columns |= {one.name: _typed(list(_derived(frame, one)), one.type) for one in DERIVED}
    return pd.DataFrame({column.name: columns[column.name] for column in IN_FRAME})


def _typed(values: list[Any], kind: pa.DataType) -> Any:
    """The values of a derived column as pandas holds those of a file."""
    if pa.types.is_integer(kind):
        return pd.array(values, dtype="Int64")
    return np.array(values, dtype=float) if pa.types.is_floating(kind) else values


def _derived(frame: pd.DataFrame, one: Derived) -> Iterator[Any]:
    """The values of a derived column; rows are often alike in what it is made from."""
    known: dict[tuple[Any, ...], Any] = {}
    for sources in zip(*(_values(frame[name]) for name in one.sources), strict=True):
        if sources not in known:
            known[sources] = one.of(*sources)
        yield known[sources]


def _values(column: "pd.Series[Any]") -> list[Any]:
    """The values of a column, its nulls None, its lists tuples."""
    return [_plain(value) for value in column.tolist()]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return tuple(map(_plain, value.tolist()))
    return None if pd.isna(value) else value
