"""The answer of a run: what each case takes as it is, which exact form is fastest, by how much and how surely."""

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.leads import gain, is_clearly_faster
from grouped_bench.analyse.network.parts import PART, exact_forms, own_variant, parts
from grouped_bench.analyse.rows import gathered, is_timed
from grouped_bench.store.schema import COHORT_KEY, Task

# What cases of a sweep have in common.
_SWEPT = tuple(name for name in PART if name != "batch_size")
# What a line of the answer says: a form is faster; none is; or it was not measured closely enough to say.
FASTER, BEST, OPEN = "faster", "best", "open"
# A form that may be faster by no more than this share is not worth a change.
_WORTH = 1.05


@dataclasses.dataclass(frozen=True)
class Line:
    """One case.

    Args:
        own: the task as it is in the network, or as Keras has it: `grouped` with groups, else `regular`; of a block the
            one with Keras' groups=.
        forms: `own` and the others of the same function that were measured, fastest first.
        best: the fastest that is clearly faster than `own`; None without one.
        times: how often the case stands in its network; 1 outside of one.
    """

    own: Task
    forms: tuple[Task, ...]
    best: Task | None
    times: int

    @property
    def seconds(self) -> float:
        """What all of its convolutions take as they are."""
        return self.own.seconds * self.times

    @property
    def gain(self) -> Estimate:
        """How many times as fast the best form is; 1 where the case stays as it is."""
        return gain(self.best, self.own) if self.best else Estimate(1.0, 1.0, 1.0)

    @property
    def saved(self) -> Estimate:
        """Seconds that the best form saves in all of its convolutions."""
        shares = [None if end is None else 1 - 1 / end for end in dataclasses.astuple(self.gain)]
        value, low, high = (None if share is None else self.seconds * share for share in shares)
        return Estimate(value or 0.0, low, high)

    @property
    def state(self) -> str:
        """FASTER, BEST or OPEN."""
        if self.best is not None:
            return FASTER
        most = self.at_most
        return BEST if most is not None and most <= _WORTH else OPEN

    @property
    def at_most(self) -> float | None:
        """How many times as fast another form may be at most; None where that is not known."""
        ends = [gain(row, self.own).high for row in self.forms if row is not self.own]
        known = [end for end in ends if end is not None]
        return max(known, default=1.0) if len(known) == len(ends) else None


@dataclasses.dataclass(frozen=True)
class Answer:
    """The cases of one run in one setting, pass and batch, the greatest saving first.

    Args:
        lines: those whose own form was measured.
        unmeasured: a task of each of the others, their own where it was tried.
        is_network: whether the cases say how often they stand in one network.
    """

    lines: tuple[Line, ...]
    unmeasured: tuple[Task, ...]
    is_network: bool

    @property
    def first(self) -> Task:
        """A task that says run, setting and pass."""
        return self.lines[0].own if self.lines else self.unmeasured[0]

    @functools.cached_property
    def faster(self) -> list[Line]:
        """Lines with a faster form."""
        return [line for line in self.lines if line.state == FASTER]

    @property
    def seconds(self) -> float:
        """All convolutions as they are."""
        return sum(line.seconds for line in self.lines)

    @property
    def effect(self) -> float:
        """How much there is to gain for sure: seconds in a network, else a factor."""
        if self.is_network:
            return self.saved
        return max((line.gain.low or 1.0 for line in self.faster), default=0.0)

    @property
    def after(self) -> float:
        """All convolutions, each in its best form."""
        return sum(line.seconds / line.gain.value for line in self.lines)

    @property
    def gain(self) -> Estimate:
        """How many times as fast all convolutions are together, with ends that hold whatever the lines share."""
        low, high = (self._total(end) for end in ("low", "high"))
        return Estimate(self.seconds / self.after if self.after else 1.0, low, high)

    @property
    def saved(self) -> float:
        """Seconds that the best forms save together."""
        return self.seconds - self.after

    def _total(self, end: str) -> float | None:
        ends = [getattr(line.gain, end) for line in self.lines]
        if not ends or None in ends:
            return None
        return self.seconds / math.fsum(line.seconds / end for line, end in zip(self.lines, ends, strict=True))


def answers(rows: Iterable[Task]) -> list[Answer]:
    """An answer for each run, setting and pass of `rows`; of networks for each batch too. Blocks are kept apart.

    Args:
        rows: plain rows of whole cohorts, nulls None.
    """
    rows = list(rows)
    of_networks = [row for row in rows if _is_of_network(row)]
    others = [row for row in rows if not _is_of_network(row)]
    return [
        *(_answer(gathered(part, COHORT_KEY), True) for part in parts(of_networks)),
        *(_answer(gathered(part, COHORT_KEY), False) for part in gathered(others, ("scope", *_SWEPT))),
    ]


def _answer(cohorts: Sequence[list[Task]], is_network: bool) -> Answer:
    owns = [next((row for row in cohort if row.variant == own_variant(row)), None) for cohort in cohorts]
    found = list(zip(cohorts, owns, strict=True))
    lines = [_line(own, cohort) for cohort, own in found if own is not None and is_timed(own)]
    missing = tuple(own or cohort[0] for cohort, own in found if own is None or not is_timed(own))
    return Answer(tuple(sorted(lines, key=_saving if is_network else _factor)), missing, is_network)


def _is_of_network(row: Task) -> bool:
    return row.scope == "layer" and row.multiplicity is not None


def _saving(line: Line) -> tuple[float, float]:
    """What sorts the lines of a network: the greatest saving first, then the dearest."""
    return (-line.saved.value, -line.seconds)


def _factor(line: Line) -> tuple[float, float]:
    return (-(line.gain.low or line.gain.value), -line.seconds)


def _line(own: Task, cohort: Sequence[Task]) -> Line:
    others = exact_forms(own, cohort)
    faster = [row for row in others if is_clearly_faster(row, own)]
    best = min(faster, key=lambda row: row.seconds, default=None)
    forms = sorted([own, *others], key=lambda row: row.seconds)
    return Line(own, tuple(forms), best, 1 if own.multiplicity is None else own.multiplicity)
