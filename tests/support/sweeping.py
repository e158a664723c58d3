"""Sweeps over fake hosts, on a fake clock."""

from cases import GRAPH, make_case
from fake_clock import FakeClock
from fake_hosts import FakeHost

from grouped_bench.harness.plan import Cohort, Plan
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import Visitor
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.store.rows import make_rows


class Sweeping:
    """A sweep of `cohorts` equal cohorts over the variants of `costs`, and what it recorded."""

    def __init__(
        self,
        costs,
        *,
        cohorts=1,
        memory=False,
        seed=0,
        interrupt_at=None,
        host=None,
        recalled=(),
        force=False,
        spent=0.0,
        memory_at_once=1,
        **control,
    ):
        self.clock = FakeClock()
        self.host = host or FakeHost(self.clock, costs)
        self.host.clock = self.clock
        self.plan = Plan(
            tuple(Cohort(make_case(size=4 + n), GRAPH, tuple(costs)) for n in range(cohorts)),
            (),
        )
        self.kept = []
        sweep = Sweep(
            self.plan,
            Control(**control),
            visitors=[Visitor({HostKey("tensorflow"): self.host}, Control(**control), clock=self.clock)],
            keep=self.kept.append,
            progress=Progress(quiet=True),
            memory_at_once=memory_at_once,
            seed=seed,
            memory=memory,
            started=-spent,
            force=force,
            stop=lambda: len(self.kept) == interrupt_at,
            recalled=recalled,
            clock=self.clock,
        )
        self.stopped_by = sweep.run()
        self.time, self.standings = sweep.time, sweep.standings
        self.visits = [r for r in self.kept if r["kind"] == "visit"]

    def rows(self):
        return make_rows(self.plan.numbered(), self.kept, "not reached")
