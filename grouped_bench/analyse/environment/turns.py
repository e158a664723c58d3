"""The same task under several environments: visits in different processes, paired by turn."""

import math
from collections.abc import Mapping, Sequence

from grouped_bench.analyse.statistics.stability import Visit
from grouped_bench.analyse.statistics.tasks import Samples, Value, latencies


def by_turn(samples: Samples, visits: Sequence[Visit], turns: Sequence[int | None]) -> dict[int, Value]:
    """The latency of the visit at each turn, in seconds an iteration; visits without a sample or a turn are left out.

    Args:
        samples: seconds an iteration, by visit and round; None in a round that the task sat out.
        visits: how each visit went.
        turns: the turn of each visit; None where it had none.
    """
    made = [(turn, latencies([one], [visit])) for one, visit, turn in zip(samples, visits, turns, strict=True)]
    return {turn: found[0] for turn, found in made if turn is not None and found}


def turn_ratios(first: Mapping[int, Value], other: Mapping[int, Value]) -> list[Value]:
    """Log ratio of the first environment's latency over the other's in each turn that has both.

    The process of a value is a unit of processes: turns that share one, on either side, are not independent.
    """
    both = [(first[turn], other[turn]) for turn in sorted(first.keys() & other.keys())]
    units = _units([(one.visit.process, two.visit.process) for one, two in both])
    return [
        Value(math.log(one.value / two.value), _united(one.visit, two.visit, unit))
        for (one, two), unit in zip(both, units, strict=True)
    ]


def _units(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """A number for each pair of processes, the same for those that are linked by a process on either side."""
    units = list(range(len(pairs)))
    for place, (one, two) in enumerate(pairs):
        for earlier in range(place):
            if pairs[earlier][0] == one or pairs[earlier][1] == two:
                kept, gone = units[earlier], units[place]
                units = [kept if unit == gone else unit for unit in units]
    return units


def _united(one: Visit, two: Visit, unit: int) -> Visit:
    """Two visits as one: as disturbed as the worse of them."""
    return Visit(unit, _worse(one.stolen, two.stolen), _worse(one.throttled, two.throttled))


def _worse(one: float | None, two: float | None) -> float | None:
    return max((share for share in (one, two) if share is not None), default=None)
