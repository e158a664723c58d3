"""Advice from the cohort of the case itself."""

import math
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.advise.advice import MEASURED, Advice, Option, Question, failures
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.leads import gain, is_clearly_faster, latency
from grouped_bench.analyse.network.parts import OWN_GROUPED
from grouped_bench.analyse.rows import gathered, is_timed
from grouped_bench.space.case import BASELINE
from grouped_bench.store.schema import Task

# Keras' own layer is advised where it is within this share of the fastest and not distinguished from it.
PLAIN_SHARE = 0.03
# Two readings of the resident set differ where one is this many times the other.
_COARSE = 1.25
# A ratio that may reach this says nothing.
_NOTHING_KNOWN = 100


def from_measured(asked: Question, rows: Iterable[Task]) -> Advice | None:
    """The advice of the newest run with intervals among `rows`, all of the case asked for, that lets a choice be made.

    None without one. A choice is between two variants or more, or falls on the only one that works.
    """
    for cohort in sorted(gathered(rows, ("run_id",)), key=_worth, reverse=True):
        timed = _timed(cohort, asked.computes)
        if _is_choice(asked, cohort, timed):
            return _advice(asked, cohort, timed)
    return None


def _worth(cohort: Sequence[Task]) -> tuple[bool, str]:
    return any(row.latency_low_s is not None for row in cohort), str(cohort[0].started_at)


def _advice(asked: Question, cohort: Sequence[Task], timed: Sequence[Task]) -> Advice:
    best = _plain_choice(asked, timed)
    ties = [row for row in timed if row is not best and not is_clearly_faster(best, row, alone=True)]
    ranked = [best, *(row for row in timed if row is not best)]
    dense = [row for row in cohort if row.variant == BASELINE != asked.keras and is_timed(row)]
    return Advice(
        question=asked,
        basis=MEASURED,
        options=tuple(_option(asked, row, cohort) for row in ranked),
        ties=tuple(row.variant for row in ties),
        at_most=_at_worst(best, ties),
        left_out=tuple(failures(cohort, asked.computes).items()),
        evidence=tuple(cohort),
        regular=_option(asked, dense[0], cohort) if dense else None,
    )


def _timed(cohort: Iterable[Task], computes: str) -> list[Task]:
    """The rows that may be ranked, fastest first."""
    fit = [row for row in cohort if is_timed(row) and row.computes == computes]
    return sorted(fit, key=lambda row: row.seconds)


def _is_choice(asked: Question, cohort: Iterable[Task], timed: Sequence[Task]) -> bool:
    """Whether there are two or more, or one alone will do: all others failed, or it is Keras' layer of one group."""
    if len(timed) != 1:
        return len(timed) > 1
    others = [row for row in cohort if row.computes == asked.computes and row is not timed[0]]
    all_failed = bool(others) and all(row.status not in ("ok", "interrupted") for row in others)
    return all_failed or (asked.case.groups == 1 and timed[0].variant == asked.keras)


def _plain_choice(asked: Question, timed: Sequence[Task]) -> Task:
    """The fastest; Keras' own layer where that is as fast, since there is nothing to paste.

    With one group all are the same convolution, so that a difference would have to be shown.
    """
    fastest = timed[0]
    limit = (1 + PLAIN_SHARE) * fastest.seconds if asked.case.groups > 1 else math.inf
    own = next((row for row in timed if row.variant == asked.keras and row.seconds <= limit), fastest)
    return fastest if is_clearly_faster(fastest, own, alone=True) else own


def _option(asked: Question, row: Task, cohort: Iterable[Task]) -> Option:
    known = {other.variant: other for other in cohort if is_timed(other)}
    return Option(
        variant=row.variant,
        latency=latency(row),
        over_regular=_over(row, known[BASELINE]) if BASELINE in known else None,
        over_grouped=_over(row, known[OWN_GROUPED]) if OWN_GROUPED in known else None,
        memory=_memory(row),
        is_coarse=row.memory_source == "resident",
        params=asked.counts(row.variant).params,
        choice=row.choice,
    )


def _over(row: Task, other: Task) -> Estimate:
    """How many times as fast as `other` the row is.

    Paired by round where the run compared both with its baseline. Those intervals are corrected for every pair of the
    run; where the two latencies' own are narrower, these are taken, since one case alone is asked for.
    """
    if row.variant == other.variant:
        return Estimate(1.0, 1.0, 1.0)
    return gain(row, other).narrower(latency(other).over(latency(row)))


def _memory(row: Task) -> Estimate | None:
    found = row.peak_memory_bytes
    if found is None:
        return None
    slack = _COARSE if row.memory_source == "resident" else 1.0
    return Estimate(found, found / slack, found * slack)


def _at_worst(best: Task, rivals: Iterable[Task]) -> float | None:
    """Share by which `best` may be slower than a rival at the far end of the interval; None where that says nothing."""
    highs = [_over(rival, best).high for rival in rivals]
    known = [high for high in highs if high is not None and high < _NOTHING_KNOWN]
    return max(known, default=1.0) - 1 if len(known) == len(highs) else None
