"""The data of a page's explorer: the record as columns, compressed, and how much of it did not fit."""

import base64
import gzip
import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grouped_bench.analyse.network.parts import own_variant
from grouped_bench.analyse.rows import ascending, is_ok, is_timed, key_of
from grouped_bench.report.drawing.names import case_name, setting_name, setting_of, shape_of
from grouped_bench.report.drawing.night import by_night
from grouped_bench.report.drawing.style import mark_of
from grouped_bench.report.findings.findings import Finding
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Json
from grouped_bench.store import schema
from grouped_bench.store.schema import Task

# Beyond these a page would not open at once; the Parquet file has everything.
MOST_ROWS = 20_000
MOST_SAMPLES = 200_000
_LEAST_SAMPLES = 5
_DIGITS = 6
_DISTINCT = 400
_PER_MILLE = 1000

_MEASURED = frozenset(
    (
        *("latency_s", "latency_low_s", "latency_high_s", "speedup", "speedup_low", "speedup_high"),
        *("verdict", "peak_memory_bytes", "energy_j"),
    )
)
_EXTENTS = ("size", "kernel_size", "stride", "dilation")
_COUNTS = ("params", "params_total", "macs")
# Lists of the record that an axis cannot hold, as one number each, and what that is.
_SERIES: dict[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "first_calls_s": ("median", lambda values: float(np.median(values))),
    "visit_process": ("number of visits", lambda values: float(len(values))),
    "visit_stolen": ("largest", max),
    "visit_throttled": ("largest", max),
}
_FILTERS = (
    *("variant", "computes", *schema.COHORT_KEY, "verdict", "status", "memory_source", "flags"),
    *("run_id", "machine", "device_name", "backend_version", "label", "multiplicity"),
)
# Columns that no file holds.
CASE, SETTING = "case", "setting"
_TITLES = {
    "speedup": "speed-up over the baseline",
    "speedup_low": "speed-up, lower end",
    "speedup_high": "speed-up, upper end",
    "latency_low_s": "latency, lower end",
    "latency_high_s": "latency, upper end",
    "macs": "multiply-accumulates",
    "params": "parameters",
    "params_total": "parameters, all",
    "min_bytes": "least traffic",
    "first_calls_s": "first call",
}
# Matplotlib's shapes as Vega's: by name, or as a path in the square from -1 to 1.
_SHAPES = {
    **{"o": "circle", "s": "square", "P": "cross", "D": "diamond", "d": "diamond"},
    **{"^": "triangle-up", "v": "triangle-down", "<": "triangle-left", ">": "triangle-right"},
    "X": "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z",
    "p": "M0,-1L.95,-.31L.59,.81L-.59,.81L-.95,-.31Z",
    "h": "M0,-1L.87,-.5L.87,.5L0,1L-.87,.5L-.87,-.5Z",
    "H": "M-1,0L-.5,-.87L.5,-.87L1,0L.5,.87L-.5,.87Z",
    "8": "M-.41,-1L.41,-1L1,-.41L1,.41L.41,1L-.41,1L-1,.41L-1,-.41Z",
    "*": "M0,-1L.22,-.31L.95,-.31L.36,.12L.59,.81L0,.38L-.59,.81L-.36,.12L-.95,-.31L-.22,-.31Z",
}


def record(frame: pd.DataFrame, rows: Sequence[Task], told: Sequence[Finding]) -> Json:
    """The first MOST_ROWS of `rows` as columns, their samples, and the rows of each finding.

    Args:
        frame: the record, for its samples.
        rows: `plain(frame)`.
        told: the findings of the page, in its order.
    """
    shown = rows[:MOST_ROWS]
    names = [name for name in schema.NAMES if name not in schema.RAW]
    return {
        "total": len(rows),
        "columns": [*_derived(shown), *(_column(name, shown) for name in names)],
        "marks": _marks(shown),
        "samples": _samples(frame, len(shown)),
        "findings": _places(shown, told),
    }


def packed(content: str | bytes) -> str:
    """`content`, compressed, as letters that HTML leaves alone; the same each time."""
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    return base64.b64encode(gzip.compress(raw, mtime=0)).decode("ascii")


def packed_record(frame: pd.DataFrame, rows: Sequence[Task], told: Sequence[Finding]) -> str:
    """What `record` returns as JSON, compressed, as letters that HTML leaves alone.

    Args:
        frame, rows, told: as `record` takes them.
    """
    return packed(json.dumps(record(frame, rows, told), ensure_ascii=False, separators=(",", ":"), allow_nan=False))


def _column(name: str, rows: Sequence[Task]) -> Json:
    """A column: its few distinct values in order and each row's place among them, or a value a row."""
    about = next(column for column in schema.COLUMNS if column.name == name)
    told: Json = {
        "name": name,
        "title": _title(about),
        "unit": about.unit,
        "summary": _SERIES[name][0] if name in _SERIES else "",
        "meaning": about.meaning,
        "form": _form(about),
        "filter": name in _FILTERS,
    }
    values = [_value(row, name, told["form"]) for row in rows]
    distinct = sorted(set(values), key=_in_order(rows, name, values))
    if len(distinct) > _DISTINCT and told["form"] != "text":
        return {**told, "values": values}
    places = {value: place for place, value in enumerate(distinct)}
    return {**told, "distinct": distinct, "places": [places[value] for value in values]}


def _derived(rows: Sequence[Task]) -> list[Json]:
    """The case of each row, those that are soon done first, and its setting: no two rows of a variant have both."""
    shape, setting = shape_of(rows), setting_of(rows)
    cases = _once(rows, (*shape, "label", "multiplicity"), lambda row: case_name(row, shape))
    settings = _once(rows, setting, lambda row: setting_name(row, setting) if setting else "")
    told = {"unit": "", "summary": "", "form": "text", "filter": True}
    about = {
        CASE: (cases, _by_time(rows, cases), "what is computed, in the words in which the cases differ"),
        SETTING: (settings, list(dict.fromkeys(settings)), "where and how, in the words in which the settings differ"),
    }
    return [
        {**told, "name": name, "title": name, "meaning": meaning, "distinct": order, "places": _placed(texts, order)}
        for name, (texts, order, meaning) in about.items()
    ]


def _once(rows: Sequence[Task], names: Sequence[str], write: Callable[[Task], str]) -> list[str]:
    """What `write` makes of each row, which depends on the columns `names` alone: rows are many, their cases few."""
    key, told = key_of(names), {}
    for row in rows:
        if key(row) not in told:
            told[key(row)] = write(row)
    return [told[key(row)] for row in rows]


def _by_time(rows: Sequence[Task], cases: Sequence[str]) -> list[str]:
    """Names of cases in the order of the latency of Keras' own form, or of the first one where that is not known."""
    known: dict[str, float] = {}
    for own in (True, False):
        for row, case in zip(rows, cases, strict=True):
            if is_timed(row) and (row.variant == own_variant(row) or not own):
                known.setdefault(case, row.seconds)
    return sorted(dict.fromkeys(cases), key=lambda case: known.get(case, math.inf))


def _placed(texts: Sequence[str], order: Sequence[str]) -> list[int]:
    places = {text: place for place, text in enumerate(order)}
    return [places[text] for text in texts]


def _title(column: schema.Column) -> str:
    """The column in words, without its unit, which its values carry: `latency`."""
    if column.name in _TITLES:
        return _TITLES[column.name]
    name = column.name
    for ending in ("_s", "_bytes", "_j"):
        name = name.removesuffix(ending) if column.unit else name
    return name.replace("_", " ")


def _in_order(rows: Sequence[Task], name: str, values: Sequence[Any]) -> Callable[[Any], Any]:
    """Extents are texts that go by their numbers; all else goes by itself."""
    if name in _EXTENTS:
        known = {text: row[name] or () for row, text in zip(rows, values, strict=True)}
        return lambda text: (text is None, tuple(map(ascending, known[text])))
    return ascending


def _value(row: Task, name: str, form: str) -> Any:
    """A number, a line of text or None: a task that did not end ok has no answer."""
    value: Any = row.verdict if name == "verdict" else row[name]
    if value is None or (name in _MEASURED and not is_ok(row)):
        return None
    if name in _SERIES:
        known = [part for part in value if part is not None]
        return _rounded(_SERIES[name][1](known)) if known else None
    if form == "text":
        return cells.column_text(row, name) if name in _EXTENTS else cells.text_of(value)
    return _rounded(value)


def _rounded(value: float) -> float | int:
    """A number with the digits that anyone reads; whole numbers stay as they are."""
    if isinstance(value, int):
        return value
    text = float(f"{value:.{_DIGITS}g}")
    return int(text) if text.is_integer() else text


def _form(column: schema.Column) -> str:
    """How the page writes the column."""
    name = column.name
    kinds = {"s": "seconds", "B": "bytes", "J": "joules"}
    if column.unit in kinds:
        return kinds[column.unit]
    if name in _COUNTS:
        return "count"
    if name.startswith("speedup"):
        return "ratio"
    number = name in _SERIES or str(column.type) in ("int64", "double")
    return "number" if number else "text"


def _marks(rows: Sequence[Task]) -> dict[str, tuple[str, str, str]]:
    """Colour, shape and colour by night of each variant, as in every other figure."""
    firsts = {cells.text_of(row.variant): row for row in rows}
    marks = {name: mark_of(row) for name, row in firsts.items()}
    return {name: (mark.colour, _SHAPES[mark.shape], by_night(mark.colour)) for name, mark in marks.items()}


def _samples(frame: pd.DataFrame, count: int) -> Json:
    """Samples of each row by visit, in per mille of their median; where they are many, quantiles of all."""
    raw = frame["samples_s"].tolist()[:count] if "samples_s" in frame.columns else []
    told = [[_finite(visit) for visit in _listed(visits)] for visits in raw]
    total = sum(len(visit) for visits in told for visit in visits)
    room = MOST_SAMPLES // count if count else 0
    if total > MOST_SAMPLES and room < _LEAST_SAMPLES:
        return {"kept": 0, "rows": []}
    most = room if total > MOST_SAMPLES else None
    return {"kept": most, "rows": [_relative(visits, most) for visits in told]}


def _listed(visits: Any) -> Iterable[Any]:
    return visits if isinstance(visits, (list, tuple, np.ndarray)) else ()


def _finite(visit: Any) -> list[float]:
    values = [] if visit is None else list(visit)
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _relative(visits: Sequence[Sequence[float]], most: int | None) -> list[Any] | None:
    """The median, then the visits' samples relative to it; None where there are none."""
    every = sorted(value for visit in visits for value in visit)
    if not every or not (middle := float(np.median(every))):
        return None
    if most is not None and len(every) > most:
        visits = [[every[round(i * (len(every) - 1) / (most - 1))] for i in range(most)]]
    return [_rounded(middle), *([round(_PER_MILLE * (value / middle - 1)) for value in visit] for visit in visits)]


def _places(rows: Sequence[Task], told: Sequence[Finding]) -> list[list[int]]:
    """Of each finding the rows it rests on, as a flat list of firsts and lasts of stretches."""
    if not any(finding.rows for finding in told):
        return [[] for _ in told]
    index = {_key(row): place for place, row in enumerate(rows)}
    found = [{index[key] for key in map(_key, finding.rows) if key in index} for finding in told]
    return [_stretches(sorted(places)) for places in found]


def _key(row: Task) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("run_id", "variant", *schema.COHORT_KEY))


def _stretches(places: Sequence[int]) -> list[int]:
    ends: list[int] = []
    for place in places:
        if ends and place == ends[-1] + 1:
            ends[-1] = place
        else:
            ends += [place, place]
    return ends
