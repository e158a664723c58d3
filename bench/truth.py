"""Known durations: busy waits are recovered, an empty step costs next to nothing, queued work is waited for.

About half a minute.

python bench/truth.py --save   # on a quiet machine
"""

import queue
import statistics
import threading
import time

import evidence
import numpy as np

from grouped_bench.measure import rounds

WAITS_S = (1e-4, 1e-3, 1e-2)
# Long enough that handing it over, some 0.1 ms, is not what is measured.
QUEUED_S = 1e-2
WAIT_ERROR, EMPTY_S = 0.005, 1e-6


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    for step in found["steps"]:
        off = "" if step["error"] is None else f"{step['error']:8.2%}"
        print(f"{step['name']:26} {step['true_s'] * 1e6:8.1f} µs {step['found_s'] * 1e6:9.3f} µs {off}")
    evidence.conclude("truth", found, given)


def measure(*, smoke: bool = False) -> evidence.Findings:
    """What is found of steps whose durations are known."""
    visits = 1 if smoke else 12
    evidence.say("busy waits, an empty step, queued work")
    steps = [told(f"busy wait of {s * 1e3:g} ms", s, median_of_visits(busy_wait(s), visits)) for s in WAITS_S]
    steps.append(told("empty step", 0.0, median_of_visits(lambda: None, visits)))
    awaited, unawaited = queued(QUEUED_S, visits)
    steps.append(told("queued 10 ms, awaited", QUEUED_S, awaited))
    steps.append(told("queued 10 ms, not awaited", QUEUED_S, unawaited))
    waits, (empty, wait, _) = steps[: len(WAITS_S)], steps[len(WAITS_S) :]
    asked = [
        *((f"a {one['name']} recovered within 0.5 %", abs(one["error"]), WAIT_ERROR, "%") for one in waits),
        ("an empty step at most 1 µs an iteration", empty["found_s"], EMPTY_S, "s"),
        ("queued work not mistaken for done: within 10 % of what it takes", abs(wait["error"]), 0.1, "%"),
    ]
    return {"visits": visits, "steps": steps, "targets": [evidence.target(*one) for one in asked]}


def told(name: str, true_s: float, found_s: float) -> evidence.Findings:
    """A step, its true and its measured seconds an iteration, and by what share they differ."""
    return {"name": name, "true_s": true_s, "found_s": found_s, "error": found_s / true_s - 1 if true_s else None}


def busy_wait(seconds: float) -> rounds.Workload:
    """A step that keeps the processor busy for `seconds`."""

    def step() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return step


def median_of_visits(step: rounds.Workload, visits: int, synchronise: rounds.Synchronise = lambda _: None) -> float:
    """Median over visits of the visits' medians, as a run takes it; seconds."""
    iterations, sample_s, _ = rounds.calibrate(step, synchronise)
    medians = []
    for visit in range(visits):
        samples, _ = rounds.run_rounds(
            {"step": step}, synchronise, {"step": iterations}, {"step": sample_s}, np.random.default_rng(visit)
        )
        medians.append(statistics.median(samples["step"]))
    return statistics.median(medians)


def queued(seconds: float, visits: int) -> tuple[float, float]:
    """Seconds of a step that hands its work to a thread and returns at once: awaited, and not."""
    work: queue.Queue[float] = queue.Queue()

    def serve() -> None:
        while True:
            busy_wait(work.get())()
            work.task_done()

    threading.Thread(target=serve, daemon=True).start()

    def step() -> None:
        work.put(seconds)

    awaited = median_of_visits(step, visits, lambda _: work.join())
    iterations = 10
    start = time.perf_counter()
    for _ in range(iterations):
        step()
    unawaited = (time.perf_counter() - start) / iterations
    work.join()
    return awaited, unawaited


if __name__ == "__main__":
    main()
