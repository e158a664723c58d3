"""Which of two networks learns better: paired seeds, looks that are paid for, and a verdict for each comparison.

A seed gives both networks the same examples in the same order, so that the difference of their accuracies is free of
what both share. Differences are looked at after certain numbers of seeds; the error of a comparison is spent over these
looks, most of it at the last, and divided among the comparisons of a study (Bonferroni): the chance of any wrong
verdict is at most 5%.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from grouped_bench.analyse.statistics.stats import FAMILY_ALPHA, Interval, student_interval
from grouped_bench.space.learning import SEEDS, NetworkPair, Study
from grouped_bench.store.learning import SEED, Training

# A sign test of fewer seeds cannot reach 5% (arXiv 2511.19794).
LEAST_SEEDS, MOST_SEEDS = SEEDS[0], 20
LOOKS = (6, 9, 13, 20)
# Share of a comparison's error at each look.
_SHARES = (0.1, 0.15, 0.25, 0.5)
# Differences of accuracy within so many points are none that matters.
MARGIN = 0.005
BETTER, WORSE, EQUIVALENT, UNDECIDED = "better", "worse", "equivalent", "undecided"


@dataclasses.dataclass(frozen=True)
class Judged:
    """A comparison with its answer.

    Attributes:
        comparison: what was asked.
        difference: of accuracies, network minus the one beside it, in shares; None below LEAST_SEEDS seeds.
        verdict: `better`, `worse`, `equivalent` or `undecided`.
        seeds: that both have.
        why: of no interval or no verdict: what is missing, or what failed.
        is_failed: whether a training of either network failed.
    """

    comparison: NetworkPair
    difference: Interval | None
    verdict: str
    seeds: int
    why: str = ""
    is_failed: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether more seeds would change nothing."""
        return self.is_failed or self.verdict != UNDECIDED


def judged(study: Study, trainings: Iterable[Training]) -> list[Judged]:
    """All comparisons of a study by the seeds that both networks have."""
    made = list(trainings)
    found, count = accuracies(made), len(study.comparisons)
    told = [_judged(one, found.get(one.network, {}), found.get(one.beside, {}), count) for one in study.comparisons]
    return [_without_failures(one, made) for one in told]


def accuracies(trainings: Iterable[Training]) -> dict[str, dict[int, float]]:
    """Test accuracy by network and seed, of trainings that are compared and have one."""
    found: dict[str, dict[int, float]] = {}
    for one in trainings:
        if one.phase == SEED and one.accuracy is not None:
            found.setdefault(one.network, {})[one.seed] = one.accuracy
    return found


def interval(differences: Sequence[float], comparisons: int) -> Interval | None:
    """The interval of the mean difference, at the last look that the seeds reach; None below the first.

    Args:
        differences: one a seed, in their order; those beyond the last look that is reached do not count yet.
        comparisons: of the study.
    """
    reached = [count for count in LOOKS if count <= len(differences)]
    if not reached:
        return None
    alpha = FAMILY_ALPHA / max(1, comparisons) * _SHARES[len(reached) - 1]
    return student_interval(differences[: reached[-1]], alpha)


def verdict(found: Interval | None, margin: float = MARGIN) -> str:
    """What an interval of a difference says; `equivalent` wins over the others."""
    if found is None:
        return UNDECIDED
    if -margin <= found.low and found.high <= margin:
        return EQUIVALENT
    if found.low > 0:
        return BETTER
    return WORSE if found.high < 0 else UNDECIDED


def _without_failures(one: Judged, made: Sequence[Training]) -> Judged:
    """No verdict where a training of either network failed: seeds that ended well may be those that are easy."""
    for name in (one.comparison.network, one.comparison.beside):
        own = [each for each in made if each.network == name and each.phase == SEED]
        failed = sum(each.accuracy is None for each in own)
        if failed:
            why = f"{failed} of {len(own)} trainings of {name} failed"
            return dataclasses.replace(one, verdict=UNDECIDED, why=why, is_failed=True)
    return one


def _judged(
    comparison: NetworkPair, network: Mapping[int, float], beside: Mapping[int, float], comparisons: int
) -> Judged:
    shared = sorted(network.keys() & beside.keys())
    differences = [network[seed] - beside[seed] for seed in shared]
    found = None
    # A verdict stands once it was given: later looks have an error of their own.
    for count in (look for look in LOOKS if look <= len(shared)):
        found = interval(differences[:count], comparisons)
        if verdict(found) != UNDECIDED:
            return Judged(comparison, found, verdict(found), count)
    why = "" if found else f"{len(shared)} of at least {LEAST_SEEDS} seeds"
    return Judged(comparison, found, UNDECIDED, len(shared), why)
