"""The whole procedure on simulated machines with known truth: a real `Sweep` over simulated visits in runs of 40 pairs.

A visit's samples carry what measurements show of real machines: processes that settle at different speeds, drift,
autocorrelated rounds, outliers, a step in the machine's speed, another program that comes and goes and hurts some
variants more than others. The true ratio of every pair (alone on the machine) is known, and a verdict is wrong when
that ratio contradicts it.
"""

from unittest import mock

import numpy as np
from cases import GRAPH, make_case
from fake_clock import FakeClock

from grouped_bench.harness.plan import Cohort, Plan
from grouped_bench.harness.processes import slots
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE, HostKey

MARGIN, ROUNDS, COHORTS = 0.03, 7, 10
RATIOS = {"twin": 1.0, "near": 1.02, "beyond": 1.035, "apart": 1.10}
HUGE_RATIOS = {"twin": 1.0, "half again": 1.5, "three": 3.0, "thirty": 30.0}
WORLDS = (
    *("log-normal", "bimodal", "autocorrelated", "drift", "outliers", "step", "processes", "stolen"),
    *("huge", "heavy tails"),
)
RUNS = 26
STOLEN_SHARE_OF_VISITS = 0.4
MEMORY = 2**34  # of the simulated machine: this one's would be asked before every visit


def visit_effects(world, names, rng, progress, length=ROUNDS, stolen=False):
    """Log latency that each variant's rounds share with the weather, (variants, rounds); medians are true ratios."""
    count = len(names)
    own = rng.normal(0, 0.01, (count, 1))
    rounds = rng.normal(0, 0.03, (count, length))
    weather = rng.normal(0, 0.1)
    if stolen:  # another program hurts some variants more than others
        own = own + np.linspace(0, 0.5, count)[:, None] + rng.exponential(0.1, (count, 1))
    if world == "huge":  # processes settle far apart, some variants' further than others'
        own = rng.normal(0, 1, (count, 1)) * np.geomspace(0.02, 0.08, count)[:, None]
    if world == "heavy tails":
        own = own + rng.standard_t(3, (count, 1)) * np.geomspace(0.004, 0.06, count)[:, None]
    if world == "bimodal":  # each variant settles at one of two speeds in each visit
        own = own + np.where(rng.random((count, 1)) < 0.5, 0.02, -0.02)
    if world == "autocorrelated":
        for column in range(1, length):
            rounds[:, column] = 0.8 * rounds[:, column - 1] + 0.6 * rounds[:, column]
    if world == "drift":
        weather += 0.5 * progress + np.linspace(0, 0.05, length)
    if world == "outliers":
        rounds += np.where(rng.random((count, length)) < 0.1, rng.exponential(0.7, (count, length)), 0)
    if world == "step":
        weather += 0.4 * (progress > 0.4)
    return weather + own + rounds


class SimulatedHost:
    """Forks workers whose samples come from `visit_effects` and the true ratio of each variant.

    In the world `processes` each worker gives each variant an offset that all of its visits share, and starting is
    so dear that workers are used again.
    """

    def __init__(self, world, ratios, clock, seed):
        self.world, self.ratios, self.clock = world, ratios, clock
        self.rng, self.visits = np.random.default_rng(seed), 0

    def fork(self, limits):
        return SimulatedWorker(self)


class SimulatedWorker:
    def __init__(self, host):
        settled = 0.05 if host.world == "processes" else 0.0
        self.host = host
        self.offsets = {name: host.rng.normal(0, settled) for name in host.ratios}

    def close(self):
        pass

    def ask(self, request):
        host, names = self.host, request["variants"]
        if request["op"] == "build":
            built = {"first_call_s": 0.0, "verify_s": 0.0, "warm_up_s": 0.0, "iterations": 1}
            seconds = 100.0 if host.world == "processes" else 0.05
            host.clock.now += seconds
            times = {"start_s": 0.0, "inputs_s": 0.0, "seconds": seconds}
            return {"built": dict.fromkeys(names, built), "failed": {}, **times}
        host.visits += 1
        length = request["rounds"] or ROUNDS
        stolen = host.world == "stolen" and host.rng.random() < STOLEN_SHARE_OF_VISITS
        effects = visit_effects(host.world, names, host.rng, min(1.0, host.visits / 200), length, stolen)
        effects += np.array([[self.offsets[name]] for name in names])
        latency = np.array([[0.01 / host.ratios[name]] for name in names]) * np.exp(effects)
        host.clock.now += float(latency.sum())
        return {
            "samples": dict(zip(names, latency.tolist(), strict=True)),
            "reference": [0.001] * length,
            "seconds": float(latency.sum()),
            "stolen": 0.4 if stolen else 0.02,
            "throttled": None,
        }


def ratios_of(world):
    """The true ratio of each variant of a world."""
    return HUGE_RATIOS if world == "huge" else RATIOS


def verdicts_of_one_run(world, seed, visits=40):
    """(true ratio, verdict, interval) of each of 40 pairs of one simulated run."""
    clock, ratios = FakeClock(), {BASELINE: 1.0, **ratios_of(world)}
    cohorts = tuple(Cohort(make_case(size=4 + number), GRAPH, tuple(ratios)) for number in range(COHORTS))
    hosts = {HostKey("tensorflow"): SimulatedHost(world, ratios, clock, seed)}
    sweep = Sweep(
        Plan(cohorts, ()),
        Control(visits=visits),
        visitors=[Visitor(hosts, Control(), clock=clock)],
        keep=lambda record: None,
        progress=Progress(quiet=True),
        seed=seed,
        memory=False,
        force=True,  # its variants are in no registry, which the forecast of their memory asks
        started=0.0,
        clock=clock,
    )
    with mock.patch.multiple(slots, memory_left=lambda: MEMORY, memory_total=lambda: MEMORY):
        sweep.run()
    return [
        (ratios[name], pair.verdict, pair.interval)
        for standing in sweep.standings
        for name, pair in standing.pairs.items()
    ]


def contradicts(ratio, verdict):
    """Whether the true ratio contradicts a verdict under the rules of the interface."""
    if verdict == "equivalent":
        return not 1 / (1 + MARGIN) <= ratio <= 1 + MARGIN
    return (verdict == "faster" and ratio <= 1) or (verdict == "slower" and ratio >= 1)
