"""Verdicts on all pairs of a run together, since the spread of the others tells what a pair's few processes leave open.

Of the decided verdicts at most FALSE_COVERAGE are wrong on average: intervals have the level that the number of decided
pairs allows (false coverage rate: Benjamini and Yekutieli, 2005).
"""

import dataclasses
import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from grouped_bench.analyse.statistics import moderation, stats
from grouped_bench.analyse.statistics.stability import slack
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.analyse.statistics.tasks import Value, by_process, counted

PairKey = TypeVar("PairKey")
_DRIFT_ALPHA = 0.05
# With the variance of the other pairs, two processes decide what is far apart.
LEAST_PROCESSES = 2


@dataclasses.dataclass(frozen=True)
class Pair:
    """A variant against the baseline: corrected interval of the speed-up, verdict, and the visits that count."""

    interval: Interval | None
    verdict: str
    visits: int


@dataclasses.dataclass(frozen=True)
class _Evidence:
    """What the processes of one pair say: a log ratio, its error and degrees of freedom, and what a load may hide.

    Args:
        centre, error: the mean log ratio and its standard error, moderated.
        freedom: degrees of freedom of the error.
        slack: by how much the machine may have moved the log ratio; never reduced by more visits.
        share: of the pair's error, what may be spent at its number of visits.
    """

    centre: float
    error: float
    freedom: float
    slack: float
    share: float

    def half(self, alpha: float) -> float:
        """Half the width of the interval at `alpha`."""
        from scipy import special  # takes a quarter second, which only a run has

        return float(special.stdtrit(self.freedom, 1 - alpha * self.share / 2)) * self.error + self.slack

    def needed(self, margin: float) -> float:
        """The least alpha at which the verdict is decided."""
        from scipy import special

        apart = abs(self.centre) - self.slack
        within = math.log1p(margin) - abs(self.centre) - self.slack
        reach = max(apart, within)
        return 2 * float(special.stdtr(self.freedom, -reach / self.error)) / self.share if reach > 0 else math.inf


def judge(
    ratios: Mapping[PairKey, Sequence[Value]], *, count: int, margin: float, by_turn: Collection[PairKey] = ()
) -> dict[PairKey, Pair]:
    """The verdict on each pair, and its interval; none below two processes.

    Args:
        ratios: of each pair one log ratio a visit.
        count: comparisons of the run, also those without a visit yet.
        margin: largest change that counts as equivalent, as a share: 0.03 for 3 %.
        by_turn: pairs whose two sides were not visited in the same rounds, but in turn.
    """
    used = {key: counted(values) for key, values in ratios.items()}
    in_turn = set(by_turn)
    evidence = {
        **_moderated({key: values for key, values in used.items() if key not in in_turn}, is_by_turn=False),
        **_moderated({key: values for key, values in used.items() if key in in_turn}, is_by_turn=True),
    }
    alpha = _alpha([one.needed(margin) for one in evidence.values()], max(1, count, len(ratios)))
    return {key: _pair(evidence.get(key), len(values), alpha, margin) for key, values in used.items()}


def _moderated(used: Mapping[PairKey, Sequence[Value]], *, is_by_turn: bool) -> dict[PairKey, _Evidence]:
    """What is known of each of some pairs, which have the spread of their processes in common.

    In the same rounds twins vary together and other pairs do not; in turn, all vary alike.
    """
    if not used:
        return {}
    means = {key: by_process(values) for key, values in used.items()}
    several = {key: made for key, made in means.items() if len(made) > 1}
    spread = {key: float(np.var(made, ddof=1)) for key, made in several.items()}
    centre = {key: math.fsum(made) / len(made) for key, made in several.items()}
    apart = {key: moderation.FAR if is_by_turn else middle for key, middle in centre.items()}
    freedom = [len(made) - 1 for made in several.values()]
    record = moderation.IN_TURN if is_by_turn else moderation.IN_ROUNDS
    prior = moderation.fit(list(spread.values()), freedom, list(apart.values()), record)
    found = {}
    for key, made in several.items():
        if len(made) >= LEAST_PROCESSES:
            moderated = prior.moderated(spread[key], len(made) - 1, apart[key])
            found[key] = _evidence(used[key], centre[key], moderated, len(made))
    return found


def _evidence(used: Sequence[Value], centre: float, moderated: tuple[float, float], processes: int) -> _Evidence:
    variance, freedom = moderated
    moved = math.fsum(slack(value.visit) for value in used) / len(used) + _drift(used)
    return _Evidence(centre, math.sqrt(variance / processes), freedom, moved, stats.look_share(len(used)))


def _drift(used: Sequence[Value]) -> float:
    """By how much the log ratio surely moved within visits: a median of rounds is off by no more."""
    drifts = stats.process_means((value.visit.process, value.drift) for value in used)
    found = stats.student_interval(drifts, _DRIFT_ALPHA)
    return max(0.0, found.low, -found.high)


def _alpha(needed: Sequence[float], count: int) -> float:
    """The error of each interval: FALSE_COVERAGE times the share of pairs that are decided at it, one at least."""
    each = stats.FALSE_COVERAGE / count
    ranks = enumerate(sorted(needed), 1)
    return each * max((rank for rank, one in ranks if one <= rank * each), default=1)


def _pair(evidence: _Evidence | None, visits: int, alpha: float, margin: float) -> Pair:
    if evidence is None:
        return Pair(None, stats.verdict(None, margin), visits)
    interval = stats.exponential(evidence.centre, evidence.half(alpha))
    return Pair(interval, stats.verdict(interval, margin), visits)


class Verdicts:
    """The verdicts of a run as they stand, made again when they are asked for after a visit.

    Args:
        count: comparisons of the run.
        margin: largest change that counts as equivalent, as a share.
    """

    def __init__(self, count: int, margin: float) -> None:
        self._count, self._margin = count, margin
        self._ratios: dict[Hashable, Sequence[Value]] = {}
        self._by_turn: set[Hashable] = set()
        self._pairs: dict[Hashable, Pair] | None = None

    def put(self, key: Hashable, ratios: Sequence[Value], *, by_turn: bool = False) -> None:
        """Take in all log ratios of a pair, one a visit; `by_turn` as for `judge`."""
        self._ratios[key] = tuple(ratios)
        self._by_turn |= {key} if by_turn else set()
        self._pairs = None

    def visits(self, key: Hashable) -> int:
        """How many visits of a pair count so far."""
        return len(counted(self._ratios.get(key, ())))

    def __contains__(self, key: Hashable) -> bool:
        return key in self._ratios

    def __getitem__(self, key: Hashable) -> Pair:
        """A pair as it stands; without a visit of it undecided."""
        if self._pairs is None:
            self._pairs = judge(self._ratios, count=self._count, margin=self._margin, by_turn=self._by_turn)
        return self._pairs.get(key, _NOTHING)


_NOTHING = Pair(None, stats.verdict(None, 0.0), 0)
