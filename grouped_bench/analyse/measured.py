"""Advice from the cohort of the very case that is asked for."""

from collections.abc import Iterable, Sequence

from grouped_bench.analyse.advice import MEASURED, Advice, Option, Question, Row, failures, is_sure, is_timed
from grouped_bench.analyse.neighbours import Figure
from grouped_bench.analyse.network import OWN_GROUPED, gathered, is_clear
from grouped_bench.space.case import BASELINE

# Keras' own layer is advised where it is within this share of the fastest and not told apart from it.
PLAIN_SHARE = 0.03
# Two readings of the resident set differ where one is this many times the other.
_COARSE = 1.25


def from_measured(asked: Question, rows: Iterable[Row]) -> Advice | None:
    """The advice of the newest run in which `rows`, all of the case asked for, let a choice be made; None without one.

    A choice is between two stable variants or more, none of which an unstable one has overtaken.
    """
    runs = gathered(rows, ("run_id",))
    for cohort in sorted(runs, key=lambda cohort: str(cohort[0]["started_at"]), reverse=True):
        stable = _stable(cohort, asked.computes)
        if len(stable) > 1 and not _is_overtaken(cohort, stable):
            return _advice(asked, cohort, stable)
    return None


def _advice(asked: Question, cohort: Sequence[Row], stable: Sequence[Row]) -> Advice:
    first = _plain_choice(asked, stable)
    open_to = [row for row in stable if row is not first and not is_clear(first, row)]
    made = {row["variant"]: _measured_option(row, cohort) for row in stable}
    best = made.pop(first["variant"])
    ties = tuple(row["variant"] for row in open_to)
    return Advice(
        question=asked,
        basis=MEASURED,
        options=(best, *made.values()),
        ties=ties,
        at_most=_at_worst(best, [made[name] for name in ties]),
        left_out=tuple(failures(cohort, asked.computes).items()),
        evidence=tuple(cohort),
    )


def _stable(cohort: Iterable[Row], computes: str) -> list[Row]:
    """The rows that may be ranked, fastest first."""
    fit = [row for row in cohort if is_sure(row) and row["computes"] == computes]
    return sorted(fit, key=lambda row: row["latency_s"])


def _is_overtaken(cohort: Iterable[Row], stable: Sequence[Row]) -> bool:
    """Whether a variant whose figures are unsure was faster than all that are sure."""
    unsure = (row for row in cohort if is_timed(row) and not is_sure(row))
    return any(r["computes"] == stable[0]["computes"] and r["latency_s"] < stable[0]["latency_s"] for r in unsure)


def _plain_choice(asked: Question, stable: Sequence[Row]) -> Row:
    """The fastest; Keras' own layer where that is as fast, since there is nothing to paste."""
    fastest = stable[0]
    limit = (1 + PLAIN_SHARE) * fastest["latency_s"]
    own = next((row for row in stable if row["variant"] == asked.keras and row["latency_s"] <= limit), fastest)
    return fastest if is_clear(fastest, own) else own


def _measured_option(row: Row, cohort: Iterable[Row]) -> Option:
    grouped = next((r for r in cohort if r["variant"] == OWN_GROUPED and is_sure(r)), None)
    speedup = _speedup(row)
    latency = Figure(row["latency_s"], row["latency_low_s"], row["latency_high_s"])
    return Option(
        variant=row["variant"],
        latency=latency,
        over_regular=speedup,
        over_grouped=_over(row, grouped, speedup) if grouped else None,
        memory=_memory(row),
        is_coarse=row["memory_source"] == "resident",
    )


def _over(row: Row, other: Row, speedup: Figure | None) -> Figure:
    """How many times as fast as `other` the row is: by speed-ups over what both were paired with, else by latencies."""
    base = _speedup(other)
    if row is other:
        return Figure(1.0, 1.0, 1.0)
    if speedup and base:
        return speedup.over(base)
    times = [Figure(r["latency_s"], r["latency_low_s"], r["latency_high_s"]) for r in (other, row)]
    return times[0].over(times[1])


def _speedup(row: Row) -> Figure | None:
    if row["variant"] == BASELINE:
        return Figure(1.0, 1.0, 1.0)
    return Figure(row["speedup"], row["speedup_low"], row["speedup_high"]) if row["speedup"] else None


def _memory(row: Row) -> Figure | None:
    found = row["peak_memory_bytes"]
    if found is None:
        return None
    slack = _COARSE if row["memory_source"] == "resident" else 1.0
    return Figure(found, found / slack, found * slack)


def _at_worst(best: Option, rivals: Iterable[Option]) -> float | None:
    """Share by which `best` may be slower than a rival at the far ends of their intervals."""
    worst = 0.0
    for rival in rivals:
        pair = (rival.over_regular, best.over_regular)
        ratio = pair[0].over(pair[1]) if pair[0] and pair[1] else best.latency.over(rival.latency)
        if ratio.high is None:
            return None
        worst = max(worst, ratio.high - 1)
    return worst
