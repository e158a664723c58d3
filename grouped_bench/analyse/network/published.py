"""Published figures beside those of a run: the same quantity, where the run measured it."""

import dataclasses
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.network.parts import own_variant, parts
from grouped_bench.space.published import Published
from grouped_bench.store.schema import Task

NOT_HERE = "not measured here"
_SEPARATOR = "; "
_FORWARDS = {"training": 3}


@dataclasses.dataclass(frozen=True)
class Beside:
    """A published figure and ours; `problem` says why there is none. `row` holds setting, pass and batch of ours."""

    published: Published
    ours: float | None
    problem: str | None
    row: Task | None


class _MissingError(Exception):
    """Why a quantity does not follow from the rows."""


def besides(rows: Iterable[Task], published: Sequence[Published]) -> list[Beside]:
    """Each of `published` with ours: once, or once for each setting, pass and batch of the run.

    Args:
        rows: plain rows of one run, nulls None.
        published: the figures that its space brings along.
    """
    of_run = parts(rows) or [[]]
    found = []
    for one in published:
        for part in of_run if one.ours else of_run[:1]:
            found.append(_beside(one, part))
    return found


def _beside(one: Published, rows: Sequence[Task]) -> Beside:
    if one.ours is None or not rows:
        return Beside(one, None, NOT_HERE, None)
    try:
        return Beside(one, _ours(one, rows), None, rows[0])
    except _MissingError as missing:
        return Beside(one, None, str(missing), rows[0])


def _ours(one: Published, rows: Sequence[Task]) -> float:
    chosen = _chosen(rows, one.label, one.variant)
    if one.ours == "speedup":
        over = _chosen(rows, one.over_label or one.label, one.over_variant or one.variant)
        return _seconds(over) / _seconds(chosen)
    if one.ours == "params":
        return float(sum(row.params * _times(row) for row in chosen))
    return float(sum(row.macs * _times(row) / row.batch_size / _FORWARDS.get(row.pass_, 1) for row in chosen))


def _chosen(rows: Sequence[Task], label: str | None, variant: str | None) -> list[Task]:
    """The rows of the cases with this label, or of all, one a case."""
    found = [
        row
        for row in rows
        if row.variant == (variant or own_variant(row))
        and (label is None or label in (row.label or "").split(_SEPARATOR))
    ]
    if not found or any(row[name] is None for row in found for name in ("params", "macs", "batch_size")):
        raise _MissingError(NOT_HERE)
    return found


def _seconds(rows: Sequence[Task]) -> float:
    """What the cases take together, each as often as it stands in its network."""
    for row in rows:
        if row.status != "ok" or row.latency_s is None:
            raise _MissingError(f"{row.variant} {row.status}")
    return float(sum(row.seconds * _times(row) for row in rows))


def _times(row: Task) -> int:
    return row.multiplicity or 1
