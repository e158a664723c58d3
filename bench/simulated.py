"""The whole procedure on simulated machines whose truth is known: how many verdicts are wrong, and how many there are.

The machines stand in tests/support/procedure.py, what CI checks on them in tests/harness/sweep/test_procedure.py.
About 3 minutes.

python bench/simulated.py --save
"""

import sys
from collections import Counter
from pathlib import Path

import evidence

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

import procedure

WRONG_SHARE = 0.01
# Visits after which the share of a true ratio that is decided is asked for.
EARLY = ((3, 3.0, 0.99), (3, 30.0, 0.99), (6, 1.5, 0.9))


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    for world in found["worlds"]:
        print(f"{world['name']:15} {world['pairs']:5} pairs, {world['decided']:5} decided, {world['wrong']} wrong")
    evidence.conclude("simulated", found, given)


def measure(*, smoke: bool = False) -> evidence.Findings:
    """Every world's runs, and what their verdicts come to."""
    found: evidence.Findings = {"worlds": [], "pairs_a_run": procedure.COHORTS * len(procedure.RATIOS)}
    with evidence.as_far_as_it_goes(found):
        for number, world in enumerate(procedure.WORLDS):
            evidence.say(f"{number + 1}/{len(procedure.WORLDS)} {world}")
            runs = range(1000 * number, 1000 * number + (1 if smoke else procedure.RUNS))
            found["worlds"].append(outcome(world, [procedure.verdicts_of_one_run(world, seed) for seed in runs]))
    total = {key: sum(world[key] for world in found["worlds"]) for key in ("pairs", "decided", "wrong", "runs")}
    wrong_runs = sum(world["wrong_runs"] for world in found["worlds"])
    worst = max((world["wrong"] / max(1, world["decided"]) for world in found["worlds"]), default=None)
    asked = [evidence.target("wrong among the decided verdicts of any machine", worst, WRONG_SHARE, "%")]
    for visits, ratio, least in EARLY:
        what = f"ratio {ratio:g} decided after {visits} visits"
        asked.append(evidence.target(what, decided_early(visits, ratio, smoke=smoke), least, "%", at_least=True))
    return {**found, "total": {**total, "wrong_runs": wrong_runs}, "targets": asked}


def decided_early(visits: int, ratio: float, *, smoke: bool) -> float:
    """Share of the pairs of a true ratio that are decided after so many visits."""
    runs = range(1 if smoke else procedure.RUNS)
    found = [pair for run in runs for pair in procedure.verdicts_of_one_run("huge", run, visits)]
    verdicts = [verdict for true, verdict, _ in found if true == ratio]
    return sum(verdict == "faster" for verdict in verdicts) / len(verdicts)


def outcome(world: str, runs: list[list[tuple[float, str, object]]]) -> evidence.Findings:
    """Counts of one world over its runs, and of each true ratio the verdicts."""
    verdicts = [(ratio, verdict) for run in runs for ratio, verdict, _ in run]
    wrong = [sum(procedure.contradicts(ratio, verdict) for ratio, verdict, _ in run) for run in runs]
    return {
        "name": world,
        "runs": len(runs),
        "pairs": len(verdicts),
        "decided": sum(verdict != "undecided" for _, verdict in verdicts),
        "wrong": sum(wrong),
        "wrong_runs": sum(count > 0 for count in wrong),
        "ratios": ", ".join(f"{ratio:g}" for ratio in procedure.ratios_of(world).values()),
        "by_ratio": {
            f"{ratio:g}": told([verdict for true, verdict in verdicts if true == ratio])
            for ratio in procedure.ratios_of(world).values()
        },
    }


def told(verdicts: list[str]) -> evidence.Findings:
    """Verdicts by name, and how many of them decide."""
    counts = Counter(verdicts)
    return {
        "verdicts": dict(counts),
        "decided": evidence.proportion(len(verdicts) - counts["undecided"], len(verdicts)),
    }


if __name__ == "__main__":
    main()
