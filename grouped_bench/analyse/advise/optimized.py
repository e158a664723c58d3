"""A network whose layers were exchanged: what each change gains, and what the whole network gains."""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.advise.advice import MEASURED
from grouped_bench.analyse.advise.replacements import Replacement
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.statistics import stats, tasks
from grouped_bench.analyse.statistics.stability import Visit, slack
from grouped_bench.space.case import Setting
from grouped_bench.space.facts import Json

# As `measure.models.whole_model` calls the network and its copy.
SIDES = ("original", "faster")
# Fresh processes in which both networks are timed, and the error of the interval from them: no look is taken before.
PROCESSES = 5
ALPHA = 0.01
# The whole may gain so much more or less than its layers promise.
AS_PREDICTED = 0.2


@dataclasses.dataclass(frozen=True)
class LayerChange:
    """One kind of layer: what takes its place, or why it stays.

    Args:
        replacement: what was found for it.
        times: how often the network has it.
        margin: share by which a form must be faster for sure.
    """

    replacement: Replacement
    times: int
    margin: float

    @property
    def is_made(self) -> bool:
        """Whether another layer takes its place: one that is faster by the margin at least."""
        found, gain = self.replacement, self.replacement.gain
        if found.stays is not None or found.problem is not None or found.advice is None or gain is None:
            return False
        return found.advice.basis == MEASURED and gain.exceeds(1 + self.margin)

    @property
    def own(self) -> Estimate | None:
        """Seconds of the layer as it is; None where it was not measured."""
        return self._option(self.replacement.question.keras)

    @property
    def new(self) -> Estimate | None:
        """Seconds of what takes its place; the layer's own where it stays."""
        if not self.is_made or self.replacement.variant is None:
            return self.own
        return self._option(self.replacement.variant)

    @property
    def saved(self) -> float:
        """Seconds that all layers of its kind save in a step."""
        return self.times * (self.own.value - self.new.value) if self.own and self.new else 0.0

    def _option(self, variant: str) -> Estimate | None:
        advice = self.replacement.advice
        known = {one.variant: one.latency for one in advice.options} if advice else {}
        return known.get(variant)


@dataclasses.dataclass(frozen=True)
class StepCost:
    """One of both networks: seconds of a step and of the first call, and peak bytes; None where not known."""

    seconds: Estimate
    first_call_s: float
    peak_bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    """Both networks, a step of each timed in turns in fresh processes.

    Args:
        before, after: the original and its copy.
        speedup: how many times as fast the copy is.
        verdict: `faster`, `slower`, `equivalent` or `undecided`.
        error: of the copy's output against float64, relative.
        gradients: whether all gradients were compared too; what is random in training leaves them out.
    """

    before: StepCost
    after: StepCost
    speedup: Estimate
    verdict: str
    error: float
    gradients: bool = True

    @property
    def saved_s(self) -> float:
        """Seconds that the copy saves in a step; negative where it takes longer."""
        return self.before.seconds.value - self.after.seconds.value

    @property
    def steps_s(self) -> dict[str, float]:
        """Seconds of a step, by side."""
        return {name: side.seconds.value for name, side in zip(SIDES, (self.before, self.after), strict=True)}

    def is_as_predicted(self, changes: Iterable[LayerChange]) -> bool:
        """Whether the step saves what its layers promise, within AS_PREDICTED."""
        promised = promised_s(changes)
        return abs(self.saved_s - promised) <= AS_PREDICTED * promised


@dataclasses.dataclass(frozen=True)
class Lead:
    """What a step takes in another setting, as one process found it: no more than a hint.

    Args:
        setting: the other one.
        before_s, after_s: seconds of a step of the network and of its copy; None where it was not timed.
    """

    setting: Setting
    before_s: float | None
    after_s: float | None

    @property
    def step_s(self) -> float:
        """Seconds of the faster one."""
        return min(one for one in (self.before_s, self.after_s) if one is not None)


@dataclasses.dataclass(frozen=True)
class Move:
    """A kind of operation, and the seconds that a step of the copy spends more in it; below 0 less."""

    kind: str
    seconds: float


def promised_s(changes: Iterable[LayerChange]) -> float:
    """Seconds that all changed layers save by themselves."""
    return sum(change.saved for change in changes)


def judged(visits: Sequence[Json], margin: float, proof: Json, peaks: Sequence[int | None]) -> Whole:
    """What the visits say of both networks.

    Args:
        visits: of each process the answer of `measure.models.whole_model.visit`.
        margin: largest change that counts as equivalent, as a share.
        proof: the answer of `measure.models.whole_model.prove`.
        peaks: bytes of original and copy.
    """
    states = [Visit(number, visit["stolen"], visit["throttled"]) for number, visit in enumerate(visits)]
    before, after = ([visit["samples"][name] for visit in visits] for name in SIDES)
    logs = [one.value for one in tasks.log_ratios(before, after, states)]
    found = stats.student_interval(logs, ALPHA)
    moved = math.fsum(map(slack, states)) / len(states)
    interval = stats.exponential(found.estimate, found.high - found.estimate + moved)
    sides = [
        StepCost(_latency(series, states), statistics.median(visit["first_calls_s"][name] for visit in visits), peak)
        for name, series, peak in zip(SIDES, (before, after), peaks, strict=True)
    ]
    speedup = Estimate(interval.estimate, interval.low, interval.high)
    return Whole(sides[0], sides[1], speedup, stats.verdict(interval, margin), proof["error"], proof["gradients"])


def _latency(series: Sequence[Sequence[float | None]], states: Sequence[Visit]) -> Estimate:
    medians = [one.value for one in tasks.latencies(series, states)]
    found = stats.latency_interval(medians)
    assert found is not None, "there are PROCESSES of them"
    return Estimate(found.estimate, found.low, found.high)
