"""The search for a variant's choice: a few calls of each on the machine at hand, apart from every sample."""

import math
import statistics
from collections.abc import Callable, Sequence

from grouped_bench.backends.base import Step
from grouped_bench.measure.rounds import DEAR_S, Clock, Synchronise, read_clock, time_sample
from grouped_bench.variants.base import PassPart

# Of each question that a variant asks: what a choice gains is paid back in the visits of processes that do not search.
SEARCH_S = 5.0
# However dear the first of them are.
_LEAST_CHOICES = 3
# Of each choice; then of those within a near miss of the fastest, in turn, since the machine drifts.
_TRIAL_S, _MOST_CALLS, _LEAST_CALLS = 0.06, 12, 3
_NEAR, _ROUNDS = 1.25, 7


class Search:
    """Times choices of one variant, in its case, setting and pass.

    Args:
        make_step: makes the step of a choice, of the part of the pass that its second argument says.
        synchronise: waits for the device.
        mark: called before each choice is tried, so that none is taken for a hang.
        clock: read for every duration.
    """

    def __init__(
        self,
        make_step: Callable[[str, PassPart], Step],
        synchronise: Synchronise,
        mark: Callable[[], None] = lambda: None,
        clock: Clock = read_clock,
    ) -> None:
        self._make_step, self._synchronise, self._mark, self._clock = make_step, synchronise, mark, clock

    def fastest(self, choices: Sequence[str], *, part: PassPart = "all") -> str:
        """The fastest of `choices`, the likeliest first; when the time is up, of those that were tried, three at least.

        Choices that fail are left out. Raises what the first of them raised where all fail.
        """
        steps: dict[str, Step] = {}
        seconds: dict[str, float] = {}
        failure: Exception | None = None
        end = self._clock() + SEARCH_S
        for choice in choices:
            if len(seconds) >= _LEAST_CHOICES and self._clock() >= end:
                break
            try:
                self._mark()
                steps[choice] = self._make_step(choice, part)
                seconds[choice] = self._try(steps[choice])
            except Exception as error:
                failure = failure or error
        if not seconds:
            raise failure or ValueError("a search needs a choice")
        limit = _NEAR * min(seconds.values())
        near = [choice for choice, found in seconds.items() if found <= limit]
        return near[0] if len(near) == 1 else self._nearest(near, steps, limit)

    def _try(self, step: Step) -> float:
        """Seconds of the fastest of a few calls; the first of all does not count, unless it is dear."""
        first = self._time(step)
        made: list[float] = []
        while len(made) < _MOST_CALLS and (len(made) < _LEAST_CALLS or math.fsum(made) < _TRIAL_S):
            made.append(self._time(step))
            if made[-1] > DEAR_S:
                break
        return min(first, *made)

    def _nearest(self, near: Sequence[str], steps: dict[str, Step], limit: float) -> str:
        """The one with the shortest median over rounds in which each is called in turn."""
        rounds = 1 if limit > DEAR_S else _ROUNDS
        made: dict[str, list[float]] = {choice: [] for choice in near}
        for _ in range(rounds):
            for choice in near:
                self._mark()
                made[choice].append(self._time(steps[choice]))
        return min(near, key=lambda choice: statistics.median(made[choice]))

    def _time(self, step: Step) -> float:
        return time_sample(step, self._synchronise, 1, self._clock)
