"""Twins: the baseline against itself, registered under other names. A verdict `faster` or `slower` is wrong.

75 cohorts of four twins in one run, so that the correction for 300 pairs is really applied.

python bench/twins.py --save            # on a quiet machine, 30 minutes at most
python bench/twins.py --hog --save      # while another process keeps one processor busy, on and off; 12 minutes
python bench/twins.py --broken --save   # one twin is 5 % slower, so the check can fail; 18 cohorts, 6 minutes
"""

import math
import statistics
import tempfile
from collections import Counter
from typing import Any

import evidence
import injected
import numpy as np
import pandas as pd

import grouped_bench as gb
from grouped_bench.analyse.statistics import stability
from grouped_bench.analyse.statistics.derive import visits_of
from grouped_bench.harness.plan import make_plan
from grouped_bench.report.run import tables
from grouped_bench.store.schema import COHORT_KEY

BROKEN = "slower_5"
CASES = [
    {"channels": [16, 32, 64], "size": [7, 14, 28], "kernel_size": [1, 3], "batch_size": [1, 4, 8]},
    {"channels": [16, 32, 64], "size": 7, "kernel_size": [1, 3], "batch_size": [1, 4, 8], "pass": "training"},
    {"channels": 32, "size": 14, "batch_size": [1, 4, 8], "pass": "training"},
]
# Enough to see that a difference is found, in a few minutes.
FEWER = [{"channels": [16, 32, 64], "size": 7, "batch_size": [1, 4, 8], "pass": ["inference", "training"]}]
SMOKE = [{"channels": 8, "size": 7, "batch_size": 1}]
WRONG_QUIET, WRONG_HOG, EQUIVALENT, PAIR_S = 0.01, 0.02, 0.9, 30.0


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--hog", action="store_true", help="beside a process that keeps one processor busy, on and off")
    parser.add_argument("--broken", action="store_true", help=f"with {BROKEN} in the place of the first twin")
    parser.add_argument("--budget", help="time of the whole run, in place of the above")
    given = evidence.parse(parser)
    found = measure(hog=given.hog, broken=given.broken, budget=given.budget, smoke=given.smoke)
    print(f"{found['cohorts']} cohorts, {found['pairs']} pairs of twins, {found['seconds_a_pair']:.1f} s a pair")
    for verdict in evidence.VERDICTS:
        print(f"  {verdict:10} {found['verdicts'].get(verdict, 0):3}")
    name = "-".join(["twins", *["hog"] * given.hog, *["broken"] * given.broken])
    evidence.conclude(name, found, given)


def measure(
    *, hog: bool = False, broken: bool = False, budget: str | None = None, smoke: bool = False
) -> evidence.Findings:
    """One run of all cohorts, and what became of its pairs."""
    twins = [BROKEN if broken and name == injected.TWINS[0] else name for name in injected.TWINS]
    space = gb.Space(cases=SMOKE if smoke else FEWER if broken else CASES, groups=1, variant=["regular", *twins])
    budget = budget or ("6m" if broken else "12m" if hog else "30m")
    evidence.say(f"{make_plan(space).pairs} pairs, {budget} at most")
    limits = {"visits": 3} if smoke else {"visits": 200, "budget": budget}
    with tempfile.TemporaryDirectory() as folder, evidence.hogged(hog):
        run = gb.run(space, out=folder, memory=False, page=False, quiet=False, files=(injected.PATH,), **limits)
    found = {"hog": hog, "broken": broken, "stopped_by": run.metadata["stopped_by"], **summary(run)}
    return {**found, "targets": targets(found)}


def summary(run: gb.Run) -> evidence.Findings:
    """Verdicts, estimates and time of a run of twins."""
    frame = run.frame
    pairs = frame[frame["variant"].isin(injected.TWINS)]
    spoilt = frame[frame["variant"] == BROKEN]
    counts = Counter(pairs["verdict"].fillna("none"))
    steady = pairs[[stability.UNSTABLE not in flags for flags in pairs["flags"]]]
    logs = [math.log(ratio) for ratio in pairs["speedup"].dropna()]
    wrong = counts["faster"] + counts["slower"]
    if wrong:
        evidence.say(tables.render(frame, [], where="verdict in ['faster', 'slower']", by="verdict"))
    visits = frame.loc[frame["variant"] == "regular", "samples_s"].map(len)
    latencies = frame.loc[frame["variant"] == "regular", "latency_s"].dropna()
    return {
        "cohorts": len(visits),
        "pairs": len(pairs),
        "pairs_corrected_for": len(pairs) + len(spoilt),
        "verdicts": dict(counts),
        "wrong": evidence.proportion(wrong, len(pairs)),
        "decided": evidence.proportion(wrong + counts["equivalent"], len(pairs)),
        # Over cohorts: the pairs of one share its baseline and its visits.
        "wrong_cohorts_at_most": evidence.upper_bound(wrong_cohorts(pairs), len(visits)),
        # As a table shows them: one that is unstable has no verdict there. Wrong ones count all the same.
        "equivalent": evidence.proportion(int((steady["verdict"] == "equivalent").sum()), len(pairs)),
        "sd_log_ratio": statistics.stdev(logs) if len(logs) > 1 else None,
        "largest_log_ratio": max(map(abs, logs), default=None),
        "total_s": run.metadata["time"]["total_s"],
        "seconds_a_pair": run.metadata["time"]["total_s"] / (len(pairs) + len(spoilt)),
        "visits": [int(visits.min()), int(visits.median()), int(visits.max())],
        "latency_s": [latencies.min(), latencies.max()] if len(latencies) else None,
        "hog_spans_s": evidence.HOG_SPANS_S,
        "spoilt_by": injected.SLOWER[BROKEN],
        "unstable": evidence.proportion(sum("unstable" in flags for flags in frame["flags"]), len(frame)),
        "flags": dict(Counter(flag for flags in frame["flags"] for flag in flags)),
        "speed_spreads": [speed_spread(visits) for visits in frame.loc[frame["variant"] == "regular", "reference_s"]],
        "disturbed_visits": disturbed(frame),
        "spoilt": dict(Counter(spoilt["verdict"].fillna("none"))),
    }


def wrong_cohorts(pairs: pd.DataFrame) -> int:
    """Cohorts in which any twin was told from the baseline."""
    told = pairs[pairs["verdict"].isin(["faster", "slower"])]
    return len({tuple(map(str, key)) for key in told[list(COHORT_KEY)].itertuples(index=False)})


def disturbed(frame: pd.DataFrame) -> evidence.Findings:
    """How many of all visits were not calm."""
    visits = [visit for _, row in frame[frame["variant"] == "regular"].iterrows() for visit in visits_of(row.to_dict())]
    return evidence.proportion(sum(not visit.calm for visit in visits), len(visits))


def speed_spread(reference: Any) -> float | None:
    """Upper over lower quartile of the visits' reference medians of a cohort."""
    return stability.speed_spread([np.asarray(visit, dtype=float) for visit in reference])


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """What the project asks: few wrong verdicts, and when it is quiet nearly all settled, soon."""
    if found["broken"]:
        spoilt = evidence.proportion(found["spoilt"].get("slower", 0), sum(found["spoilt"].values()))
        asked = f"{BROKEN} in place of a twin is `slower` in at least 90 % of cohorts"
        return [evidence.target(asked, spoilt["share"], 0.9, "%", at_least=True)]
    limit, beside = (WRONG_HOG, "beside the hog ") if found["hog"] else (WRONG_QUIET, "")
    few = f"wrong verdicts {beside}in at most {evidence.given(limit, '%')} of pairs"
    asked = [evidence.target(few, found["wrong"]["share"], limit, "%")]
    if not found["hog"]:
        in_time = found["equivalent"]["share"] if found["seconds_a_pair"] <= PAIR_S else None
        most = f"at least {evidence.given(EQUIVALENT, '%')} `equivalent` within {PAIR_S:g} s a pair"
        asked += [evidence.target(most, in_time, EQUIVALENT, "%", at_least=True)]
    return asked


if __name__ == "__main__":
    main()
