"""Advice for a case that was not measured, from similar cases that were."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from grouped_bench.analyse.advise.advice import COSTLY, NEIGHBOURS, Advice, Option, Question, failures
from grouped_bench.analyse.advise.kriging import LEAST_NEIGHBOURS, distances, estimate, outside, within_reach
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.network.parts import OWN_GROUPED
from grouped_bench.analyse.rows import gathered, is_timed
from grouped_bench.analyse.statistics.stability import is_unstable
from grouped_bench.space.case import BASELINE, Case
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted


@dataclasses.dataclass(frozen=True)
class _Neighbour:
    """A case and its stable rows by variant, each the newest."""

    case: Case
    rows: dict[str, Task]


def from_neighbours(asked: Question, rows: Iterable[Task]) -> Advice:
    """The advice of `rows`, which are of the kind asked for; it abstains outside of what they span.

    With one group every variant is the same convolution, so such cases and those with groups say nothing about
    each other.
    """
    alike = _alike(asked, rows)
    known = _known(asked, alike)
    failed = _failed_nearby(asked, alike)
    problem = _problem(asked, [one.case for one in known])
    if problem:
        return Advice(asked, abstains=problem, left_out=tuple(failed.items()))
    apart = distances(asked.case, [one.case for one in known])
    nearest = [known[place] for place in sorted(range(len(known)), key=apart.__getitem__)]
    return _ranked(asked, nearest, failed)


def is_spanned(asked: Question, rows: Iterable[Task]) -> bool:
    """Whether the case lies inside of what `rows`, which are of its kind, span."""
    known = _known(asked, _alike(asked, rows))
    return _problem(asked, [one.case for one in known]) is None


def _alike(asked: Question, rows: Iterable[Task]) -> list[Task]:
    return [row for row in rows if (row.groups > 1) == (asked.case.groups > 1)]


def _known(asked: Question, alike: Iterable[Task]) -> list[_Neighbour]:
    return [made for made in map(_neighbour, gathered(alike, COHORT_KEY)) if _names(made, asked)]


def _neighbour(rows: Sequence[Task]) -> _Neighbour:
    oldest_first = sorted(filter(_is_steady, rows), key=lambda row: str(row.started_at))
    return _Neighbour(Case.from_columns(rows[0]), {row.variant: row for row in oldest_first})


def _is_steady(row: Task) -> bool:
    """Whether a latency says something of other cases: what a load moved, it moved by an unknown factor."""
    return is_timed(row) and not is_unstable(row)


def _names(one: _Neighbour, asked: Question) -> list[str]:
    return [name for name, row in one.rows.items() if row.computes == asked.computes]


def _failed_nearby(asked: Question, rows: Sequence[Task]) -> dict[str, str]:
    """Variants that came to nothing at a case within reach: there they may fail here too.

    One that was interrupted did not fail, and one whose machine moved only lacks that neighbour.
    """
    failed = [row for row in rows if row.status not in ("ok", "interrupted")]
    near = within_reach(asked.case, [Case.from_columns(row) for row in failed])
    told = failures((row for row, is_near in zip(failed, near, strict=True) if is_near), asked.computes)
    return {name: f"nearby {reason}" for name, reason in told.items()}


def _problem(asked: Question, cases: Sequence[Case]) -> str | None:
    """Why nothing can be said from the `cases`."""
    kind = "with groups" if asked.case.groups > 1 else "of one group"
    if len(cases) < LEAST_NEIGHBOURS:
        return f"an estimate needs three measured cases {kind} in this setting, pass and format; found: {len(cases)}"
    return outside(asked.case, cases)


def _ranked(asked: Question, known: Sequence[_Neighbour], failed: dict[str, str]) -> Advice:
    counts: dict[str, int] = {}
    for one in known:
        for name in _names(one, asked):
            counts[name] = counts.get(name, 0) + 1
    rare = {
        name: f"measured at {count} of {counted(len(known), 'neighbour')}, but an estimate needs three"
        for name, count in counts.items()
        if count < LEAST_NEIGHBOURS
    }
    left_out = {**rare, **failed}
    names = [name for name in counts if name not in left_out]
    told = {*names, BASELINE, OWN_GROUPED}
    base = Advice(
        question=asked,
        left_out=tuple(left_out.items()),
        evidence=tuple(row for one in known for name, row in one.rows.items() if name in told),
    )
    if len(names) < 2:
        why = "fewer than two variants were measured at three or more neighbours, so there is no choice to make"
        return dataclasses.replace(base, abstains=why)
    options = [option for option in (_option(asked, name, known) for name in names) if option]
    ranked = tuple(sorted(options, key=lambda option: option.latency.value))
    regular = None if asked.keras == BASELINE else _option(asked, BASELINE, known)
    return _judged(dataclasses.replace(base, options=ranked, regular=regular), known)


def _judged(base: Advice, known: Sequence[_Neighbour]) -> Advice:
    """The advice, or an abstention where the first ties with another and the choice could cost much."""
    best, *others = base.options
    leads = {other.variant: _over(base.question, best.variant, other.variant, known) for other in others}
    ties = tuple(name for name, lead in leads.items() if lead is None or not lead.exceeds(1))
    lows = [lead.low if lead else None for name, lead in leads.items() if name in ties]
    worst = [None if not low else 1 / low - 1 for low in lows]
    known_worst = [share for share in worst if share is not None]
    at_most = max(known_worst, default=0.0) if len(known_worst) == len(worst) else None
    if at_most is None or at_most > COSTLY:
        cost = (
            "the cost of a wrong choice is not known"
            if at_most is None
            else f"a wrong choice may cost {100 * at_most:.0f}%"
        )
        why = f"the estimates do not separate {best.variant} from {', '.join(ties)}, and {cost}"
        return dataclasses.replace(base, options=(), abstains=why)
    return dataclasses.replace(base, basis=NEIGHBOURS, ties=ties, at_most=at_most)


def _option(asked: Question, name: str, known: Sequence[_Neighbour]) -> Option | None:
    # Memory goes with the bytes that must be held; time less than with them, since a call has costs of its own.
    counts = asked.counts(name)
    latency = _estimate(asked, known, [name], lambda rows: rows[0].seconds / math.sqrt(rows[0].min_bytes))
    memory = _estimate(asked, known, [name], lambda rows: (rows[0].peak_memory_bytes or 0) / rows[0].min_bytes)
    if latency is None:
        return None
    return Option(
        variant=name,
        latency=latency.times(math.sqrt(counts.min_bytes)),
        over_regular=_over(asked, name, BASELINE, known),
        over_grouped=_over(asked, name, OWN_GROUPED, known),
        memory=memory.times(counts.min_bytes) if memory else None,
        is_coarse=any(one.rows[name].memory_source == "resident" for one in known if name in one.rows),
        params=counts.params,
    )


def _over(asked: Question, name: str, other: str, known: Sequence[_Neighbour]) -> Estimate | None:
    """How many times as fast as `other` the variant `name` would be."""
    return _estimate(asked, known, [name, other], lambda rows: rows[1].seconds / rows[0].seconds)


def _estimate(
    asked: Question, known: Sequence[_Neighbour], names: Sequence[str], value: Callable[[list[Task]], float | None]
) -> Estimate | None:
    """`value` of the rows of `names` at the case asked for, from the neighbours that have them all."""
    cases, values = [], []
    for one in known:
        rows = [one.rows[name] for name in names if name in one.rows]
        found = value(rows) if len(rows) == len(names) else None
        if found:
            cases.append(one.case)
            values.append(found)
    return estimate(asked.case, cases, values)
