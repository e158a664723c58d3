"""The smallest group count from which a variant stays faster than the baseline, where the verdicts decide it."""

import dataclasses
from collections.abc import Iterable

from grouped_bench.analyse.rows import DENSE, family, groups_of, is_baseline, is_ok
from grouped_bench.store.schema import Task

FROM, NEVER, OPEN = "from", "never", "open"
_LEAST_COUNTS = 2


@dataclasses.dataclass(frozen=True)
class Crossing:
    """A variant on one shape at two numbers of groups and more, in their order.

    `kind` is FROM where it is faster from `groups` on at all larger numbers that were tried, NEVER where it is slower
    or equivalent at the largest, OPEN where the largest ended without a decided verdict.
    """

    rows: tuple[Task, ...]
    kind: str
    groups: int | None

    @property
    def is_sharp(self) -> bool:
        """Whether it is known not to be faster at the next smaller number, or there is none."""
        below = [row for row in self.rows if (groups_of(row) or 0) < (self.groups or 0)]
        return not below or settled(below[-1]) in ("slower", "equivalent")


def settled(row: Task) -> str | None:
    """`faster`, `slower` or `equivalent`; None where the row carries no such claim."""
    verdict = row.verdict if is_ok(row) else None
    return verdict if verdict in ("faster", "slower", "equivalent") else None


def crossings(rows: Iterable[Task]) -> list[Crossing]:
    """A crossing for each shape and variant of another function than the baseline's, in the order of the record.

    One group or path is left out: there all variants are one function.
    """
    split = [row for row in rows if (groups_of(row) or 0) > 1 and not is_baseline(row)]
    names = ("variant", "computes", *family(split))
    dense = {row.computes for row in rows if is_baseline(row)} | set(DENSE)
    found: dict[tuple[object, ...], dict[int, Task]] = {}
    for row in split:
        if row.computes not in dense:
            found.setdefault(tuple(row[name] for name in names), {})[groups_of(row) or 0] = row
    return [_crossing(by_groups) for by_groups in found.values() if len(by_groups) >= _LEAST_COUNTS]


def _crossing(by_groups: dict[int, Task]) -> Crossing:
    rows = tuple(by_groups[groups] for groups in sorted(by_groups))
    verdicts = [settled(row) for row in rows]
    if verdicts[-1] != "faster":
        return Crossing(rows, OPEN if verdicts[-1] is None else NEVER, None)
    start = len(rows)
    while start and verdicts[start - 1] == "faster":
        start -= 1
    return Crossing(rows, FROM, groups_of(rows[start]))
