"""What following the advice costs: each case of the kept runs advised on from the others, beside two simple rules.

The cohort of the case is left out, whole, and the pick's measured latency is held against the best that was measured
of the same function. Nothing is measured here: the answer is a matter of the files alone.

python bench/advice.py --save
"""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence

import evidence

from grouped_bench.analyse.advise.advice import Advice, Question
from grouped_bench.analyse.advise.advise import advise, of_kind, questions, without
from grouped_bench.analyse.advise.estimated import is_spanned
from grouped_bench.analyse.rows import is_timed, plain
from grouped_bench.api import runs
from grouped_bench.store.schema import Task

MACHINE = evidence.EVIDENCE.parent / "amd-epyc-zen4-avx512-2-ec4238"
RULES = {"grouped_native": "always grouped_native", "grouped": "always Keras' grouped"}
MOST_REGRET, MOST_ABSTAINED = 0.05, 0.20


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A case with a choice, whether the others span it, what they advise, and the latencies that were measured.

    `unsure` are variants that worked and whose figures are not to be relied on.
    """

    asked: Question
    spanned: bool
    pick: str | None
    times: dict[str, float]
    unsure: frozenset[str]

    def regret(self, variant: str | None) -> float | None:
        """Share by which `variant` was slower than the best; None where it was not measured or did not work."""
        return self.times[variant] / min(self.times.values()) - 1 if variant in self.times else None


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    rows = kept_rows()
    found = list(left_out(rows))
    inside = [one for one in found if one.spanned]
    grouped = [one for one in found if one.asked.case.groups > 1]
    abstained = sum(one.pick is None for one in inside)
    advised = regrets(inside, lambda one: one.pick)
    rules = {
        told: {
            "inside": regrets([one for one in inside if one in grouped], lambda one, name=name: name),
            "all": regrets(grouped, lambda one, name=name: name),
        }
        for name, told in RULES.items()
    }
    whole = regrets(grouped, lambda one: best_of(advise(one.asked, rows)))
    findings = {
        "cases": len(found),
        "inside": len(inside),
        "backends_inside": sorted({one.asked.setting.backend for one in inside}),
        "abstained": evidence.proportion(abstained, len(inside)),
        "advice": advised,
        "not_left_out": whole,
        "rules": rules,
        "targets": [
            evidence.target("median regret at most 5 %", advised["median"], MOST_REGRET, "%"),
            evidence.target("abstained at most 20 %", abstained / len(inside), MOST_ABSTAINED, "%"),
        ],
    }
    print(f"{len(found)} cases with a choice, {len(inside)} inside of what the others span, {abstained} left open")
    print(f"advice, inside: {told(advised)}; on all {len(grouped)} with groups, the case itself known: {told(whole)}")
    for name, rule in rules.items():
        print(f"{name}, inside: {told(rule['inside'])}; on all {len(grouped)} with groups: {told(rule['all'])}")
    evidence.conclude("advice", findings, given)


def kept_rows() -> list[Task]:
    """The rows of every run that is kept of the machine."""
    return plain(runs.joined(runs.load_all([str(MACHINE)])))


def left_out(rows: Sequence[Task]) -> Iterator[LeftOut]:
    """Every case of `rows` of whose function two variants or more were measured, advised on from all others."""
    for asked in questions(rows):
        rest = without(asked, rows)
        ids = set(map(id, rest))
        own = [row for row in rows if id(row) not in ids and row.computes == asked.computes and is_timed(row)]
        if len(own) > 1:
            pick = best_of(advise(asked, rest))
            times = {row.variant: row.latency_s for row in own}
            worked = {row.variant for row in rows if id(row) not in ids and row.status == "ok"}
            spanned = is_spanned(asked, of_kind(asked, rest))
            yield LeftOut(asked, spanned, pick, times, frozenset(worked - set(times)))


def best_of(found: Advice) -> str | None:
    """The variant advised."""
    return found.best.variant if found.best else None


def regrets(found: Sequence[LeftOut], pick: Callable[[LeftOut], str | None]) -> evidence.Findings:
    """Median, 90 % and worst regret where the variant that `pick` names worked, and how often it did not.

    Where its own figure is not to be relied on, its regret is not known.
    """
    picked = [(one, pick(one)) for one in found]
    values = sorted(r for one, name in picked if name and (r := one.regret(name)) is not None)
    unknown = [(one, name) for one, name in picked if name and one.regret(name) is None]
    unsure = sum(name in one.unsure for one, name in unknown)
    counts = {"cases": len(values), "failed": len(unknown) - unsure, "unsure": unsure}
    if not values:
        return {**counts, "median": None, "ninety": None, "worst": None}
    ninety = values[min(len(values) - 1, round(0.9 * (len(values) - 1)))]
    return {
        **counts,
        "median": statistics.median(values),
        "ninety": ninety,
        "worst": values[-1],
    }


def told(found: evidence.Findings) -> str:
    """One line of regrets."""
    parts = (
        f"{name} {evidence.shown(found[key], '%')}"
        for name, key in (("median", "median"), ("90 %", "ninety"), ("worst", "worst"))
    )
    more = [f"{noun} in {found[key]}" for noun, key in (("failed", "failed"), ("unstable", "unsure")) if found[key]]
    return ", ".join([f"{', '.join(parts)} in {found['cases']} cases", *more])


if __name__ == "__main__":
    main()
