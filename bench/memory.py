"""Memory that can be trusted: five readings in five processes of each task, in every class of processor.

The classes are TensorFlow with and without oneDNN, whatever it chooses on this machine, and PyTorch. The tasks are
those of the preset `quick`, and every variant, rank and pass of a large shape and of one whose tensors have a few KiB.
Asked of each: that something counted its memory, that its readings lie within 3 % or 64 KiB, whichever is more, and
that the least is no less than what must live at once: input, weights and output, and for training upstream gradient,
input gradient and weight gradients. That is every tensor of the pass once, which `min_bytes` counts. About 30 minutes.

python bench/memory.py --save
"""

import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import evidence
import visits

from grouped_bench import variants
from grouped_bench.harness.plan import Cohort, make_plan
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.space import Space
from grouped_bench.units import format_bytes

READINGS = 5
REPEATABLE, REPEATABLE_BYTES = 0.03, 64 * 2**10
COUNTED_SHARE = 0.9
CLASSES = {
    "TensorFlow with oneDNN": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "TensorFlow without": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "PyTorch": ("torch", {}),
}
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
    parser.add_argument("--minutes", type=float, default=30.0, help="no task begins later than this, 30 unless given")
    given = evidence.parse(parser)
    found = measure(minutes=given.minutes, smoke=given.smoke)
    for task in found["tasks"]:
        peaks = " ".join("null" if peak is None else format_bytes(peak) for peak in task["peaks"])
        said = task["source"] or task["status"]
        print(f"{task['class']:22} {task['shape']:5} {task['case']:60} {task['variant']:15} {said:12} {peaks}")
    evidence.conclude("memory", found, given)


def measure(*, minutes: float = 30.0, smoke: bool = False) -> evidence.Findings:
    """Readings of every task, how far they lie apart, and whether they can be true."""
    found: evidence.Findings = {"readings": 2 if smoke else READINGS, "tasks": []}
    found |= {"repeatable": REPEATABLE, "repeatable_bytes": REPEATABLE_BYTES}
    planned = [
        (class_, shape, cohort, name)
        for class_, (backend, _) in CLASSES.items()
        for shape, cohort in cohorts(backend, smoke=smoke)
        for name in cohort.variants
    ]
    planned.sort(key=lambda one: one[1] != "quick")  # these first, in every class
    start = read_clock()
    hosts = {class_: started(*how) for class_, how in CLASSES.items()}
    with evidence.as_far_as_it_goes(found):
        for number, (class_, shape, cohort, name) in evidence.in_time(planned, minutes, start, "tasks"):
            if number % 10 == 0:
                evidence.say(f"{number}/{len(planned)} tasks read")
            read_ = task(hosts[class_], cohort, name, found["readings"])
            found["tasks"].append({"class": class_, "shape": shape, **read_})
    for host in hosts.values():
        host.close()
    return {**found, **summary(found["tasks"]), "planned": len(planned), "total_s": read_clock() - start}


def cohorts(backend: str, *, smoke: bool) -> Iterator[tuple[str, Cohort]]:
    """The cohorts of each shape."""
    spaces = {} if smoke else {"quick": Space.preset("quick")}
    for shape, cases in (SMOKE if smoke else SHAPES).items():
        spaces[shape] = Space(cases=cases, variant=variants.names())
    for shape, space in spaces.items():
        for cohort in make_plan(space.replace(backend=backend)).cohorts:
            yield shape, cohort


def started(backend: str, variables: dict[str, str]) -> Host:
    """A host of `backend` with these variables in its environment."""
    with mock.patch.dict(os.environ, variables):
        return Host(backend)


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
        ("tasks whose readings lie further apart than 3 % or 64 KiB: none", apart),
        # A reading below what must live at once is made null where it is read.
        ("tasks with a null reading, for want of a meter or below what must live at once: none", unread),
    )
    counted = [share_counted(tasks, class_) for class_ in CLASSES]
    return {
        "read": len(read_),
        "null": sum(one["status"] == "ok" and one["repeatable"] is None for one in tasks),
        "failed": sum(one["status"] != "ok" for one in tasks),
        "largest_spread": max(spreads, default=None),
        "targets": [
            *(
                evidence.target(
                    f"tasks of quick whose memory is counted, and repeatable, on {class_}", share, COUNTED_SHARE, "%",
                    at_least=True,
                )
                for class_, share in zip(CLASSES, counted, strict=True)
            ),
            *(evidence.target(text, len(those) if read_ else None, 0, f"of {len(read_)}") for text, those in asked),
        ],
    }  # fmt: skip


def share_counted(tasks: list[evidence.Findings], class_: str) -> float | None:
    """Of the tasks of `quick` that the class supports, those whose memory was counted and repeats."""
    those = [one for one in tasks if (one["class"], one["shape"], one["status"]) == (class_, "quick", "ok")]
    good = [one for one in those if one["repeatable"] and one["source"] != "resident"]
    return len(good) / len(those) if those else None


if __name__ == "__main__":
    main()
