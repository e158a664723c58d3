"""How much a comparison decides: tasks with a verdict, and those in which a slow-down is not ruled out."""

from grouped_bench.analyse.compare.compare import INCONCLUSIVE, NOT_JUDGED, REGRESSION, UNCHANGED, Compared, Comparison


def decided_counts(comparison: Comparison) -> tuple[int, int]:
    """How many tasks are decided and how many are not, of those that worked on both sides or changed their status.

    Undecided are those without a verdict, and those in which a slow-down is not ruled out.
    """
    judged = [task for task in comparison.tasks if task.has_worked or task.verdict not in (UNCHANGED, NOT_JUDGED)]
    undecided = sum(_is_undecided(task, comparison) for task in judged)
    return len(judged) - undecided, undecided


def open_count(comparison: Comparison) -> int:
    """In how many tasks an unchanged latency's interval reaches beyond the threshold, so that nobody knows."""
    return sum(_is_open(task, comparison) for task in comparison.tasks)


def _is_undecided(task: Compared, comparison: Comparison) -> bool:
    return task.verdict == INCONCLUSIVE or (task.verdict != REGRESSION and _is_open(task, comparison))


def _is_open(task: Compared, comparison: Comparison) -> bool:
    return task.leaves_open(comparison.thresholds["latency"])
