"""Samples and rounds: the only module that reads the clock for a measurement."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Clock = Callable[[], float]
Workload = Callable[[], object]
# Returns when what a workload returned, and all that was queued before it, has been computed.
Synchronise = Callable[[Any], None]

# A sample of 0.5 ms makes the clock's own cost (some 0.1 µs) 0.02 %. Noise is drawn anew at each switch of workload, so
# many short samples beat few long ones: for twins of 0.3 to 2 ms a call, visits of turns alternating, the standard
# deviation of a visit's log ratio times the root of its seconds was 2.4 % at 4 ms, 2.0 % at 2, 1.9 % at 1, 1.5 % at
# 0.5 and 1.7 % at one call (8 visits of 4 twins in each of 4 cases). A call longer than DEAR_S fills a visit: it gets
# one sample.
SAMPLE_S = 0.0005
# The first call after another workload's is slower by some 50 µs (caches, predictors), which a sample of one call
# shows and one of ten hides: twins differed by 5 %. An untimed call before each sample makes all of them hot; above
# PRIMED_S the difference is below 0.3 % and the call not worth its time.
PRIMED_S = 0.02
VISIT_S = 0.12
DEAR_S = 0.25
MOST_ROUNDS = 240
LEAST_ROUNDS = 3
WARM_SAMPLES = 3
WARM_SAMPLE_S = 0.002
# Reference workloads take their turn in every round under names that begin so, as no variant's can.
REFERENCE = "(reference"

read_clock: Clock = time.perf_counter


def time_sample(workload: Workload, synchronise: Synchronise, iterations: int, clock: Clock = read_clock) -> float:
    """Seconds an iteration, over `iterations` calls in a row; ends when the device has finished.

    Args:
        workload: one call.
        synchronise: waits for what the last call returned.
        iterations: calls, at least 1.
        clock: seconds.
    """
    calls = itertools.repeat(None, iterations - 1)
    start = clock()
    for _ in calls:
        workload()
    synchronise(workload())  # not by a name, which would hold one result while the next is made
    return (clock() - start) / iterations


def calibrate(workload: Workload, synchronise: Synchronise, clock: Clock = read_clock) -> tuple[int, float, float]:
    """Warm up and find the iterations of a sample: at least double them until WARM_SAMPLES last WARM_SAMPLE_S.

    Returns the iterations, the seconds that such a sample will take, and the seconds spent.

    Args:
        workload: one call.
        synchronise: waits for what a call returned.
        clock: seconds.
    """
    iterations, spent, samples = 1, 0.0, 0
    while True:
        seconds = time_sample(workload, synchronise, iterations, clock) * iterations
        spent += seconds
        samples += seconds >= WARM_SAMPLE_S
        if samples >= WARM_SAMPLES or seconds >= DEAR_S:
            needed = max(1, round(iterations * SAMPLE_S / seconds))
            return needed, seconds / iterations * needed, spent
        if seconds < WARM_SAMPLE_S:
            iterations = max(2 * iterations, int(iterations * WARM_SAMPLE_S / max(seconds, 1e-9) * 0.9))


def calls_within(
    seconds: float, workload: Workload, synchronise: Synchronise, *, most: int, clock: Clock = read_clock
) -> int:
    """Number of calls that fit into `seconds`, from the time of a single one.

    Args:
        seconds: to be filled.
        workload: one call, made once.
        synchronise: waits for what it returned.
        most: upper limit of the answer; the lower one is 1.
        clock: seconds.
    """
    return int(np.clip(seconds / max(time_sample(workload, synchronise, 1, clock), 1e-9), 1, most))


def is_reference(name: str) -> bool:
    """Whether a workload is no variant but shows how fast the machine is."""
    return name.startswith(REFERENCE)


def rounds_for(sample_seconds: Sequence[float], visit_s: float = VISIT_S) -> int:
    """Rounds of a visit in which every variant that is not dear gets about `visit_s` seconds."""
    cheap = [seconds for seconds in sample_seconds if seconds <= DEAR_S]
    if not cheap:
        return 1
    return int(np.clip(round(visit_s * len(cheap) / sum(cheap)), LEAST_ROUNDS, MOST_ROUNDS))


def balanced_orders(count: int, rounds: int, rng: np.random.Generator) -> list[list[int]]:
    """`rounds` orders of `count` things, drawn anew, balanced for position and predecessor.

    Blocks of a Williams design (E. J. Williams, 1949): in a block every thing stands once at every position and,
    for an even count, once after every other; for an odd count two mirrored blocks balance the predecessors.
    """
    zigzag = [(step + 1) // 2 if step % 2 else (count - step // 2) % count for step in range(count)]
    orders: list[list[int]] = []
    while len(orders) < rounds:
        names = rng.permutation(count)
        rows = [[int(names[(place + shift) % count]) for place in zigzag] for shift in range(count)]
        rows += [row[::-1] for row in rows] if count % 2 else []
        orders += [rows[index] for index in rng.permutation(len(rows))]
    return orders[:rounds]


def run_rounds(
    workloads: Mapping[str, Workload],
    synchronise: Synchronise,
    iterations: Mapping[str, int],
    sample_seconds: Mapping[str, float],
    rng: np.random.Generator,
    *,
    rounds: int | None = None,
    visit_s: float = VISIT_S,
    mark: Callable[[str], None] = lambda name: None,
    clock: Clock = read_clock,
) -> tuple[dict[str, list[float | None]], float]:
    """One visit: samples of every workload by round, None where it sat out, and the seconds of warm-up.

    A workload whose sample is longer than DEAR_S takes part in one round, drawn at random, the same for all of them.
    One whose call is shorter than PRIMED_S is called once, untimed, before each sample.

    Args:
        workloads: by name; those of references are not variants.
        synchronise: waits for what a call returned.
        iterations: calls in a sample of each workload.
        sample_seconds: expected duration of a sample of each workload.
        rng: draws the order of every round, and the round of the long samples.
        rounds: number of rounds; None for as many as `visit_s` allows.
        visit_s: seconds that each variant gets.
        mark: called with the name of a workload before its turn.
        clock: seconds.
    """
    names = list(workloads)
    rounds = rounds or rounds_for([sample_seconds[name] for name in names if not is_reference(name)], visit_s)
    dear = dict.fromkeys((name for name in names if sample_seconds[name] > DEAR_S), int(rng.integers(rounds)))
    samples: dict[str, list[float | None]] = {name: [None] * rounds for name in names}
    primed = {name for name in names if sample_seconds[name] / iterations[name] < PRIMED_S}
    warm_up = 0.0
    for name in names:
        if name not in dear:
            mark(name)
            warm_up += time_sample(workloads[name], synchronise, iterations[name], clock) * iterations[name]
    for number, order in enumerate(balanced_orders(len(names), rounds, rng)):
        for name in (names[index] for index in order):
            if dear.get(name, number) == number:
                mark(name)
                if name in primed:
                    warm_up += time_sample(workloads[name], synchronise, 1, clock)
                samples[name][number] = time_sample(workloads[name], synchronise, iterations[name], clock)
    return samples, warm_up
