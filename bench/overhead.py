"""Where the time of a run goes, and what a fresh worker costs before its first trace. About two minutes.

python bench/overhead.py --save   # on a quiet machine
"""

import statistics
import tempfile

import evidence
import visits

import grouped_bench as gb
from grouped_bench.harness.processes.hosts import Host

PARTS = ("samples_s", "warm_up_s", "first_calls_s", "start_s", "verify_s", "other_s")
SMALL = {"variant": "regular", "channels": 8, "size": 7, "batch_size": 1, "control": {"visits": 3}}


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    print(f"{found['total_s']:.1f} s: import {found['import_s']:.1f} s, memory pass {found['memory_s']:.1f} s, and")
    for part, share in found["shares"].items():
        print(f"  {part:14} {share:5.1%}")
    low, middle, high = found["worker_start_s"]
    print(f"a fresh worker before its first trace: median {middle:.3f} s, {low:.3f} to {high:.3f} s")
    evidence.conclude("overhead", found, given)


def measure(*, smoke: bool = False) -> evidence.Findings:
    """Share of each part of a `quick` run's time after the import and without the memory pass, and worker starts."""
    evidence.say("a run of the preset quick, then fresh workers")
    with tempfile.TemporaryDirectory() as folder:
        space = gb.Space(**SMALL) if smoke else gb.Space.preset("quick")
        spent = gb.run(space, out=folder, quiet=False, page=False, seed=0).metadata["time"]
    base = spent["total_s"] - spent["import_s"] - spent["memory_s"]
    costs = worker_starts(2 if smoke else 20)
    return {
        **{name: spent[name] for name in ("total_s", "import_s", "memory_s")},
        "shares": {part: spent[part] / base for part in PARTS},
        "workers": len(costs),
        "worker_start_s": [min(costs), statistics.median(costs), max(costs)],
        "targets": [],
    }


def worker_starts(count: int) -> list[float]:
    """Seconds from the request to fork until the first trace may begin, inputs drawn and the device's context made."""
    cohort = visits.cohorts([{"channels": 64, "size": 28, "batch_size": 4}], ["regular"])[0]
    host = Host("tensorflow")
    costs = []
    for _ in range(count):
        worker = host.fork(visits.LIMITS)
        answer = visits.build(worker, cohort, ["regular"])
        costs.append(answer["start_s"] + answer["inputs_s"])
        worker.close()
    host.close()
    return costs


if __name__ == "__main__":
    main()
