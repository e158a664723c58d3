"""A network from its layers: each layer's share of the convolutions' time, and what changing it would save."""

import dataclasses
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.leads import is_clearly_faster
from grouped_bench.analyse.rows import gathered
from grouped_bench.analyse.stability import UNSTABLE, is_unstable
from grouped_bench.space.case import BASELINE
from grouped_bench.store.schema import COHORT_KEY, Task

OWN_GROUPED = "grouped"
# What is the same for every layer of a network that runs: rows that differ in these are of different networks.
PART = (
    *("run_id", "backend", "execution", "device", "cache", "env", "threads"),
    *("dtype", "data_format", "pass", "batch_size"),
)
# With one group these are the same function.
_ONE_OF_ONE_GROUP = {"dense", "grouped"}


@dataclasses.dataclass(frozen=True)
class Layer:
    """The convolutions of one case: what they take in the network as it is, and the best exact change.

    `seconds` are of all of them together, None where the network's own variant was not measured, and `problem` says
    why. `faster` is the fastest variant of the same function, None where none has a clear lead.
    """

    row: Task
    times: int
    seconds: float | None
    share: float | None
    faster: str | None
    saved_s: float | None
    problem: str | None


@dataclasses.dataclass(frozen=True)
class Network:
    """The layers of one network in one setting, the dearest first, and the seconds of those that were measured."""

    layers: tuple[Layer, ...]
    seconds: float


def own_variant(row: Task) -> str:
    """The variant as which the network has the layer; unless that is known `grouped` with groups, else the baseline."""
    return row.in_use or (OWN_GROUPED if (row.groups or 1) > 1 else BASELINE)


def is_stand_in(row: Task) -> bool:
    """Whether the network may use another variant: the layer convolves channels alone, and none is recorded.

    Runs made before networks recorded it have such rows, and a network with a depthwise layer and a grouped one alike.
    """
    return bool(row.in_use is None and 1 < (row.groups or 1) == row.in_channels)


def parts(rows: Iterable[Task]) -> list[list[Task]]:
    """`rows` by run, setting, pass and batch, in the order of the record."""
    return gathered(rows, PART)


def networks(rows: Iterable[Task]) -> list[Network]:
    """The networks whose layers `rows` are: those of cases that say how often they stand in one.

    Args:
        rows: plain rows of the record, nulls None.
    """
    found = [row for row in rows if row.multiplicity is not None and row.scope == "layer"]
    return [_network(gathered(part, COHORT_KEY)) for part in parts(found)]


def _network(cohorts: Sequence[list[Task]]) -> Network:
    layers = [_layer(cohort) for cohort in cohorts]
    total = sum(layer.seconds or 0.0 for layer in layers)
    shared = [
        dataclasses.replace(layer, share=layer.seconds / total if layer.seconds is not None and total else None)
        for layer in layers
    ]
    return Network(tuple(sorted(shared, key=lambda layer: -(layer.seconds or 0.0))), total)


def _layer(cohort: Sequence[Task]) -> Layer:
    first, times = cohort[0], cohort[0].multiplicity or 0
    own = next((row for row in cohort if row.variant == own_variant(first)), None)
    if own is None or own.status != "ok" or own.latency_s is None:
        why = f"{own_variant(first)} {'not in the plan' if own is None else own.status}"
        return Layer(own or first, times, None, None, None, None, why)
    best = min(exact_forms(own, cohort), key=lambda row: row.seconds, default=None)
    problem = UNSTABLE if is_unstable(own) else None
    if best is None or not is_clearly_faster(best, own):
        return Layer(own, times, own.seconds * times, None, None, None, problem)
    saved = (own.seconds - best.seconds) * times
    return Layer(own, times, own.seconds * times, None, best.variant, saved, problem)


def exact_forms(own: Task, cohort: Iterable[Task]) -> list[Task]:
    """The others of the cohort that were measured and compute the same function."""
    same = _ONE_OF_ONE_GROUP if own.groups == 1 and own.computes in _ONE_OF_ONE_GROUP else {own.computes}
    return [
        row
        for row in cohort
        if row is not own and row.computes in same and row.status == "ok" and row.latency_s is not None
    ]
