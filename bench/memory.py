"""Memory that can be trusted: five readings in five processes of every variant, rank and pass on the CPU.

Asked of each: that its readings lie within 3 % or 1 MiB, whichever is more, and that the least is no less than what
must live at once: input, weights and output, and for training upstream gradient, input gradient and weight gradients.
That is every tensor of the pass once, which `min_bytes` counts. A large shape, whose every tensor is above the
256 KiB from which TensorFlow's allocator counts on the CPU, and a small one. About 3 minutes.

python bench/memory.py --save
"""

from typing import Any

import evidence
import visits

from grouped_bench import variants
from grouped_bench.harness.hosts import Host
from grouped_bench.harness.workers import TaskFailedError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.plan import Cohort
from grouped_bench.units import format_bytes

READINGS = 5
REPEATABLE, REPEATABLE_BYTES = 0.03, 2**20
BOTH = ["inference", "training"]
SHAPES = {
    "large": [
        {"rank": 1, "groups": 2, "channels": 512, "size": 256, "batch_size": 4, "pass": BOTH},
        {"rank": 2, "groups": 2, "channels": 256, "size": 28, "batch_size": 4, "pass": BOTH},
        {"rank": 3, "groups": 2, "channels": 128, "size": 8, "batch_size": 4, "pass": BOTH},
    ],
    "small": [
        {"rank": rank, "groups": 2, "channels": 16, "size": 8, "batch_size": 1, "pass": BOTH} for rank in (1, 2, 3)
    ],
}
SMOKE = {"small": [{"rank": 1, "groups": 2, "channels": 8, "size": 8, "batch_size": 1}]}


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=6.0, help="no task begins later than this, 6 unless given")
    given = evidence.parse(parser)
    found = measure(minutes=given.minutes, smoke=given.smoke)
    for task in found["tasks"]:
        peaks = " ".join("null" if peak is None else format_bytes(peak) for peak in task["peaks"])
        print(f"{task['shape']:6} {task['case']:60} {task['variant']:15} {task['status']:12} {peaks}")
    evidence.conclude("memory", found, given)


def measure(*, minutes: float = 6.0, smoke: bool = False) -> evidence.Findings:
    """Readings of every task, how far they lie apart, and whether they can be true."""
    found: evidence.Findings = {"readings": 2 if smoke else READINGS, "tasks": []}
    found |= {"repeatable": REPEATABLE, "repeatable_bytes": REPEATABLE_BYTES}
    shapes = SMOKE if smoke else SHAPES
    planned = [
        (shape, cohort, name)
        for shape, cases in shapes.items()
        for cohort in visits.cohorts(cases, variants.names())
        for name in cohort.variants
    ]
    start = read_clock()
    host = Host("tensorflow")
    with evidence.as_far_as_it_goes(found):
        for number, (shape, cohort, name) in evidence.in_time(planned, minutes, start, "tasks"):
            if number % 10 == 0:
                evidence.say(f"{number}/{len(planned)} tasks read")
            found["tasks"].append({"shape": shape, **task(host, cohort, name, found["readings"])})
    host.close()
    return {**found, **summary(found["tasks"]), "planned": len(planned), "total_s": read_clock() - start}


def task(host: Host, cohort: Cohort, name: str, readings: int) -> evidence.Findings:
    """`readings` readings of one task, each in a process of its own."""
    answers = [read(host, cohort, name) for _ in range(readings)]
    failed = next((answer for answer in answers if "status" in answer), None)
    return {
        "case": cohort.case.title(),
        "rank": cohort.case.rank,
        "pass": cohort.case.pass_,
        "variant": name,
        "status": failed["status"] if failed else "ok",
        "reason": failed["reason"] if failed else None,
        "source": answers[0].get("source"),
        **judged([answer.get("peak_bytes") for answer in answers], cohort.counts(name).min_bytes),
    }


def judged(peaks: list[int | None], least_bytes: int) -> evidence.Findings:
    """Whether readings are repeatable and possible; nulls where no reading could tell, and that is no fault."""
    known = [peak for peak in peaks if peak is not None]
    spread = max(known) - min(known) if known else None
    told = {"peaks": peaks, "least_bytes": least_bytes, "spread_bytes": spread}
    if spread is None:
        return {**told, "repeatable": None, "possible": None}
    close = spread <= max(REPEATABLE * min(known), REPEATABLE_BYTES)
    return {**told, "repeatable": close and len(known) == len(peaks), "possible": min(known) >= least_bytes}


def read(host: Host, cohort: Cohort, name: str) -> dict[str, Any]:
    """One reading, or the status and reason of its failure."""
    worker = host.fork(visits.LIMITS)
    try:
        answer = worker.ask({"op": "memory", **cohort.request([name], 0)})
    except TaskFailedError as failure:
        return {"status": failure.status, "reason": failure.reason}
    worker.close()
    return answer


def summary(tasks: list[evidence.Findings]) -> evidence.Findings:
    """How many tasks were read, and the two targets."""
    read_ = [one for one in tasks if one["repeatable"] is not None]
    apart = [one for one in read_ if not one["repeatable"]]
    unread = [one for one in tasks if one["status"] == "ok" and None in one["peaks"]]
    spreads = [one["spread_bytes"] / min(p for p in one["peaks"] if p is not None) for one in read_]
    asked = (
        ("tasks whose readings lie further apart than 3 % or 1 MiB: none", apart),
        # A reading below what must live at once is made null where it is read.
        ("tasks with a null reading, for want of a meter or below what must live at once: none", unread),
    )
    return {
        "read": len(read_),
        "null": sum(one["status"] == "ok" and one["repeatable"] is None for one in tasks),
        "failed": sum(one["status"] != "ok" for one in tasks),
        "largest_spread": max(spreads, default=None),
        "targets": [
            evidence.target(text, len(those) if read_ else None, 0, f"of {len(read_)}") for text, those in asked
        ],
    }


if __name__ == "__main__":
    main()
