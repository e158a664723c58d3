"""Does it matter whether inputs and weights come from the cache or from memory? The same cases hot and cold.

One run of every case both ways, under six minutes: batch 1 on small maps of many channels, where a call reads much
for the little that it computes, and a case that computes much for what it reads.

python bench/cache.py --save   # on a quiet machine
"""

import tempfile
from collections.abc import Iterable
from typing import Any

import evidence

import grouped_bench as gb
from grouped_bench.analyse.leads import is_clearly_faster
from grouped_bench.analyse.rows import by_function, case_title, is_baseline, is_ok, plain
from grouped_bench.harness.plan import make_plan
from grouped_bench.report.text import cells
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import significant

READS_MUCH = [
    {"channels": 512, "size": 7, "kernel_size": 1, "batch_size": 1, "groups": [4, 16]},
    {"channels": 512, "size": 7, "kernel_size": 3, "batch_size": 1, "groups": 16},
    {"channels": 2048, "size": 1, "kernel_size": 1, "batch_size": 1, "groups": 16},
]
COMPUTES_MUCH = [{"channels": 64, "size": 28, "kernel_size": 3, "batch_size": 8, "groups": [4, 16]}]
SMOKE = [{"channels": 64, "size": 14, "kernel_size": 1, "batch_size": 8, "groups": 4}]
SMOKE_VARIANTS = "regular,grouped,split_sum"
PASSES = ["inference", "training"]
BUDGET = "5m30s"
CACHES = ("hot", "cold")
_CASE = tuple(name for name in COHORT_KEY if name != "cache")


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    for case in found["cases"]:
        print(f"{case['case']}; cold over hot: {_listed(case['cold_over_hot'])}")
        for pair in case["pairs"]:
            told = "  ".join(f"{cache} {_told(pair[cache])}" for cache in CACHES)
            print(f"  {pair['variant']:14}  {told}{'  CHANGED' if pair['changed'] else ''}")
    for what in ("verdicts", "decided", "best", "clearly_best"):
        share = found["changed"][what]
        print(f"{_ASKED[what]}: changed in {share['hits']} of {share['of']}")
    evidence.conclude("cache", found, given)


_ASKED = {
    "verdicts": "verdicts",
    "decided": "verdicts that were decided both ways",
    "best": "fastest variants of a function",
    "clearly_best": "fastest variants of a function that lead clearly both ways",
}


def measure(*, smoke: bool = False) -> evidence.Findings:
    """One run, its cases with every pair hot and cold, and how many answers changed."""
    cases = SMOKE if smoke else [*READS_MUCH, *COMPUTES_MUCH]
    axes = {"variant": SMOKE_VARIANTS, "passes": "inference"} if smoke else {"variant": "all", "passes": PASSES}
    space = gb.Space(cases=cases, cache=CACHES, **axes)
    evidence.say(f"{make_plan(space).pairs} pairs, {BUDGET} at most")
    limits: dict[str, Any] = evidence.IN_A_SMOKE if smoke else {"visits": 200, "budget": BUDGET}
    with tempfile.TemporaryDirectory() as folder:
        run = gb.run(space, out=folder, memory=False, page=False, quiet=False, **limits)
    twice = list(_both_ways(plain(run.frame)))
    found = [_case(hot, cold) for hot, cold in twice]
    return {
        "cases": found,
        "changed": _changed(found, twice),
        "total_s": run.metadata["time"]["total_s"],
        "stopped_by": run.metadata["stopped_by"],
        "targets": [],
    }


def _both_ways(rows: Iterable[Task]) -> Iterable[tuple[list[Task], list[Task]]]:
    """The rows of each case, hot and cold."""
    cases: dict[tuple[Any, ...], dict[str, list[Task]]] = {}
    for row in rows:
        caches = cases.setdefault(tuple(row[name] for name in _CASE), {cache: [] for cache in CACHES})
        caches[row.cache].append(row)
    return ((caches["hot"], caches["cold"]) for caches in cases.values())


def _case(hot: list[Task], cold: list[Task]) -> evidence.Findings:
    """What one case answers hot and cold."""
    other = {row.variant: row for row in cold}
    pairs = [(row, other[row.variant]) for row in hot]
    return {
        "case": case_title(hot[0]),
        "statuses": {row.variant: [row.status, twin.status] for row, twin in pairs},
        "reasons": {row.variant: row.reason for row in (*hot, *cold) if row.reason},
        "cold_over_hot": {
            row.variant: twin.latency_s / row.latency_s for row, twin in pairs if is_ok(row) and is_ok(twin)
        },
        "pairs": [_pair(row, twin) for row, twin in pairs if not is_baseline(row) and _judged(row) and _judged(twin)],
    }


def _pair(hot: Task, cold: Task) -> evidence.Findings:
    keys = ("verdict", "speedup", "speedup_low", "speedup_high", "latency_s", "latency_low_s", "latency_high_s")
    both = {cache: {key: row[key] for key in keys} for cache, row in zip(CACHES, (hot, cold), strict=True)}
    changed = hot.verdict != cold.verdict
    return {"variant": hot.variant, "computes": hot.computes, **both, "changed": changed}


def _changed(found: list[evidence.Findings], twice: list[tuple[list[Task], list[Task]]]) -> evidence.Findings:
    """Shares of the answers that differ."""
    pairs = [pair for case in found for pair in case["pairs"]]
    decided = [pair for pair in pairs if "undecided" not in (pair["hot"]["verdict"], pair["cold"]["verdict"])]
    firsts = [both for hot, cold in twice for both in _firsts(hot, cold)]
    clear = [(hot[0], cold[0]) for hot, cold in firsts if is_clearly_faster(*hot) and is_clearly_faster(*cold)]
    return {
        "verdicts": evidence.proportion(sum(pair["changed"] for pair in pairs), len(pairs)),
        "decided": evidence.proportion(sum(pair["changed"] for pair in decided), len(decided)),
        "best": _renamed([(hot[0], cold[0]) for hot, cold in firsts]),
        "clearly_best": _renamed(clear),
    }


def _firsts(hot: list[Task], cold: list[Task]) -> Iterable[tuple[list[Task], list[Task]]]:
    """The two fastest of each function that has two, hot and cold."""
    ranked = [{rows[0].computes: rows[:2] for rows in by_function(way) if len(rows) > 1} for way in (hot, cold)]
    return ((ranked[0][function], ranked[1][function]) for function in ranked[0] if function in ranked[1])


def _renamed(firsts: list[tuple[Task, Task]]) -> evidence.Findings:
    return evidence.proportion(sum(hot.variant != cold.variant for hot, cold in firsts), len(firsts))


def _judged(row: Task) -> bool:
    return is_ok(row) and row.verdict is not None and row.speedup is not None


def _told(way: evidence.Findings) -> str:
    ends = way["speedup"], way["speedup_low"], way["speedup_high"]
    return f"{way['verdict']:10} {cells.ratio(*ends):22}"


def _listed(ratios: dict[str, float]) -> str:
    return ", ".join(f"{name} {significant(ratio, 3)}×" for name, ratio in ratios.items()) or "not both measured"


if __name__ == "__main__":
    main()
