"""The record as plain rows: nulls are None, lists are tuples, and the rows of a cohort stand together."""

import dataclasses
import datetime
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from grouped_bench.analyse.statistics.limits import IMPLAUSIBLE
from grouped_bench.space.case import BASELINE, BASELINES, Setting
from grouped_bench.store import schema
from grouped_bench.store.schema import Task

Extended = TypeVar("Extended", bound=Task)
# The functions that are dense, and those that are split: of layers and of blocks.
DENSE, GROUPED = ("dense", "bottleneck"), ("grouped", "resnext")
# What the figures of one line have in common: all of a cohort but how far it is split.
FAMILY = (*(name for name in schema.COHORT_KEY if name not in ("groups", "cardinality")), "machine", "run_id")
VERDICTS = ("faster", "slower", "equivalent", "undecided")
_AS_THEY_ARE = (str, int, bool, type(None))  # most values, so that a large frame is soon read
_INTEGERS = frozenset(column.name for column in schema.COLUMNS if "int64" in str(column.type))


@dataclasses.dataclass(frozen=True)
class CohortTasks:
    """The rows of one case and setting in one run, in the order of the record."""

    rows: tuple[Task, ...]

    @property
    def groups(self) -> int:
        """Groups of a layer, paths of a block; 0 where the record does not say."""
        return groups_of(self.rows[0]) or 0

    @property
    def case_title(self) -> str:
        """One line that names the case."""
        return case_title(self.rows[0])

    @property
    def setting_title(self) -> str:
        """One line that names the setting."""
        return setting_title(self.rows[0])


def plain(frame: pd.DataFrame) -> list[Task]:
    """The tasks of `frame`, without their samples; a missing column is all None."""
    none = [None] * len(frame)
    columns = (none if name in schema.RAW else _column(frame, name) for name in schema.NAMES)
    return [Task(*values) for values in zip(*columns, strict=True)]


def task_of(columns: Mapping[str, Any]) -> Task:
    """A task of which only these columns are known; names that are no columns are left out."""
    known = {schema.ATTRIBUTES[name]: value for name, value in columns.items() if name in schema.ATTRIBUTES}
    return Task(**known)


def extended(kind: Callable[..., Extended], task: Task, **more: Any) -> Extended:
    """`task` as one of `kind`, a task with more than the columns."""
    return kind(*task, **more)


def gathered(rows: Iterable[Task], names: Sequence[str]) -> list[list[Task]]:
    """`rows` that are alike in the columns `names` together, in the order in which each kind first appears."""
    found: dict[Any, list[Task]] = {}
    key = key_of(names)
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return list(found.values())


def key_of(names: Sequence[str]) -> Callable[[Task], Any]:
    """What reads the columns `names` of a row as one key; of many rows much sooner than each by its name."""
    if names and all(name in schema.ATTRIBUTES for name in names):
        return operator.attrgetter(*(schema.ATTRIBUTES[name] for name in names))
    return lambda row: tuple(row[name] for name in names)


def cohorts(rows: Iterable[Task]) -> list[CohortTasks]:
    """The cohorts of `rows`, in the order in which each first appears; runs are kept apart."""
    return [CohortTasks(tuple(alike)) for alike in gathered(rows, ("run_id", *schema.COHORT_KEY))]


def groups_of(row: Task) -> int | None:
    """Groups of a layer, paths of a block: into how many parts the work is split."""
    count: int | None = row.cardinality or row.groups
    return count


def is_ok(row: Task) -> bool:
    """Whether the task was measured and may be ranked."""
    return bool(row.status == "ok") and IMPLAUSIBLE not in (row.flags or ())


def measured_nothing(statuses: Iterable[str | None]) -> bool:
    """Whether a run measured nothing: no task is ok, and some were not reached. What failed is a finding."""
    found = set(statuses)
    return "ok" not in found and "interrupted" in found


def is_timed(row: Task) -> bool:
    """Whether the task was measured and has a latency."""
    return bool(is_ok(row) and row.latency_s)


def is_baseline(row: Task) -> bool:
    """Whether the others of its cohort are compared with this row."""
    return bool(row.variant == baseline_name(row))


def baseline_name(row: Task) -> str:
    """The variant with which the others of the row's cohort are compared."""
    return BASELINES.get(row.scope, BASELINE)


def by_function(rows: Iterable[Task]) -> list[list[Task]]:
    """Ok rows by the function they compute, fastest first in each; the function with the fastest row first.

    Rows of different functions are never ranked with each other: they are not the same thing done faster.
    """
    functions: dict[str, list[Task]] = {}
    for row in sorted(filter(is_ok, rows), key=lambda row: ascending(row.latency_s)):
        functions.setdefault(row.computes, []).append(row)
    return list(functions.values())


def ascending(value: Any) -> tuple[bool, str, Any]:
    """Key that sorts nulls last and never compares two types."""
    if isinstance(value, tuple):
        return (False, "tuple", tuple(map(ascending, value)))
    number = isinstance(value, (int, float))
    return (value is None, "" if number else type(value).__name__, 0 if value is None else value)


def varying(rows: Sequence[Task], names: Iterable[str]) -> list[str]:
    """Those of `names` in which `rows` differ."""
    return [name for name in names if len({row[name] for row in rows}) > 1]


def family(rows: Sequence[Task]) -> tuple[str, ...]:
    """FAMILY, without the width where it goes with the cardinality, as in blocks of equal cost."""
    return tuple(name for name in FAMILY if name != "width" or not widths(rows))


def widths(rows: Iterable[Task]) -> list[int]:
    """The widths of blocks in the order of their cardinalities, where several have one each; else none."""
    pairs = sorted({(row.cardinality, row.width) for row in rows if row.cardinality and row.width})
    widths = [width for _, width in pairs]
    return widths if len(set(widths)) > 1 and len(dict(pairs)) == len(pairs) else []


def case_title(row: Task) -> str:
    """One line that names the row's case, as far as it is recorded."""
    return str(row["case"])


def setting_title(row: Task) -> str:
    """One line that names the row's setting."""
    return Setting.from_columns(row).title()


def _column(frame: pd.DataFrame, name: str) -> list[Any]:
    if name not in frame.columns:
        return [None] * len(frame)
    integer = name in _INTEGERS
    return [_plain(value, integer) for value in frame[name].tolist()]


def _plain(value: Any, integer: bool) -> Any:
    kind = type(value)
    if kind is float:
        return _number(value, integer)
    if kind in _AS_THEY_ARE:
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return tuple([_plain(part, integer) for part in value])
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return _number(value, integer) if isinstance(value, float) else value


def _number(value: float, integer: bool) -> float | int | None:
    """Nulls turn a column of integers into floats; whole numbers are given back as they were written."""
    if not math.isfinite(value):
        return None
    return int(value) if integer and value.is_integer() else value
