"""Is time spent where the variance is? A fixed design of 20 processes × 3 values against our sweep, to equal width.

Six cohorts × two pairs with `regular`; about 8 minutes. The fixed design is pyperf's default: 20 processes, in each
one warm-up value and three values of 0.1 s or more, one benchmark after the other. Its processes are forked from our
hosts, and only its start, first call and values are counted: pyperf starts a whole interpreter for each, and one more
to calibrate, so its true time is longer. Ours is the whole of each visit: start, first calls, the check, warm-up,
samples, and the reference workload.

Width: half of the 95 % interval of the log ratio, corrected for nothing. Fixed: Welch's, of the processes' log means.
Ours: Student's, of the processes' mean paired log ratios, looked at after each visit, no sooner than a run may stop.
Which design comes first alternates from cohort to cohort.

python bench/design.py --save   # on a quiet machine
"""

import dataclasses
import math
import statistics
from typing import Any

import evidence
import visits

from grouped_bench.harness.plan import LEAST_VISITS, Cohort
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE
from grouped_bench.space.facts import Json

PROCESSES, WARM_UPS, VALUES, VALUE_S = 20, 1, 3, 0.1
VARIANTS = (BASELINE, "grouped_native", "split_concat")
CASES = [
    {"groups": 8, "channels": 64, "size": 14, "batch_size": 8, "pass": ["inference", "training"]},
    {"groups": 8, "channels": 128, "size": 14, "batch_size": 4, "pass": ["inference", "training"]},
    {"groups": 4, "channels": 64, "size": 28, "batch_size": 2, "pass": ["inference", "training"]},
]
MOST_TIME = 0.5
# A pair of ours goes on for so long at most: about what the fixed design takes.
ALLOWED_S = 25.0
CONTROL = Control(visits=1000)


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="no cohort begins later than this, 10 unless given")
    given = evidence.parse(parser)
    found = measure(minutes=given.minutes, smoke=given.smoke)
    for pair in found["pairs"]:
        times = f"fixed {pair['fixed_s']:5.1f} s  ours {pair['ours_s']:5.1f} s  {pair['ratio']:.2f}"
        print(
            f"{pair['case']:58} {pair['variant']:14} ±{pair['width']:.2%}  {times}{' or more' * (not pair['reached'])}"
        )
    evidence.conclude("design", found, given)


def measure(*, minutes: float = 10.0, smoke: bool = False) -> evidence.Findings:
    """Both designs on each cohort: seconds to the same width."""
    found: evidence.Findings = {
        **{"pairs": [], "processes": PROCESSES, "values_a_process": VALUES, "value_s": VALUE_S},
        **{"allowed_s": ALLOWED_S, "least_visits": LEAST_VISITS},
    }
    every = visits.cohorts(CASES[:1], VARIANTS[:2])[:1] if smoke else visits.cohorts(CASES, VARIANTS)
    processes, allowed_s = (2, 1.0) if smoke else (PROCESSES, ALLOWED_S)
    start = read_clock()
    host = Host("tensorflow")
    with evidence.as_far_as_it_goes(found):
        for number, cohort in evidence.in_time(every, minutes, start, "cohorts"):
            evidence.say(f"{number + 1}/{len(every)} {cohort.title()}")
            found["pairs"] += compare(host, cohort, processes, allowed_s, fixed_first=number % 2 == 0)
    host.close()
    ratios = [pair["ratio"] for pair in found["pairs"]]
    found["median"], found["worst"] = (statistics.median(ratios), max(ratios)) if ratios else (None, None)
    found["total_s"] = read_clock() - start
    asked = "the same width in at most half the time"
    median = evidence.target(f"{asked}, in the median pair", found["median"], MOST_TIME, "×")
    worst = evidence.target(f"{asked}, in the worst pair", found["worst"], MOST_TIME, "×")
    return {**found, "targets": [median, worst]}


def compare(
    host: Host, cohort: Cohort, processes: int, allowed_s: float, *, fixed_first: bool
) -> list[evidence.Findings]:
    """Every pair of one cohort by both designs."""
    others = cohort.variants[1:]
    if fixed_first:
        fixed = {name: fixed_design(host, cohort, name, processes) for name in cohort.variants}
        widths = {name: welch_width(fixed[BASELINE]["logs"], fixed[name]["logs"]) for name in others}
        ours = {name: our_design(host, cohort, name, widths[name], allowed_s) for name in others}
    else:
        ours = {name: our_design(host, cohort, name, 0.0, allowed_s) for name in others}
        fixed = {name: fixed_design(host, cohort, name, processes) for name in cohort.variants}
        widths = {name: welch_width(fixed[BASELINE]["logs"], fixed[name]["logs"]) for name in others}
    return [
        pair(cohort, name, widths[name], fixed[BASELINE]["seconds"] + fixed[name]["seconds"], ours[name])
        for name in others
    ]


def pair(cohort: Cohort, name: str, width: float, fixed_s: float, records: list[Json]) -> evidence.Findings:
    """Seconds of both designs to the same width."""
    count = next((n for n in range(1, len(records) + 1) if is_as_narrow(records[:n], name, width)), None)
    ours_s = sum(record["seconds"] for record in records[:count])
    return {
        "case": cohort.case.title(),
        "variant": name,
        "width": width,
        "fixed_s": fixed_s,
        "ours_s": ours_s,
        "visits": count or len(records),
        "reached": count is not None,
        "ratio": ours_s / fixed_s,
    }


def our_design(host: Host, cohort: Cohort, name: str, width: float, allowed_s: float) -> list[Json]:
    """Records of a run of one pair until its interval is as narrow as `width`, or `allowed_s` have passed."""

    def enough(records: list[Json]) -> bool:
        return is_as_narrow(records, name, width) or sum(r["seconds"] for r in records) > allowed_s

    alone = dataclasses.replace(cohort, variants=(BASELINE, name))
    return visits.sweep(host, alone, CONTROL, enough=enough, endless=True)


def is_as_narrow(records: list[Json], name: str, width: float) -> bool:
    """Whether a run may stop and its interval is no wider than `width`."""
    found = visits.ratio_width(records, name) if len(records) >= LEAST_VISITS else None
    return found is not None and found <= width


def fixed_design(host: Host, cohort: Cohort, name: str, processes: int) -> dict[str, Any]:
    """Log mean of the values of each of `processes` processes, and the seconds that all took."""
    logs, seconds = [], 0.0
    for _ in range(processes):
        start = read_clock()
        worker = host.fork(visits.LIMITS)
        iterations = visits.build(worker, cohort, [name])["built"][name]["iterations"]
        seconds += read_clock() - start
        values, rounds = [], None
        for turn in range(WARM_UPS + VALUES):
            answer = worker.ask({"op": "visit", "variants": [name], "seed": turn, "rounds": rounds})
            samples = answer["samples"][name]
            # Not the seconds of the answer: the reference workload and untimed calls take turns in it.
            seconds += iterations * sum(samples)
            values.append(statistics.mean(samples))
            rounds = math.ceil(VALUE_S / (iterations * values[0]))
        worker.close()
        logs.append(math.log(statistics.mean(values[WARM_UPS:])))
    return {"logs": logs, "seconds": seconds}


def welch_width(first: list[float], second: list[float], level: float = 0.95) -> float:
    """Half of Welch's interval of the difference of two means."""
    from scipy.stats import ttest_ind

    interval = ttest_ind(first, second, equal_var=False).confidence_interval(level)
    return float(interval.high - interval.low) / 2


if __name__ == "__main__":
    main()
