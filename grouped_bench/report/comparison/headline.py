"""The verdict of a comparison in a sentence or two: what became worse, what was not compared, what stays open."""

import collections

from grouped_bench.analyse.compare import compare
from grouped_bench.analyse.compare.compare import Compared, Comparison
from grouped_bench.analyse.compare.decided import decided_counts, open_count
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.text import cells
from grouped_bench.units import counted, format_percent, format_seconds

_MOST_APART = 3
# Of the tasks that could be; of fewer the first sentence says how many.
_LEAST_DECIDED = 0.5
# Of one task and of several: what became worse, and where in it by how much stands unless that is by anything.
_WORSE = {
    "status": ("worked and now fails", "worked and now fail", ""),
    "latency": ("is slower{}", "are slower{}", " by more than {}"),
    "memory": ("takes{} more memory", "take{} more memory", " over {}"),
    "first_call": ("takes{} longer in its first call", "take{} longer in their first calls", " over {}"),
    "params": ("has{} more parameters", "have{} more parameters", " over {}"),
}
# Of one task and of several that did not work on both sides.
_FIXED = ("failed before and works now", "failed before and work now")
_BROKEN = ("worked and now fails, which is not judged", "worked and now fail, which is not judged")
_UNSUPPORTED = ("is unsupported on both sides", "are unsupported on both sides")
_FAILED = ("failed on both sides", "failed on both sides")


def headline(comparison: Comparison) -> str:
    """The verdict in one sentence, with counts; before it what sets base and head apart, where that decides kernels.

    After it what the whole step of a project takes.
    """
    return " ".join(filter(None, [warning(comparison), _verdict(comparison), _whole(comparison)]))


def warning(comparison: Comparison) -> str | None:
    """In what base and head are apart though the same code ran; None where they are not."""
    if not comparison.apart:
        return None
    told = "; ".join(map(cells.clean, comparison.apart[:_MOST_APART]))
    more = len(comparison.apart) - _MOST_APART
    told += f"; and {more} more" if more > 0 else ""
    return f"{'Other machines' if comparison.is_elsewhere else 'Other kernels'}: {told}."


def _verdict(comparison: Comparison) -> str:
    tasks = comparison.tasks
    if comparison.is_same_run:
        return "Inconclusive: base and head are the same run."
    if not tasks:
        return "Inconclusive: base and head have no task in common."
    by_verdict = collections.Counter(task.verdict for task in tasks)
    worse, undecided = by_verdict[compare.REGRESSION], by_verdict[compare.INCONCLUSIVE]
    better = by_verdict[compare.IMPROVEMENT]
    total = counted(len(tasks), "task")
    few, missing = _few_decided(comparison), _missing(comparison)
    rest = [f"{better} {_be(better)} better"] if better else []
    left = few or (f"{undecided} of {total} {_be(undecided)} undecided" if undecided else None)
    if worse:
        told = [few or (f"{undecided} {_be(undecided)} undecided" if undecided else None), missing]
        return "; ".join([f"Regression: {cells.listed(_worse(comparison, total))}", *filter(None, told), *rest]) + "."
    if undecided or missing:
        return f"Inconclusive: {'; '.join([*filter(None, [missing, left]), *rest])}."
    if comparison.verdict == compare.INCONCLUSIVE:
        worked = sum(task.has_worked for task in tasks)
        told = [few, _none(comparison, worked, "none"), *_besides(comparison)]
        shown = "; ".join(filter(None, told)) if worked else "no task worked on both sides"
        return f"Inconclusive: {shown}."
    return "; ".join(_nothing(comparison)) + "."


def _whole(comparison: Comparison) -> str | None:
    """What each whole step takes in head beside base; None where there is none, or it did not work on both sides."""
    told = []
    for task in comparison.tasks:
        found = next((one for one in task.changes if one.metric == "latency"), None)
        if not task.head.columns.get("is_whole") or found is None or found.ratio is None:
            continue
        pass_ = str(task.head.columns["name"]).partition(", ")[2]
        ratio = found.ratio
        ends = (ratio.low, ratio.high) if isinstance(ratio, Interval) else (None, None)
        times = " → ".join(format_seconds(one, 2) for one in (found.base, found.head) if isinstance(one, float))
        value = ratio.estimate if isinstance(ratio, Interval) else ratio
        told.append(f"{f'{pass_} ' if pass_ else ''}{times}, {cells.ratio(value, *ends)}")
    return f"Whole step: {'; '.join(told)}." if told else None


def _missing(comparison: Comparison) -> str | None:
    """That head has too few of base's tasks."""
    if not comparison.covers_too_little:
        return None
    common = len(comparison.tasks)
    return f"head has only {common} of base's {counted(common + len(comparison.gone), 'task')}"


def _few_decided(comparison: Comparison) -> str | None:
    """In how many tasks anything is decided, where that is fewer than half of those that could be."""
    decided, undecided = decided_counts(comparison)
    if decided >= _LEAST_DECIDED * (decided + undecided):
        return None
    return f"{decided} of {counted(decided + undecided, 'task')} decided"


def _worse(comparison: Comparison, total: str) -> list[str]:
    """What became worse, each with the number of tasks in which it did."""
    counts = collections.Counter(
        change.metric for task in comparison.tasks for change in task.changes if change.verdict == compare.REGRESSION
    )
    told: list[str] = []
    for metric in (metric for metric in _WORSE if counts[metric]):
        words = _WORSE[metric][counts[metric] > 1].format(_by_how_much(comparison, metric))
        told.append(f"{counts[metric]}{'' if told else f' of {total}'} {words}")
    return told


def _by_how_much(comparison: Comparison, metric: str) -> str:
    """The threshold as a part of the words of `_WORSE`; nothing where there is none to pass."""
    limit = comparison.thresholds[metric]
    return _WORSE[metric][2].format(share(limit)) if limit else ""


def _nothing(comparison: Comparison) -> list[str]:
    """Of how many tasks no regression is said, those that worked on both sides, and what became of the others."""
    tasks, gone = comparison.tasks, len(comparison.gone)
    compared = [task for task in tasks if task.has_worked]
    others = {_what_became(task) for task in tasks if not task.has_worked}
    few, rest = _few_decided(comparison), _besides(comparison)
    if gone or others - {_FIXED}:
        told = f"No regression in {len(compared)} of {counted(len(tasks) + gone, 'task')}"
        return [told, *filter(None, [few]), *rest]
    if few:
        return [f"No regression: {few}", _none(comparison, len(compared), "none"), *rest]
    none = f"none of {counted(len(compared), 'task')}"
    return [f"No regression: {_none(comparison, len(compared), none)}", *rest]


def _besides(comparison: Comparison) -> list[str]:
    """How many tasks are better, what became of those that did not work on both sides, and how many are gone."""
    gone = len(comparison.gone)
    others = collections.Counter(_what_became(task) for task in comparison.tasks if not task.has_worked)
    better = sum(task.has_worked and task.verdict == compare.IMPROVEMENT for task in comparison.tasks)
    rest = [f"{better} {_be(better)} better"] if better else []
    rest += [f"{count} {words[count > 1]}" for words, count in others.items()]
    return [*rest, *([f"{gone} {_be(gone)} gone"] if gone else [])]


def _none(comparison: Comparison, count: int, none: str) -> str:
    """That none of the tasks that worked on both sides became worse."""
    judged = comparison.thresholds["latency"] is not None
    slower = f"shown to be slower{_by_how_much(comparison, 'latency')}"
    if count == 1:
        return f"the one task is not {slower}" if judged else "the one task did not become worse"
    return f"{none} " + (f"is {slower}" if judged else "became worse")


def _what_became(task: Compared) -> tuple[str, str]:
    """Words for a task that did not work on both sides."""
    before, after = task.base.status, task.head.status
    if before == "ok":
        return _BROKEN
    if after == "ok":
        return _FIXED
    return _UNSUPPORTED if before == after == "unsupported" else _FAILED


def left_open(comparison: Comparison) -> str | None:
    """What the verdict does not rule out; None where it rules out all that is judged, or nothing was compared."""
    count = open_count(comparison)
    if not count or comparison.is_same_run:
        return None
    reach = "its interval reaches" if count == 1 else "their intervals reach"
    limit = share(comparison.thresholds["latency"])
    return f"In {counted(count, 'task')} a slow-down of more than {limit} cannot be ruled out: {reach} beyond it."


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def share(limit: float | None) -> str:
    """A threshold: `5%`."""
    return "not judged" if limit is None else format_percent(limit)
