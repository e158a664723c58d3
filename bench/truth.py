"""Known durations: busy waits are recovered, an empty step costs next to nothing, queued work is waited for.

Run it on a quiet machine: python bench/truth.py
"""

import queue
import statistics
import threading
import time

import numpy as np

from grouped_bench.measure import rounds

VISITS = 6


def main() -> None:
    print(f"{'step':22} {'true':>10} {'measured':>10} {'off by':>8}")
    for seconds in (1e-4, 1e-3, 1e-2):
        tell(f"busy wait {seconds * 1e3:g} ms", seconds, measured(busy_wait(seconds)))
    empty = measured(lambda: None)
    print(f"{'empty step':22} {'0':>10} {empty * 1e9:7.0f} ns")
    awaited, unawaited = queued(1e-3)
    tell("queued 1 ms, awaited", 1e-3, awaited)
    print(f"{'the same, not awaited':22} {'1000.0 µs':>10} {unawaited * 1e6:7.1f} µs  (what would be reported)")


def tell(name: str, true: float, found: float) -> None:
    print(f"{name:22} {true * 1e6:7.1f} µs {found * 1e6:7.1f} µs {found / true - 1:8.2%}")


def busy_wait(seconds: float) -> rounds.Workload:
    """A step that keeps the processor busy for `seconds`."""

    def step() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass

    return step


def measured(step: rounds.Workload, synchronise: rounds.Workload = lambda: None) -> float:
    """Median over visits of the visits' medians, as a run takes it; seconds."""
    iterations, sample_s, _ = rounds.calibrate(step, synchronise)
    medians = []
    for visit in range(VISITS):
        samples, _ = rounds.run_rounds(
            {"step": step}, synchronise, {"step": iterations}, {"step": sample_s}, np.random.default_rng(visit)
        )
        medians.append(statistics.median(samples["step"]))
    return statistics.median(medians)


def queued(seconds: float) -> tuple[float, float]:
    """Seconds of a step that hands its work to a thread and returns at once: awaited, and not."""
    work: queue.Queue[float] = queue.Queue()

    def serve() -> None:
        while True:
            busy_wait(work.get())()
            work.task_done()

    threading.Thread(target=serve, daemon=True).start()

    def step() -> None:
        work.put(seconds)

    awaited = measured(step, work.join)
    iterations = 10
    start = time.perf_counter()
    for _ in range(iterations):
        step()
    unawaited = (time.perf_counter() - start) / iterations
    work.join()
    return awaited, unawaited


if __name__ == "__main__":
    main()
