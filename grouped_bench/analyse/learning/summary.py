"""What the trainings of each network say: its accuracy, what it costs, and how its filters are correlated."""

import dataclasses
import math
import statistics
from collections.abc import Sequence

from grouped_bench.analyse.learning.correlation import Correlation, block_ratio, of_moments, permuted_ratio
from grouped_bench.analyse.learning.verdicts import Judged, judged
from grouped_bench.analyse.statistics.stats import LATENCY_LEVEL, Interval, student_interval
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.learning import Network, Study
from grouped_bench.store.learning import SEED, Training, study_of

_LEAST_FOR_INTERVAL = 3


@dataclasses.dataclass(frozen=True)
class Summary:
    """A network.

    Attributes:
        name: of the network.
        params, macs: numbers that are learned, and MACs of a forward pass of an example.
        training_s: median over seeds; None before the first.
        peak_memory_bytes: of a training step; None where nothing counted it.
        learning_rate: that was chosen; None where there is none.
        accuracy: mean over seeds with its 95% interval; None below three seeds.
        seeds: that ended well.
        failed: seeds that did not.
    """

    name: str
    params: int
    macs: int
    training_s: float | None
    peak_memory_bytes: int | None
    learning_rate: float | None
    accuracy: Interval | None
    seeds: int
    failed: int


def summaries(trainings: Sequence[Training], facts: Facts) -> list[Summary]:
    """Every network of the study, in its order."""
    study = study_of(facts)
    return [_summary(network, trainings, facts) for network in study.networks]


def _summary(network: Network, trainings: Sequence[Training], facts: Facts) -> Summary:
    own = [one for one in trainings if one.network == network.name and one.phase == SEED]
    good = [one for one in own if one.accuracy is not None]
    accuracies = [one.accuracy for one in good if one.accuracy is not None]
    seconds = [one.training_s for one in good if one.training_s is not None]
    shape, classes = tuple(facts["shape"]), int(facts["classes"])
    return Summary(
        name=network.name,
        params=network.params(shape, classes),
        macs=network.macs(shape, classes),
        training_s=statistics.median(seconds) if seconds else None,
        peak_memory_bytes=next((one.peak_memory_bytes for one in own if one.peak_memory_bytes), None),
        learning_rate=own[0].learning_rate if own else None,
        accuracy=student_interval(accuracies, 1 - LATENCY_LEVEL) if len(accuracies) >= _LEAST_FOR_INTERVAL else None,
        seeds=len(good),
        failed=len(own) - len(good),
    )


def pareto(found: Sequence[Summary], cost: str) -> list[Summary]:
    """Networks that none beats in accuracy at the same or a lower cost, the cheapest first.

    Args:
        found: networks.
        cost: `params`, `macs` or `training_s`.
    """
    known = [one for one in found if one.accuracy is not None and getattr(one, cost) is not None]
    front: list[Summary] = []
    for one in sorted(known, key=lambda each: (getattr(each, cost), -_mean(each))):
        if not front or _mean(one) > _mean(front[-1]):
            front.append(one)
    return front


def _mean(one: Summary) -> float:
    return one.accuracy.estimate if one.accuracy else -math.inf


@dataclasses.dataclass(frozen=True)
class Filters:
    """The filters of two layers of a network, before and after it was trained.

    Attributes:
        network: its name.
        groups: of the later of both layers.
        before, after: their correlations.
        growth: of the mean inside the groups over that outside; None for one group.
        by_chance: what that ratio reaches after training, in 95 of 100 cases, where channels are put in groups by
            chance; None for one group.
    """

    network: str
    groups: int
    before: Correlation
    after: Correlation
    growth: tuple[float, float] | None
    by_chance: float | None


def filters(facts: Facts) -> list[Filters]:
    """Those of every network whose responses were kept, in the order of the study."""
    study = study_of(facts)
    return [
        _filters(study, name, facts["responses"][name]) for name in study.correlated if facts["responses"].get(name)
    ]


def _filters(study: Study, name: str, told: Json) -> Filters:
    before, after = (of_moments(told[when]["covariances"]) for when in ("before", "after"))
    groups = last_groups(study.network(name))
    if groups == 1:
        return Filters(name, groups, before, after, None, None)
    ratios = block_ratio(before.matrix, groups), block_ratio(after.matrix, groups)
    return Filters(name, groups, before, after, ratios, permuted_ratio(after.matrix, groups))


def of_groups(trainings: Sequence[Training], facts: Facts, groups: int) -> list[Judged]:
    """Comparisons of a network that has at most so many groups in a layer, and has them, with one that has none.

    Args:
        trainings, facts: of a run.
        groups: more than one.
    """
    study = study_of(facts)
    return [
        one
        for one in judged(study, trainings)
        if groups > 1 and most_groups(study.network(one.comparison.network)) == groups
        if most_groups(study.network(one.comparison.beside)) == 1
    ]


def most_groups(network: Network) -> int:
    """The most groups of any of its convolutions and blocks, depthwise ones left out."""
    return max((part.groups for part in network.parts if part.kind != "shuffle"), default=1) or 1


def last_groups(network: Network) -> int:
    """Groups of the last part that has any: those by which the filters of the last two layers are sorted."""
    counted = [part.groups for part in network.parts if part.kind != "shuffle" and part.groups > 1]
    return counted[-1] if counted else 1
