"""What a study trains next: learning rates first, then seeds until every comparison has a verdict."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.learning.verdicts import LOOKS, MOST_SEEDS, judged
from grouped_bench.space.learning import Network, Study
from grouped_bench.store.learning import SEED, TUNING, Training

# The same rule for every network, so that none is favoured: each is trained once at each rate, and at half or twice the
# best one while that is the last that was tried; on another seed than those that are compared.
RATES = (0.1, 0.2, 0.4)
LOWEST_RATE, HIGHEST_RATE = RATES[0] / 16, 16 * RATES[0]
TUNING_SEED = 1000


@dataclasses.dataclass(frozen=True)
class Turn:
    """A training that is to be made."""

    network: Network
    phase: str
    seed: int
    learning_rate: float


def tuning(study: Study, made: Iterable[Training]) -> list[Turn]:
    """Trainings by which learning rates are chosen, without those that were made."""
    tried: dict[str, list[Training]] = {network.name: [] for network in study.networks}
    for one in made:
        if one.phase == TUNING:
            tried[one.network].append(one)
    return [
        Turn(network, TUNING, TUNING_SEED, rate)
        for network in study.networks
        for rate in _rates_to_try(tried[network.name])
    ]


def _rates_to_try(tried: Sequence[Training]) -> list[float]:
    done = {one.learning_rate for one in tried}
    if left := [rate for rate in RATES if rate not in done]:
        return left
    # Where nothing was learnt, a lower rate may still learn.
    best = best_rate(tried) or min(done)
    if best == max(done) < HIGHEST_RATE:
        return [2 * best]
    return [best / 2] if best == min(done) > LOWEST_RATE else []


def best_rates(study: Study, made: Sequence[Training]) -> dict[str, float]:
    """Of each network the learning rate with the best validation accuracy; none where every training failed."""
    found: dict[str, float] = {}
    for network in study.networks:
        best = best_rate([one for one in made if one.phase == TUNING and one.network == network.name])
        if best is not None:
            found[network.name] = best
    return found


def best_rate(tried: Iterable[Training]) -> float | None:
    """Of a network's trainings the learning rate with the best validation accuracy; None where all failed."""
    learnt = [one for one in tried if one.accuracy is not None]
    best = max(learnt, key=lambda one: (one.validation_accuracy or 0.0, -one.learning_rate), default=None)
    return best.learning_rate if best else None


def next_seeds(study: Study, made: Sequence[Training], most: int = MOST_SEEDS) -> list[Turn]:
    """Trainings of the next seed that a comparison still needs; none once all have a verdict or `most` seeds.

    Args:
        study: what is compared.
        made: all trainings so far.
        most: seeds of each network, at most.
    """
    rates = best_rates(study, made)
    done = {(one.network, one.seed) for one in made if one.phase == SEED}
    needed = _undecided(study, made)
    for seed in range(most):
        turns = [
            Turn(study.network(name), SEED, seed, rates[name])
            for name in needed
            if name in rates and (name, seed) not in done
        ]
        if turns:
            return turns
    return []


def seeds_left(study: Study, made: Sequence[Training], most: int = MOST_SEEDS) -> int:
    """Trainings that are left until the next look of every open comparison: what an estimate of time counts.

    Args:
        study, made, most: as of `next_seeds`.
    """
    counts = {network.name: 0 for network in study.networks}
    for one in made:
        if one.phase == SEED:
            counts[one.network] += 1
    return sum(max(0, min(most, _next_look(counts[name])) - counts[name]) for name in _undecided(study, made))


def typical_seconds(seconds: Sequence[float]) -> float:
    """What a training takes; 0 before the first."""
    return statistics.fmean(seconds) if seconds else 0.0


def _undecided(study: Study, made: Sequence[Training]) -> tuple[str, ...]:
    """Names of the networks of comparisons that more seeds may decide, each once."""
    open_ = [one.comparison for one in judged(study, made) if not one.is_decided]
    return tuple(dict.fromkeys(name for one in open_ for name in (one.network, one.beside)))


def _next_look(count: int) -> int:
    return next((look for look in LOOKS if look > count), LOOKS[-1])
