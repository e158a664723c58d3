"""Tasks predicted to run out of memory: by the least that their tensors need, and by what has already failed."""

from typing import Any

from grouped_bench.harness.plan import Cohort
from grouped_bench.harness.sweep.cohort_state import Standing
from grouped_bench.space.facts import Json
from grouped_bench.units import format_bytes

_WAY_OUT = "--force tries it"


class Forecast:
    """What a run has learnt of its memory.

    A task needs at least the tensors that live at once: input, weights and output, and for training a gradient of each.

    Args:
        limit: bytes that a task may hold; None for all that there is.
        has: bytes of memory of the machine.
    """

    def __init__(self, limit: int | None, has: int) -> None:
        self._limit, self._has = limit, has
        # Least need of the tasks that ran out of memory, of each kind of task.
        self._failed: dict[tuple[Any, ...], int] = {}

    def absorb(self, cohort: Cohort, failed: dict[str, Json]) -> None:
        """Learn from what failed in a visit of `cohort`."""
        for name, failure in failed.items():
            if failure["status"] == "oom":
                kind, need = _kind(cohort, name), _need(cohort, name)
                self._failed[kind] = min(need, self._failed.get(kind, need))

    def doomed(self, standing: Standing) -> dict[str, Json]:
        """The open variants that will run out of memory, each with its outcome."""
        reasons = {name: self._reason(standing.cohort, name) for name in standing.active}
        return {name: {"status": "predicted_oom", "reason": reason} for name, reason in reasons.items() if reason}

    def _reason(self, cohort: Cohort, name: str) -> str | None:
        need, failed = _need(cohort, name), self._failed.get(_kind(cohort, name))
        told = f"its tensors need at least {format_bytes(need)}"
        if self._limit is not None and need > self._limit:
            return f"{told}, --memory-limit is {format_bytes(self._limit)}; {_WAY_OUT}"
        if cohort.setting.device.startswith("cpu") and need > self._has:
            return f"{told}, the machine has {format_bytes(self._has)}; {_WAY_OUT}"
        if failed is not None and need > failed:
            return f"{told}, and {name} ran out of memory where they need {format_bytes(failed)}; {_WAY_OUT}"
        return None


def _need(cohort: Cohort, name: str) -> int:
    return cohort.counts(name).min_bytes


def _kind(cohort: Cohort, name: str) -> tuple[Any, ...]:
    """Tasks of one kind take memory in the same way, the larger the more."""
    case = cohort.case
    shape = (case.kernel_size, case.stride, case.dilation, case.padding, case.groups)
    return name, cohort.setting, case.rank, case.pass_, case.dtype, case.data_format, shape
