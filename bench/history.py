"""Are steps found where they are, and only there? Two minutes of histories that are made up, whose truth is known.

python bench/history.py --save
"""

import itertools
import math
from collections.abc import Iterator

import evidence
import numpy as np
from numpy.random import Generator

from grouped_bench.analyse.history import change_points

STEP = 0.05
RUNS, STEPS = 200, 3
# A history's runs differ by a standard deviation drawn between these, of the logarithm; so do real ones of a task.
SPREAD = (0.01, 0.02)
# Now and then a run is off by a share between these.
ODD, ODD_BY = 0.03, (0.05, 0.10)
# Runs between two steps, and before the first and after the last.
APART = 20
NEAR, BESIDE = 1, 5
HISTORIES = 500
# How many series are looked at together: one alone, and as many as a run of the preset `ci` has tasks, about.
TOGETHER = (1, 40)
SINCE = (3, 4, 5, 6, 8, 10, 15)
FOUND, FALSE = 0.95, 1.0
# What is found of short histories: a step in the middle, by its size and the runs on either side.
SIZES, SIDES, SIDES_NOISE = (1.0, 0.2, 0.05), (3, 4, 5, 6, 7, 8), 0.01
FOUND_DOUBLED = 0.99
# What is found in short histories without a step, in so many runs of each world.
SHORT, SHORT_RUNS = (6, 12, 24, 50), 100_000
# Steps are asked to be found in the first three; in the others runs depend on each other, or on time.
ASKED = ("even", "heavy-tailed", "outliers")
WORLDS = (*ASKED, "drift", "dependent")


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    for world in found["worlds"]:
        near = evidence.shown(world["found"]["share"], "%")
        print(f"{world['name']:13} false {world['false']:.2g} in 1,000 runs, found {near}")
    for one in found["power"]:
        shares = " ".join(f"{100 * share:.1f}" for share in one["found"])
        print(f"{100 * one['step']:g} %, one of {one['together']}, {SIDES[0]} to {SIDES[-1]} runs a side: {shares}")
    evidence.conclude("history", found, given)


def measure(*, smoke: bool = False) -> evidence.Findings:
    """Steps found and not, in every world, by other costs, so many runs after a step, and of short histories."""
    count = 2 if smoke else HISTORIES
    short_runs = 2 * max(SHORT) if smoke else SHORT_RUNS
    found: evidence.Findings = {
        **{"step": STEP, "runs": RUNS, "steps": STEPS, "spread": SPREAD, "odd": ODD, "odd_by": ODD_BY, "apart": APART},
        **{"histories": count, "together": TOGETHER[1], "near": NEAR, "beside": BESIDE},
        **{"sides": SIDES, "sides_noise": SIDES_NOISE, "sides_histories": 4 * count},
        **{"short_lengths": SHORT, "short_runs": short_runs},
        **{"worlds": [], "costs": [], "since": [], "power": [], "short": []},
    }
    with evidence.as_far_as_it_goes(found):
        for world in WORLDS:
            evidence.say(world)
            found["worlds"].append(outcome(world, count))
        for cost in COSTS:
            evidence.say(cost)
            found["costs"].append({"name": cost, **counted("outliers", count, 1, cost)})
        found["since"] = [{"runs": runs, **{str(n): found_at_end(runs, count, n) for n in TOGETHER}} for runs in SINCE]
        evidence.say("short histories")
        for size, together in itertools.product(SIZES, TOGETHER):
            shares = [found_between(runs, size, 4 * count, together) for runs in SIDES]
            found["power"].append({"step": size, "together": together, "found": shares})
        for world, together in itertools.product(WORLDS, TOGETHER):
            false = [false_in_short(world, runs, short_runs // runs, together) for runs in SHORT]
            found["short"].append({"name": world, "together": together, "false": false})
    return {**found, "targets": targets(found)}


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """What is asked, each held against the worst that was found."""
    worlds = found["worlds"]
    least = min((world["found"]["share"] for world in worlds if world["name"] in ASKED), default=None)
    doubled = min((one["found"][0] for one in found["power"] if one["step"] == 1), default=None)
    most = max((one["false"] for world in worlds for one in (world, world["among"])), default=None)
    short = max((false for one in found["short"] for false in one["false"]), default=None)
    share, side = f"{100 * STEP:g} %", SIDES[0]
    return [
        evidence.target(f"at least 95 % of steps of {share} found within one run", least, FOUND, "%", at_least=True),
        evidence.target(
            f"at least 99 % of twofold steps found with {side} runs on either side",
            *(doubled, FOUND_DOUBLED, "%"),
            at_least=True,
        ),
        evidence.target("at most one false step in 1,000 runs, in every world", most, FALSE, "in 1,000 runs"),
        evidence.target("at most one false step in 1,000 runs of short histories", short, FALSE, "in 1,000 runs"),
    ]


def outcome(world: str, count: int) -> evidence.Findings:
    """What is found in a world, alone and among other series."""
    among = counted(world, count, TOGETHER[1])
    return {"name": world, **counted(world, count, 1), "among": {key: among[key] for key in ("found", "false")}}


def counted(world: str, count: int, together: int, cost: str | None = None) -> evidence.Findings:
    """Over `count` histories without a step and as many with STEPS of them.

    A step is found within NEAR runs of the truth; one that is more than BESIDE from every true one is false; those
    between are beside. `held` are the found steps whose interval holds the true ratio.
    """
    random = np.random.default_rng(WORLDS.index(world))
    false = sum(len(told(noise(world, RUNS, random), together, cost)) for _ in range(count))
    hits = beside = strays = held = 0
    for _ in range(count):
        logs, truth = history(world, random)
        shifts = told(logs, together, cost)
        distances = [min(abs(shift.place - place) for place in truth) for shift in shifts]
        hits += sum(any(abs(shift.place - place) <= NEAR for shift in shifts) for place in truth)
        beside += sum(NEAR < far <= BESIDE for far in distances)
        strays += sum(far > BESIDE for far in distances)
        held += sum(holds(shift, truth) for shift in shifts)
    return {
        "false": 1000 * (false + strays) / (2 * count * RUNS),
        "false_steps": false + strays,
        "of_runs": 2 * count * RUNS,
        "found": evidence.proportion(hits, count * STEPS),
        "beside": evidence.proportion(beside, count * STEPS),
        "held": evidence.proportion(held, hits),
    }


def told(logs: np.ndarray, together: int, cost: str | None) -> list[change_points.Shift]:
    """The steps found, with the proposals of another cost where one is named."""
    return change_points.find(logs, together) if cost is None else change_points.kept(logs, COSTS[cost](logs), together)


def holds(shift: change_points.Shift, truth: dict[int, float]) -> bool:
    """Whether a step is found, and its interval holds the true ratio."""
    ratios = [math.exp(size) for place, size in truth.items() if abs(shift.place - place) <= NEAR]
    return any(shift.ratio.low <= ratio <= shift.ratio.high for ratio in ratios)


def found_at_end(runs: int, count: int, together: int) -> float:
    """Share of steps found that are followed by `runs` runs alone."""
    random, hits = np.random.default_rng(runs), 0
    for _ in range(count):
        logs = noise("outliers", RUNS, random)
        logs[-runs:] += math.log1p(STEP)
        hits += any(abs(shift.place - (RUNS - runs)) <= NEAR for shift in change_points.find(logs, together))
    return hits / count


def found_between(runs: int, step: float, count: int, together: int) -> float:
    """Share of steps found at their place or within NEAR, with so many runs before and after and no others."""
    random, hits = np.random.default_rng(runs), 0
    for _ in range(count):
        logs = random.normal(0, SIDES_NOISE, 2 * runs)
        logs[runs:] += math.log1p(step)
        hits += any(abs(shift.place - runs) <= NEAR for shift in change_points.find(logs, together))
    return hits / count


def false_in_short(world: str, runs: int, count: int, together: int) -> float:
    """Steps found in 1,000 runs of histories of so many runs, which have none."""
    random = np.random.default_rng(runs)
    false = sum(len(change_points.find(noise(world, runs, random), together)) for _ in range(count))
    return round(1000 * false / (count * runs), 3)


def history(world: str, random: Generator) -> tuple[np.ndarray, dict[int, float]]:
    """Logarithms of latencies, one a run, and by the place of the first run after each step its size."""
    room = RUNS - (STEPS + 1) * APART
    places = np.sort(random.integers(0, room + 1, STEPS)) + APART * np.arange(1, STEPS + 1)
    sizes = random.choice([-1, 1], STEPS) * math.log1p(STEP)
    logs = noise(world, RUNS, random)
    for place, size in zip(places, sizes, strict=True):
        logs[place:] += size
    return logs, dict(zip(map(int, places), map(float, sizes), strict=True))


def noise(world: str, runs: int, random: Generator) -> np.ndarray:
    """What runs of one program differ by."""
    spread = random.uniform(*SPREAD)
    logs = random.normal(0, spread, runs)
    if world == "heavy-tailed":
        logs = spread * random.standard_t(3, runs) / math.sqrt(3)
    if world == "outliers":  # two in three of them are slower
        odd = random.random(runs) < ODD
        logs = logs + odd * random.choice([-1, 1, 1], runs) * random.uniform(*ODD_BY, runs)
    if world == "drift":  # as much as a step over RUNS
        logs = logs + STEP / (RUNS - 1) * np.arange(runs)
    if world == "dependent":
        for run in range(1, runs):
            logs[run] = 0.4 * logs[run - 1] + math.sqrt(1 - 0.4**2) * logs[run]
    return np.asarray(logs)


def squares(logs: np.ndarray) -> Iterator[list[int]]:
    """Proposals by squared distances from the mean, the usual cost."""
    return by_squares(logs / change_points.noise(logs), 2 * math.log(len(logs)))


def ranks(logs: np.ndarray) -> Iterator[list[int]]:
    """Proposals by squared distances of ranks."""
    placed = np.argsort(np.argsort(logs)).astype(float)
    return by_squares((placed - placed.mean()) / placed.std(), 2 * math.log(len(logs)))


def by_squares(values: np.ndarray, penalty: float) -> Iterator[list[int]]:
    from ruptures import KernelCPD

    detector = KernelCPD("linear", min_size=change_points.LEAST_RUNS).fit(values.reshape(-1, 1))
    return change_points.best(detector, len(detector.predict(pen=penalty)) - 1)


COSTS = {"squares": squares, "ranks": ranks, "Gaussian kernel": change_points.proposals}

if __name__ == "__main__":
    main()
