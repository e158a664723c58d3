"""How long a run will still take, guessed while it runs, against the end of simulated runs on a fake clock."""

from unittest import mock

import procedure
import pytest
from cases import GRAPH, make_case
from fake_clock import FakeClock

from grouped_bench.harness.plan import Cohort, Plan
from grouped_bench.harness.processes import slots
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep.outlook import Outlook
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.space.axes import Control
from grouped_bench.space.case import BASELINE, HostKey

COHORTS = 5


class Recorded(Progress):
    """Keeps every moment that is shown."""

    is_shown = True

    def __init__(self):
        self.moments = []

    def show(self, moment):
        self.moments.append(moment)


def guesses(world, seed=0, **control):
    """The end that each moment after the first visits promises, over the true one, by the share of time spent."""
    clock, ratios, progress = FakeClock(), {BASELINE: 1.0, **procedure.ratios_of(world)}, Recorded()
    cohorts = tuple(Cohort(make_case(size=4 + number), GRAPH, tuple(ratios)) for number in range(COHORTS))
    hosts = {HostKey("tensorflow"): procedure.SimulatedHost(world, ratios, clock, seed)}
    sweep = Sweep(
        Plan(cohorts, ()), Control(**control), visitors=[Visitor(hosts, Control(), clock=clock)],
            keep=lambda record: None, progress=progress, seed=seed,
        memory=False, force=True, started=0.0, clock=clock,
    )  # fmt: skip
    memory = procedure.MEMORY
    with mock.patch.multiple(slots, memory_left=lambda: memory, memory_total=lambda: memory):
        sweep.run()
    told = [moment for moment in progress.moments if moment.stage != "first visits"]
    return {one.seconds_spent / clock.now: (one.seconds_spent + one.seconds_left) / clock.now for one in told}


@pytest.mark.parametrize("world", ["autocorrelated", "drift", "step", "log-normal"])
def test_the_first_visits_promise_the_end_within_a_quarter(world):
    told = guesses(world)
    assert 0.75 <= told[min(told)] <= 1.25


@pytest.mark.parametrize("world", ["bimodal", "autocorrelated", "huge", "heavy tails"])
def test_later_promises_hold_within_a_quarter(world):
    told = guesses(world)
    assert all(0.75 <= promised <= 1.25 for share, promised in told.items() if share > 0.25)


def test_no_promise_goes_beyond_the_budget():
    told = guesses("bimodal", budget="12s")
    assert all(promised <= 1.1 for promised in told.values())


def test_before_the_first_visit_nothing_is_promised():
    assert Outlook([], Control()).seconds() is None
