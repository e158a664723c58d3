"""What a learning run found, in sentences: the decided first, the largest difference first."""

import math
from collections.abc import Sequence

from grouped_bench.analyse.learning.summary import Filters, Summary, filters, summaries
from grouped_bench.analyse.learning.verdicts import (
    BETTER,
    EQUIVALENT,
    LEAST_SEEDS,
    MARGIN,
    UNDECIDED,
    WORSE,
    Judged,
    judged,
)
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.text import cells
from grouped_bench.space.facts import Facts
from grouped_bench.space.learning import are_equal
from grouped_bench.store.learning import Training, study_of
from grouped_bench.units import counted, significant

# The unit of a difference of accuracies, which is never one of them.
POINTS = "points"
# Beside the comparisons, only what differs by more than this is said of time.
_TELLING = 1.25
_ORDER = {BETTER: 0, WORSE: 0, EQUIVALENT: 1, UNDECIDED: 2}


def findings(trainings: Sequence[Training], facts: Facts) -> list[str]:
    """Sentences on every comparison, on time where it differs, and on filters."""
    found = {one.name: one for one in summaries(trainings, facts)}
    asked = judged(study_of(facts), trainings)
    ordered = sorted(asked, key=lambda one: (_ORDER[one.verdict], -abs(_centre(one))))
    told = [_compared(one, found) for one in ordered]
    times = [text for one in asked if (text := _time(one, found))]
    return [*told, *times, *(_filtered(one) for one in filters(facts) if one.growth)]


def headline(trainings: Sequence[Training], facts: Facts) -> str:
    """The largest decided difference, or that there is none."""
    asked = judged(study_of(facts), trainings)
    found = {one.name: one for one in summaries(trainings, facts)}
    decided = [one for one in asked if one.verdict in (BETTER, WORSE)]
    if decided:
        return _compared(max(decided, key=lambda one: abs(_centre(one))), found)
    alike = [one for one in asked if one.verdict == EQUIVALENT]
    if alike:
        return f"No network learns better: {len(alike)} of {counted(len(asked), 'comparison')} are equivalent."
    return f"No comparison is decided: {_why(asked)}."


def others(trainings: Sequence[Training], facts: Facts) -> list[str]:
    """The findings but for the headline."""
    first = headline(trainings, facts)
    return [one for one in findings(trainings, facts) if one != first]


def points(found: Interval) -> str:
    """`1.2 points [0.4 to 2.0]`, of shares."""
    low, middle, high = (_signed(100 * one) for one in (found.low, found.estimate, found.high))
    return f"{middle} {POINTS} [{low} to {high}]"


def _signed(value: float) -> str:
    return f"{value:.1f}".replace("-", "−") if abs(value) >= 0.05 else "0.0"


def at_equal(one: Summary, other: Summary) -> str:
    """`at equal parameters and MACs`; empty where neither is."""
    words = [
        word
        for word, values in (("parameters", (one.params, other.params)), ("MACs", (one.macs, other.macs)))
        if are_equal(*values)
    ]
    return f"at equal {' and '.join(words)}" if words else ""


def cost_words(one: Summary, other: Summary) -> str:
    """What both have alike, or how the first differs: `with 0.42× the parameters and 0.35× the MACs`."""
    equal = at_equal(one, other)
    params = f"{significant(one.params / other.params, 2)}× the parameters"
    macs = f"{significant(one.macs / other.macs, 2)}× the MACs"
    if not equal:
        return f"with {params} and {macs}"
    if equal.endswith("parameters"):
        return f"{equal} and {macs}"
    return f"{equal} and {params}" if "parameters" not in equal else equal


def _compared(one: Judged, found: dict[str, Summary]) -> str:
    name, beside = cells.clean(one.comparison.network), cells.clean(one.comparison.beside)
    costs = cost_words(found[one.comparison.network], found[one.comparison.beside])
    costs = f"{costs[0].upper()}{costs[1:]}"
    if one.difference is None:
        return f"{costs}, {name} beside {beside}: undecided, {one.why}."
    seeds = counted(one.seeds, "seed")
    told = _more_or_less(one.difference)
    if one.verdict == EQUIVALENT:
        margin = f"{100 * MARGIN:g}"
        return f"{costs}, {name} learns as well as {beside}, within {margin} {POINTS}: {told}, {seeds}."
    if one.verdict == UNDECIDED:
        why = f" ({one.why})" if one.why else ""
        return f"{costs}, {name} beside {beside} is undecided after {seeds}: {told}{why}."
    return f"{costs}, {name} reaches {told} than {beside} ({seeds})."


def _more_or_less(difference: Interval) -> str:
    """`0.4 points [0.2 to 0.7] less`."""
    if difference.estimate >= 0:
        return f"{points(difference)} more"
    return f"{points(Interval(-difference.estimate, -difference.high, -difference.low))} less"


def _time(one: Judged, found: dict[str, Summary]) -> str:
    """Where equal MACs are not equal time."""
    network, beside = found[one.comparison.network], found[one.comparison.beside]
    if not are_equal(network.macs, beside.macs) or not network.training_s or not beside.training_s:
        return ""
    ratio = network.training_s / beside.training_s
    if 1 / _TELLING < ratio < _TELLING:
        return ""
    word = "longer" if ratio > 1 else "less long"
    factor = significant(max(ratio, 1 / ratio), 2)
    return f"At equal MACs, {cells.clean(network.name)} trains {factor}× {word} than {cells.clean(beside.name)}."


def _filtered(one: Filters) -> str:
    assert one.growth is not None
    before, after = (_ratio(value) for value in one.growth)
    chance = _ratio(one.by_chance or math.nan)
    return (
        f"Of {cells.clean(one.network)}, filters of one group are {after}× as correlated as others, {before}× before "
        f"training; groups by chance reach {chance}×."
    )


def _ratio(value: float) -> str:
    return significant(value, 3) if math.isfinite(value) else "∞"


def _centre(one: Judged) -> float:
    return one.difference.estimate if one.difference else 0.0


def _why(asked: Sequence[Judged]) -> str:
    least = min(one.seeds for one in asked)
    if least < LEAST_SEEDS:
        return f"{counted(least, 'seed')} of at least {LEAST_SEEDS} were trained"
    return f"{counted(least, 'seed')} are too few to separate the networks"
