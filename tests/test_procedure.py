"""The whole procedure on simulated machines with known truth: visits, early stopping, correction, verdicts.

More than 10,000 comparisons, each made by a real `Sweep` over simulated visits in runs of 40 pairs. A visit's
samples carry what measurements show of real machines: processes that settle at different speeds, drift,
autocorrelated rounds, outliers, a step in the machine's speed, another program that comes and goes and hurts some
variants more than others. The true ratio of every pair (alone on the machine) is known, and a verdict is wrong when
that ratio contradicts it.
"""

from unittest import mock

import numpy as np
import pytest
from cases import GRAPH, make_case
from fake_clock import FakeClock

from grouped_bench.analyse import stability, stats
from grouped_bench.harness.processes import slots
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.plan import Cohort, Plan
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE, HostKey

pytestmark = pytest.mark.long
MARGIN, ROUNDS, COHORTS = 0.03, 7, 10
RATIOS = {"twin": 1.0, "near": 1.02, "beyond": 1.035, "apart": 1.10}
WORLDS = ("log-normal", "bimodal", "autocorrelated", "drift", "outliers", "step", "processes", "stolen")
RUNS = 33
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


def verdicts_of_one_run(world, seed):
    """(true ratio, verdict, interval) of each of 40 pairs of one simulated run."""
    clock, ratios = FakeClock(), {BASELINE: 1.0, **RATIOS}
    cohorts = tuple(Cohort(make_case(size=4 + number), GRAPH, tuple(ratios)) for number in range(COHORTS))
    sweep = Sweep(
        Plan(cohorts, ()),
        Control(visits=40),
        hosts={HostKey("tensorflow"): SimulatedHost(world, ratios, clock, seed)},
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


@pytest.fixture(scope="module")
def outcomes():
    """World → all its comparisons."""
    return {
        world: [found for run in range(RUNS) for found in verdicts_of_one_run(world, 1000 * number + run)]
        for number, world in enumerate(WORLDS)
    }


def test_there_are_ten_thousand_comparisons(outcomes):
    assert sum(map(len, outcomes.values())) == RUNS * COHORTS * len(RATIOS) * len(WORLDS) > 10_000


@pytest.mark.parametrize("world", WORLDS)
def test_at_most_one_verdict_in_a_hundred_is_wrong(world, outcomes):
    wrong = [found for found in outcomes[world] if contradicts(*found[:2])]
    assert len(wrong) <= 0.01 * len(outcomes[world]), wrong[:5]


def test_at_most_one_run_in_twenty_has_any_wrong_verdict(outcomes):
    pairs = COHORTS * len(RATIOS)
    wrong = [
        any(contradicts(*found[:2]) for found in all_of_world[start : start + pairs])
        for all_of_world in outcomes.values()
        for start in range(0, len(all_of_world), pairs)
    ]
    assert len(wrong) == RUNS * len(WORLDS)
    assert np.mean(wrong) <= 0.05


@pytest.mark.parametrize("world", WORLDS)
def test_intervals_that_early_stopping_and_many_pairs_have_widened_hold_the_truth(world, outcomes):
    held = [low.low <= ratio <= low.high for ratio, _, low in outcomes[world]]
    assert np.mean(held) >= 0.99


@pytest.mark.parametrize(("world", "equivalent"), [("log-normal", 0.9), ("drift", 0.9), ("step", 0.9), ("stolen", 0.4)])
def test_twins_end_equivalent_and_ten_per_cent_is_found(world, equivalent, outcomes):
    """A procedure that never decides is never wrong.

    The other worlds are too noisy for 40 visits of 7 rounds, and where time is stolen only half of the visits count.
    """
    for ratio, verdict, least in ((1.0, "equivalent", equivalent), (1.10, "faster", 0.99)):
        ended = [found[1] == verdict for found in outcomes[world] if found[0] == ratio]
        assert np.mean(ended) >= least, (world, ratio)


def test_the_check_can_fail_without_the_correction(monkeypatch):
    """The same runs with uncorrected 95 % intervals at every look are wrong far more often than 1 in 100."""
    monkeypatch.setattr(stats, "look_share", lambda visits: 1.0)
    monkeypatch.setattr(stats, "FAMILY_ALPHA", 0.05 * COHORTS * len(RATIOS))
    monkeypatch.setattr(stats, "PAIR_ALPHA", 0.05)
    found = [outcome for run in range(6) for outcome in verdicts_of_one_run("autocorrelated", run)]
    assert np.mean([contradicts(*outcome[:2]) for outcome in found]) > 0.02


def test_without_a_watch_on_other_programs_nothing_is_found_while_they_come_and_go(monkeypatch):
    monkeypatch.setattr(stability, "STOLEN_SHARE", 1.0)
    found = [outcome for run in range(4) for outcome in verdicts_of_one_run("stolen", run)]
    assert np.mean([verdict == "faster" for ratio, verdict, _ in found if ratio == 1.10]) < 0.5


@pytest.mark.parametrize("visits", [6, 10, 24])
@pytest.mark.parametrize("world", WORLDS)
def test_a_single_look_at_95_per_cent_covers_95_per_cent(world, visits):
    """Of the ratio's interval without any correction, at a number of visits fixed beforehand."""
    rng, covered, trials = np.random.default_rng(visits), 0, 2000
    for _ in range(trials):
        effects = [visit_effects(world, "ab", rng, visit / visits) for visit in range(visits)]
        ratios = [float(np.median(effect[0] - effect[1])) for effect in effects]
        found = stats.student_interval(ratios, 0.05)
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / trials <= 0.97


@pytest.mark.parametrize("visits", [6, 10, 24])
@pytest.mark.parametrize("world", ["log-normal", "bimodal", "autocorrelated", "outliers"])
def test_latency_intervals_cover_95_per_cent(world, visits):
    """Truth is the median of the visits' medians, found from many more of them."""
    rng, trials = np.random.default_rng(visits), 2000
    medians = np.array([np.median(visit_effects(world, "a", rng, 0)) for _ in range(trials * visits)])
    truth = np.exp(np.median(medians))
    covered = 0
    for sample in np.exp(medians).reshape(trials, visits):
        found = stats.latency_interval(sample)
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / trials <= 0.97
