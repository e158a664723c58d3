"""Cohorts of one case that differ only in environment: visited in a row, so that they can be compared."""

from collections.abc import Sequence

import numpy as np

from grouped_bench.harness.sweep.cohort_state import Standing


class Family:
    """Where a family stands in a run; most have one member.

    Args:
        members: the standings, the one under the first values of the environment first.
    """

    def __init__(self, members: Sequence[Standing]) -> None:
        self.members = tuple(members)
        for member in self.members:
            member.family = self.members

    @property
    def active(self) -> bool:
        """Whether some member needs more time."""
        return any(member.active for member in self.members)

    @property
    def seconds(self) -> float:
        """What a turn takes: a visit of each member that is still open."""
        return sum(member.seconds for member in self.members if member.active)

    @property
    def visits(self) -> int:
        """Visits of the member that has fewest."""
        return min(member.visits for member in self.members)

    @property
    def width(self) -> float:
        """How undecided the most undecided member is."""
        return max(member.width for member in self.members)

    def turn(self, rng: np.random.Generator) -> list[Standing]:
        """The open members, in the order of a turn, which is drawn anew."""
        if len(self.members) == 1:
            return list(self.members)
        return [self.members[place] for place in rng.permutation(len(self.members)) if self.members[place].active]
