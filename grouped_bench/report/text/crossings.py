"""Crossings in words."""

import collections
from collections.abc import Sequence

from grouped_bench.analyse.crossings import FROM, NEVER, OPEN, Crossing
from grouped_bench.analyse.rows import groups_of
from grouped_bench.units import counted


def in_words(found: Sequence[Crossing]) -> str:
    """`with 4 groups or more in 2 shapes, not even with 32 groups in 1 shape`."""
    noun = "path" if found[0].rows[0].cardinality else "group"
    starts = collections.Counter((one.groups or 0, _reserve(one)) for one in found if one.kind == FROM)
    told = [
        f"with {counted(groups, noun)} or more{reserve} in {counted(count, 'shape')}"
        for (groups, reserve), count in sorted(starts.items())
    ]
    ends = collections.Counter(groups_of(one.rows[-1]) or 0 for one in found if one.kind == NEVER)
    told += [
        f"not even with {counted(groups, noun)} in {counted(count, 'shape')}" for groups, count in sorted(ends.items())
    ]
    rest = sum(one.kind == OPEN for one in found)
    return ", ".join(told + ([f"open in {counted(rest, 'shape')}"] if rest else []))


def _reserve(one: Crossing) -> str:
    if groups_of(one.rows[0]) == one.groups:
        return " (the fewest tried)"
    return "" if one.is_sharp else " (open below that)"
