"""Power: slow-downs of 1, 2, 5 and 10 % injected into a twin. How soon is each found?

40 cohorts of calls of 1 to 2 ms, each a run of its own; about 10 minutes, the last of them for the 1 %.
The margin is 0.5 % here: with the default of 3 % a slow-down of 2 % is rightly called `equivalent`, so what the
default would have said at the same visits is told beside it.

python bench/power.py --save
"""

import math
import statistics
from collections import Counter
from collections.abc import Sequence

import evidence
import injected
import visits

from grouped_bench.harness.plan import Cohort
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE
from grouped_bench.space.facts import Json

CONTROL = Control(margin=0.005, precision=0.0025, visits=1000)
DEFAULT = Control(visits=1000)
FOLLOWED_S = 30.0
WITHIN_S = (5.0, 10.0, 20.0, 30.0)
LARGE, SMALL = ("slower_10", "slower_5", "slower_2"), ("slower_1",)
# No target is set for 1 %, and it takes longest: it gets what is left, and this share of the time at least.
SMALL_SHARE = 0.25
BATCHES = [4, 5, 6, 7, 8]
CASES = [
    {"channels": 64, "size": 14, "batch_size": BATCHES},
    {"channels": 32, "size": 28, "batch_size": BATCHES},
    {"channels": 64, "size": 28, "kernel_size": 1, "batch_size": [8, 10, 12, 14, 16]},
    {"channels": 128, "size": 14, "kernel_size": 1, "batch_size": [12, 14, 16, 18, 20]},
    {"channels": 64, "size": 7, "batch_size": BATCHES, "pass": "training"},
    {"channels": 32, "size": 14, "batch_size": BATCHES, "pass": "training"},
    {"channels": 16, "size": 28, "batch_size": BATCHES, "pass": "training"},
    {"channels": 64, "size": 14, "kernel_size": 1, "batch_size": BATCHES, "pass": "training"},
]


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="no cohort begins later than this, 10 unless given")
    given = evidence.parse(parser)
    found = measure(minutes=given.minutes, smoke=given.smoke)
    for level in found["levels"]:
        within = "  ".join(f"{w['seconds']:g} s: {w['hits']}/{w['of']}" for w in level["within"])
        print(f"{level['slow_down']:4.0%} slower, found within  {within}")
    evidence.conclude("power", found, given)


def measure(*, minutes: float = 10.0, smoke: bool = False) -> evidence.Findings:
    """Trials of every slow-down, and what they come to."""
    found: evidence.Findings = {
        **{"trials": [], "followed_s": FOLLOWED_S},
        **{"margin": CONTROL.margin, "default_margin": DEFAULT.margin},
    }
    start = read_clock()
    host = Host("tensorflow", [injected.PATH])
    with evidence.as_far_as_it_goes(found):
        for names, share in ((LARGE, 1 - SMALL_SHARE), (SMALL, 1.0)):
            every = visits.cohorts(CASES, (BASELINE, *names))[: 1 if smoke else None]
            for number, cohort in evidence.in_time(every, minutes * share, start, "cohorts"):
                evidence.say(f"{', '.join(names)}: {number + 1}/{len(every)} {cohort.title()}")
                found["trials"] += trials(host, cohort, names, 1.0 if smoke else FOLLOWED_S)
    host.close()
    found["levels"] = [level(share, [t for t in found["trials"] if t["slow_down"] == share]) for share in LEVELS]
    found["cohorts"] = max(one["trials"] for one in found["levels"])
    found["total_s"] = read_clock() - start
    return {**found, "targets": targets(found)}


LEVELS = tuple(injected.SLOWER.values())


def trials(host: Host, cohort: Cohort, names: Sequence[str], followed_s: float) -> list[evidence.Findings]:
    """One cohort with `names` slowed down: of each when it was found, if it was, and what was estimated."""

    def followed(records: list[Json]) -> bool:
        return all(
            visits.seconds_of(records, name) >= followed_s for name in records[-1]["samples"] if name != BASELINE
        )

    records = visits.sweep(host, cohort, CONTROL, enough=followed, seed=len(cohort.title()))
    return [trial(records, cohort, name) for name in names if any(name in r["samples"] for r in records)]


def trial(records: list[Json], cohort: Cohort, name: str) -> evidence.Findings:
    """What a run of the pair alone would have said, with the narrow margin and with the default."""
    narrow = visits.stand(records, cohort, name, CONTROL)
    default = visits.stand(records, cohort, name, DEFAULT)
    return {
        "case": cohort.case.title(),
        "slow_down": injected.SLOWER[name],
        "found_s": narrow.seconds if narrow.verdict == "slower" else None,
        "followed_s": narrow.seconds,
        "estimate": 1 / narrow.speedup - 1 if narrow.speedup else None,
        "verdict": narrow.verdict,
        "default_verdict": default.verdict,
    }


def level(slow_down: float, trials: list[evidence.Findings]) -> evidence.Findings:
    """Share found in time, and the bias of the estimates, of one slow-down. Not found counts as never found."""
    times = [math.inf if trial["found_s"] is None else trial["found_s"] for trial in trials]
    estimates = [trial["estimate"] for trial in trials if trial["estimate"] is not None]
    mean = statistics.mean(estimates) if estimates else None
    return {
        "slow_down": slow_down,
        "trials": len(trials),
        "within": [
            {"seconds": limit, **evidence.proportion(sum(t <= limit for t in times), len(times))} for limit in WITHIN_S
        ],
        "median_s": statistics.median(times) if times else None,
        "mean_estimate": mean,
        "bias": None if mean is None else mean - slow_down,
        "bias_error": statistics.stdev(estimates) / math.sqrt(len(estimates)) if len(estimates) > 1 else None,
        "verdicts": dict(Counter(trial["verdict"] for trial in trials)),
        "default_verdicts": dict(Counter(trial["default_verdict"] for trial in trials)),
    }


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """5 % within 10 s a pair, 2 % within 30 s."""
    return [
        evidence.target(
            f"{evidence.given(slow_down, '%')} slower found in at least {evidence.given(share, '%')} of trials "
            f"within {seconds:g} s a pair",
            next(w["share"] for w in one["within"] if w["seconds"] == seconds), share, "%", at_least=True,
        )
        for slow_down, seconds, share in ((0.05, 10.0, 0.95), (0.02, 30.0, 0.8))
        for one in found["levels"] if one["slow_down"] == slow_down
    ]  # fmt: skip


if __name__ == "__main__":
    main()
