"""Verdicts on all pairs of a run together, since the spread of the others tells what a pair's few processes leave open.

Of the decided verdicts at most FALSE_COVERAGE are wrong on average: intervals have the level that the number of decided
pairs allows (false coverage rate: Benjamini and Yekutieli, 2005).
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from grouped_bench.analyse.statistics import moderation, stats
from grouped_bench.analyse.statistics.moderation import Prior
from grouped_bench.analyse.statistics.stability import slack
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.analyse.statistics.tasks import Value, counted, process_logs

PairKey = TypeVar("PairKey")
# Of a pair in a sweep: the number of its cohort, and what names it there.
VerdictKey = tuple[Any, ...]
_DRIFT_ALPHA = 0.05
# With the variance of the other pairs, two processes decide what is far apart.
LEAST_PROCESSES = 2
_REFRESHED = 20


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


@dataclasses.dataclass(frozen=True)
class Common:
    """What the pairs of a run have in common: how far processes settle apart, and the level of the intervals.

    In the same rounds twins vary together and other pairs do not; in turn, all vary alike.
    """

    in_rounds: Prior
    in_turn: Prior
    alpha: float

    def pair(self, ratios: Sequence[Value], margin: float, *, is_by_turn: bool) -> Pair:
        """The verdict on a pair, and its interval; none below two processes."""
        used = counted(ratios)
        return _pair(used, _evidence(used, self.in_turn if is_by_turn else self.in_rounds), self.alpha, margin)


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
    common, found = _together(ratios, count, margin, by_turn)
    return {key: _pair(used, evidence, common.alpha, margin) for key, (used, evidence) in found.items()}


def _together(
    ratios: Mapping[PairKey, Sequence[Value]], count: int, margin: float, by_turn: Collection[PairKey]
) -> tuple[Common, dict[PairKey, tuple[list[Value], _Evidence | None]]]:
    """What all pairs say of each other; of each the visits that count and what they say. Arguments as of `judge`."""
    in_turn = set(by_turn)
    used = {key: counted(values) for key, values in ratios.items()}
    by_round = moderation.fit(process_logs(some) for key, some in used.items() if key not in in_turn)
    turned = moderation.fit((process_logs(some) for key, some in used.items() if key in in_turn), moderation.IN_TURN)
    found = {key: (some, _evidence(some, turned if key in in_turn else by_round)) for key, some in used.items()}
    needed = [evidence.needed(margin) for _, evidence in found.values() if evidence is not None]
    return Common(by_round, turned, _alpha(needed, max(1, count, len(ratios)))), found


def _evidence(used: Sequence[Value], prior: Prior) -> _Evidence | None:
    settled = process_logs(used)
    made = settled.logs
    if len(made) < LEAST_PROCESSES:
        return None
    variance, freedom = prior.moderated(settled)
    moved = math.fsum(slack(value.visit) for value in used) / len(used) + _drift(used)
    centre, error = math.fsum(made) / len(made), math.sqrt(variance / len(made))
    return _Evidence(centre, error, freedom, moved, stats.look_share(len(used)))


def _pair(used: Sequence[Value], evidence: _Evidence | None, alpha: float, margin: float) -> Pair:
    interval = stats.exponential(evidence.centre, evidence.half(alpha)) if evidence else None
    return Pair(interval, stats.verdict(interval, margin), len(used))


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


class Verdicts:
    """The verdicts of a run as they stand.

    What its pairs have in common is found again after each twentieth more visits: of thousands of pairs it takes long.

    Args:
        count: comparisons of the run.
        margin: largest change that counts as equivalent, as a share.
    """

    def __init__(self, count: int, margin: float) -> None:
        self._count, self._margin = count, margin
        self._ratios: dict[VerdictKey, Sequence[Value]] = {}
        self._by_turn: set[VerdictKey] = set()
        self._made, self._due = 0, 0
        self._common: Common | None = None

    def put(self, key: VerdictKey, ratios: Sequence[Value], *, by_turn: bool = False) -> None:
        """Take in all log ratios of a pair, one a visit; `by_turn` as for `judge`."""
        self._ratios[key] = tuple(ratios)
        self._by_turn |= {key} if by_turn else set()
        self._made += 1

    def forget(self, cohort: int) -> None:
        """Drop the pairs of a cohort by its number, with which their keys begin."""
        self._ratios = {key: ratios for key, ratios in self._ratios.items() if key[0] != cohort}

    def visits(self, key: VerdictKey) -> int:
        """How many visits of a pair count so far."""
        return len(counted(self._ratios.get(key, ())))

    def __contains__(self, key: VerdictKey) -> bool:
        return key in self._ratios

    def __getitem__(self, key: VerdictKey) -> Pair:
        """A pair as it stands; without a visit of it undecided."""
        if self._common is None or self._made >= self._due:
            self._common, _ = _together(self._ratios, self._count, self._margin, self._by_turn)
            self._due = self._made + max(1, self._made // _REFRESHED)
        return self._common.pair(self._ratios.get(key, ()), self._margin, is_by_turn=key in self._by_turn)
