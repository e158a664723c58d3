"""Are steps found where they are, and only there? Histories of runs that are made up, whose truth is known. A minute.

python bench/history.py --save
"""

import math

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
# Asked of the first three; the others break the rule that runs do not depend on each other.
ASKED = ("even", "heavy-tailed", "outliers")
WORLDS = (*ASKED, "drift", "dependent")


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    for world in found["worlds"]:
        near = evidence.shown(world["found"]["share"], "%")
        print(f"{world['name']:13} false {world['false']:.2g} in 1,000 runs, found {near}")
    evidence.conclude("history", found, given)


def measure(*, smoke: bool = False) -> evidence.Findings:
    """Steps found and not, in every world, by other costs, and so many runs after a step."""
    count = 2 if smoke else HISTORIES
    found: evidence.Findings = {
        **{"step": STEP, "runs": RUNS, "steps": STEPS, "spread": SPREAD, "odd": ODD, "odd_by": ODD_BY, "apart": APART},
        **{"histories": count, "together": TOGETHER[1], "near": NEAR, "beside": BESIDE},
        **{"worlds": [], "costs": [], "since": []},
    }
    with evidence.as_far_as_it_goes(found):
        for world in WORLDS:
            evidence.say(world)
            found["worlds"].append(outcome(world, count))
        for cost in COSTS:
            evidence.say(cost)
            found["costs"].append({"name": cost, **counted("outliers", count, 1, cost)})
        found["since"] = [{"runs": runs, **{str(n): found_at_end(runs, count, n) for n in TOGETHER}} for runs in SINCE]
    asked = [world for world in found["worlds"] if world["name"] in ASKED]
    least = min((world["found"]["share"] for world in asked), default=None)
    most = max((world["false"] for world in asked), default=None)
    share = f"{100 * STEP:g} %"
    found["targets"] = [
        evidence.target(f"at least 95 % of steps of {share} found within one run", least, FOUND, "%", at_least=True),
        evidence.target("at most one false step in 1,000 runs", most, FALSE, "in 1,000 runs"),
    ]
    return found


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
    """The steps found, with the candidates of another cost where one is named."""
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
    if world == "drift":  # as much as a step over the whole history
        logs = logs + STEP * np.linspace(0, 1, runs)
    if world == "dependent":
        for run in range(1, runs):
            logs[run] = 0.4 * logs[run - 1] + math.sqrt(1 - 0.4**2) * logs[run]
    return np.asarray(logs)


def squares(logs: np.ndarray) -> list[int]:
    """Candidates by squared distances from the mean, the usual cost."""
    return by_kernel(logs / change_points.noise(logs), 2 * math.log(len(logs)))


def ranks(logs: np.ndarray) -> list[int]:
    """Candidates by squared distances of ranks."""
    placed = np.argsort(np.argsort(logs)).astype(float)
    return by_kernel((placed - placed.mean()) / placed.std(), 2 * math.log(len(logs)))


def by_kernel(values: np.ndarray, penalty: float) -> list[int]:
    from ruptures import KernelCPD

    found = KernelCPD("linear", min_size=change_points.LEAST_RUNS).fit(values.reshape(-1, 1)).predict(pen=penalty)
    return [int(place) for place in found[:-1]]


COSTS = {"squares": squares, "ranks": ranks, "Gaussian kernel": change_points.candidates}

if __name__ == "__main__":
    main()
