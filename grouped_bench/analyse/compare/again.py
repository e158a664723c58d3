"""What of a comparison is measured once more before it is called a regression, or left open."""

import dataclasses
from typing import Any, Self

from grouped_bench.analyse.compare.side_selection import Judgement
from grouped_bench.store.schema import COHORT_KEY


@dataclasses.dataclass(frozen=True)
class Again:
    """Tasks that are measured once more, side by side as before.

    Args:
        runs: ids of the runs of base and head that measured them first.
        cohorts: of tasks of a sweep, the values of their cohorts' key columns.
        steps: of a project's, their names.
    """

    runs: tuple[str, str]
    cohorts: frozenset[tuple[Any, ...]] = frozenset()
    steps: tuple[str, ...] = ()

    @classmethod
    def of(cls, judgement: Judgement) -> Self | None:
        """What of a measurement side by side is worse or not decided; None where there is nothing."""
        tasks = [task.head.columns for task in judgement.comparison.open_tasks]
        if not tasks:
            return None
        base, head = (str(taken.runs[0]["run_id"]) for taken in (judgement.base, judgement.head))
        steps = tuple(str(columns["name"]) for columns in tasks if "name" in columns)
        keys = frozenset(tuple(columns[name] for name in COHORT_KEY) for columns in tasks if "name" not in columns)
        return cls((base, head), keys, steps)
