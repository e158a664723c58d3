"""The memory pass: the peak of every task, once, some side by side since nothing is timed."""

from collections.abc import Collection, Iterator, Sequence

from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.harness.sweep.readings import MemoryOrder

_GUESS_S = 0.3


class MemoryPass:
    """What is left of the memory pass of a run.

    Args:
        standings: the run's cohorts.
        seed: of inputs and weights.
        at_once: tasks read side by side at most; those of a GPU one by one.
    """

    def __init__(self, standings: Sequence[Standing], seed: int, at_once: int) -> None:
        self._seed, self._at_once = seed, at_once
        self.unread = {(s.number, name): s for s in standings for name in s.cohort.variants}
        self._is_made = bool(standings)

    @property
    def guess_s(self) -> float:
        """What the rest of it may take."""
        return len(self.unread) * _GUESS_S

    def renew(self, standing: Standing) -> None:
        """Read the tasks of a cohort that is begun anew once more."""
        if self._is_made:
            self.unread |= {(standing.number, name): standing for name in standing.cohort.variants}

    def end(self, cohorts: Collection[int]) -> None:
        """Leave unread what is left of the cohorts with these numbers."""
        self.unread = {key: standing for key, standing in self.unread.items() if key[0] not in cohorts}

    def batches(self, cohorts: Collection[int]) -> Iterator[list[MemoryOrder]]:
        """What is to be read at once, until all is read; tasks that have failed are left out.

        Args:
            cohorts: numbers of those whose tasks are read.
        """
        while keys := self._left(cohorts):
            batch: list[tuple[int, str]] = []
            for key in keys:
                if len(batch) == self._at_once or (batch and not self._on_processor(key, batch[0])):
                    break
                batch.append(key)
            yield [self._reading(*key) for key in batch]
            for key in batch:  # what was not read is not tried for ever
                self.unread.pop(key, None)

    def _left(self, cohorts: Collection[int]) -> list[tuple[int, str]]:
        """What is left of some cohorts; tasks that have failed leave."""
        failed = {key for key, standing in self.unread.items() if key[0] in cohorts and key[1] in standing.failed}
        self.unread = {key: standing for key, standing in self.unread.items() if key not in failed}
        return [key for key in self.unread if key[0] in cohorts]

    def _on_processor(self, *keys: tuple[int, str]) -> bool:
        return all(self.unread[key].cohort.setting.device.startswith("cpu") for key in keys)

    def _reading(self, number: int, variant: str) -> MemoryOrder:
        standing = self.unread[number, variant]
        cohort, choices = standing.cohort, standing.choices
        return MemoryOrder(
            number,
            cohort.setting.host,
            cohort.request([variant], self._seed, choices),
            standing.seconds_a_call,
            cohort.counts(variant, choices.get(variant)).min_bytes,
        )
