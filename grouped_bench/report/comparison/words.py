"""Words that all formats of a comparison share: tasks, changes, runs, what to do."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from grouped_bench.analyse.compare import compare
from grouped_bench.analyse.compare.apart import OTHER_KERNELS
from grouped_bench.analyse.compare.basis import BOTH, PAIRED
from grouped_bench.analyse.compare.compare import Change, Compared, Comparison
from grouped_bench.analyse.compare.measurements import NOT_REACHED, Measurement
from grouped_bench.analyse.compare.side_selection import UNTOLD, Judgement, LeftOut, Taken
from grouped_bench.analyse.environment import machines
from grouped_bench.analyse.rows import case_title, setting_title, task_of
from grouped_bench.analyse.statistics.stability import UNSTABLE
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.comparison.headline import share
from grouped_bench.report.text import cells
from grouped_bench.report.text.contrast import contrast, run_name
from grouped_bench.space.facts import Facts
from grouped_bench.units import counted, earned_digits, format_bytes, format_count, format_seconds, significant

HEADERS = ("base", "head", "head / base", "verdict")
_CHANGED = (compare.REGRESSION, compare.INCONCLUSIVE, compare.IMPROVEMENT)
_MOST_RUNS, _MOST_OTHERS = 6, 3


@dataclasses.dataclass(frozen=True)
class MetricLine:
    """A change as texts, and the sentences that explain it."""

    metric: str
    base: str
    head: str
    ratio: str
    verdict: str
    notes: tuple[str, ...]


def rules(thresholds: Mapping[str, float | None]) -> str:
    """By how much each metric may become worse."""
    judged = [_rule(name, limit) for name, limit in thresholds.items() if limit is not None]
    told = [name_of(name) for name, limit in thresholds.items() if limit is None]
    words = f"Judged, with the allowed worsening: {', '.join(judged) or 'nothing'}"
    return f"{words}. Reported only: {', '.join(told)}." if told else f"{words}."


def _rule(metric: str, limit: float) -> str:
    """A metric with all that it may become worse by."""
    if metric == "status":
        return name_of(metric)
    least = f" if over {compare.LEAST_BYTES // 2**20} MiB" if metric == "memory" else ""
    return f"{name_of(metric)} {share(limit)}{least}"


def name_of(metric: str) -> str:
    """A metric in words."""
    return metric.replace("_", " ")


def basis(comparison: Comparison) -> str:
    """How latencies were set against each other, and why."""
    if not any(change.metric == "latency" for task in comparison.tasks for change in task.changes):
        return "Latencies: no task was measured on both sides."
    found = comparison.by_basis
    if len(found) > 1:
        told = [f"Latencies of {cells.clean(cells.listed(of))} {one.name}: {one.why}." for one, of in found.items()]
        return " ".join(told)
    return f"Latencies {comparison.basis}: {comparison.why}."


def titles(task: Measurement) -> tuple[str, str]:
    """The case and the setting of a task, the group of a benchmark and nothing."""
    if is_benchmark(task):
        return cells.clean(task.columns.get("group") or "benchmarks"), ""
    row = task_of(task.columns)
    return cells.clean(case_title(row)), cells.clean(setting_title(row))


def name(task: Measurement) -> str:
    """The variant of a task, the name of a benchmark."""
    return cells.text_of(task.columns["name" if is_benchmark(task) else "variant"])


def is_benchmark(task: Measurement) -> bool:
    """Whether the task is of pytest-benchmark, and not of a run."""
    return "variant" not in task.columns


def full_name(task: Measurement) -> str:
    """A task in one line: variant, case and setting."""
    case, setting = titles(task)
    return f"{name(task)} of {case}, {setting}" if setting else f"{name(task)} ({case})"


def names(tasks: Iterable[Measurement]) -> list[str]:
    """Tasks of one side by name, a text a cohort; what was not measured with its status. A layer has a text of its own,
    with its time.
    """
    found: dict[tuple[str, str], list[str]] = {}
    layers = []
    for task in tasks:
        if task.columns.get("is_whole") is False:
            layers.append(_layer(task))
            continue
        status = "" if task.status == "ok" else f" ({cells.text_of(task.status)})"
        found.setdefault(titles(task), []).append(name(task) + status)
    told = [f"{', '.join(filter(None, title))}: {', '.join(texts)}" for title, texts in found.items()]
    return [*told, *layers]


def _layer(task: Measurement) -> str:
    """A layer that one side's model has alone: `512 µs: Conv2D 3x3x4x4 on 8x8x4, training (first)`."""
    count, label = task.columns["count"], task.columns.get("label")
    latencies = [one.value for one in task.latencies]
    latency = format_seconds(float(np.median(latencies))) if latencies else cells.text_of(task.status)
    times = latency if count == 1 else f"{count} × {latency}"
    return f"{times}: {name(task)}" + (f" ({cells.clean(label)})" if label else "")


def is_notable(task: Compared) -> bool:
    """Whether a task changed, is not decided, ended otherwise than before, or failed on both sides."""
    return task.verdict in _CHANGED or task.base.status != task.head.status or _has_failed(task)


def _has_failed(task: Compared) -> bool:
    """Whether it failed on both sides alike; what no side supports is no failure."""
    return task.base.status == task.head.status not in ("ok", "unsupported", NOT_REACHED)


def told_changes(task: Compared, *, everything: bool) -> list[Change]:
    """The changes of a task that are shown: those that are not unchanged, or with `everything` all that say something.

    What is reported and never judged is shown only with everything.
    """
    failed = _has_failed(task)

    def is_told(one: Change) -> bool:
        changed = one.verdict in _CHANGED or _is_other_status(one)
        return (_says_something(one) if everything else changed) or (failed and one.metric == "status")

    return list(filter(is_told, task.changes))


def _says_something(change: Change) -> bool:
    if change.metric in ("status", "params"):
        return change.base != change.head or change.verdict in _CHANGED or change.head not in ("ok", change.base)
    return change.base is not None or change.head is not None


def _is_other_status(change: Change) -> bool:
    return change.metric == "status" and change.base != change.head


def line(task: Compared, change: Change) -> MetricLine:
    """A change of a task in texts."""
    found = change.ratio
    digits = earned_digits(found.estimate, found.low, found.high) if isinstance(found, Interval) else None
    texts = [_value(change.metric, value, side, digits) for value, side in _sides(task, change)]
    notes = [cells.clean(change.reason)] if change.reason and change.reason not in _REMEDIES else []
    return MetricLine(
        name_of(change.metric), texts[0], texts[1], ratio(change), change.verdict, (*notes, *_flags(task, change))
    )


def _sides(task: Compared, change: Change) -> list[tuple[Any, Measurement]]:
    return [(change.base, task.base), (change.head, task.head)]


def _value(metric: str, value: Any, side: Measurement, digits: int | None) -> str:
    """One side's figure, with the digits that the ratio has earned."""
    if value is None:
        return cells.DASH
    if metric == "memory":
        return f"{'~' if side.memory_source == 'resident' else ''}{format_bytes(value)}"
    if metric == "params":
        return format_count(value)
    return cells.text_of(value) if metric == "status" else format_seconds(value, digits or 2)


def ratio(change: Change) -> str:
    """Head over base with its interval; three digits of what is counted, two of what has no interval."""
    found = change.ratio
    if found is None:
        return ""
    if isinstance(found, Interval):
        return cells.ratio(found.estimate, found.low, found.high)
    return f"{significant(found, 3 if change.metric in ('memory', 'params') else 2)}×"


def _flags(task: Compared, change: Change) -> list[str]:
    """Of a latency, the side on which the machine did not stand still."""
    if change.metric != "latency":
        return []
    sides = (("base", task.base.flags), ("head", task.head.flags))
    causes = [(side, [flag for flag in flags if flag != UNSTABLE]) for side, flags in sides if UNSTABLE in flags]
    return [f"{UNSTABLE} in {side}" + (f": {cells.text_of(found)}" if found else "") for side, found in causes]


def unstable(comparison: Comparison) -> str | None:
    """How many tasks the machine did not stand still for."""
    count = sum(UNSTABLE in (*task.base.flags, *task.head.flags) for task in comparison.tasks)
    return f"Unstable: the machine changed speed during {counted(count, 'task')}." if count else None


def remedies(judgement: Judgement) -> list[str]:
    """What keeps the comparison or its tasks from being decided, and what to do; no advice is given twice."""
    comparison, told = judgement.comparison, []
    if comparison.is_same_run:
        return [_SAME_RUN]
    if comparison.rules_nothing_out and comparison.verdict == compare.INCONCLUSIVE:
        told.append(" ".join(_advice(judgement)[_WIDE]))
    if comparison.covers_too_little:
        gone = len(comparison.gone)
        told.append(_GONE.format(counted(gone, "task"), "is" if gone == 1 else "are"))
    open_ones = [(t, c) for t in comparison.tasks for c in t.changes if c.verdict == compare.INCONCLUSIVE]
    counts = collections.Counter({id(task): _reason(change) for task, change in reversed(open_ones)}.values())
    advice, given = _advice(judgement), set()
    for reason, count in counts.items():
        new = [sentence for sentence in advice[reason] if sentence not in given]
        given.update(new)
        told.append(" ".join([f"Undecided in {counted(count, 'task')}: {reason}.", *new]))
    return told


def cautions(judgement: Judgement) -> list[str]:
    """What a reader must know of how the files came about: cut short, or both of the same code."""
    runs, told = (*judgement.base.runs, *judgement.head.runs), []
    if any(facts.get("finished") is False for facts in runs):
        told.append("The measurement was cut short: a file is not finished.")
    elif any(facts.get("stopped_by") == "budget" for facts in runs):
        told.append("The budget ended the measurement early. For more visits, give a larger --budget.")
    if any(facts.get("is_one_file") for facts in runs):
        told.append("Base and head import the same file, so they are the same code.")
    return told


def _advice(judgement: Judgement) -> Mapping[str, Sequence[str]]:
    """What to do by what is missing, for the way in which the sides were measured."""
    tasks = judgement.comparison.tasks
    advice = _OF_BENCHMARKS if any(is_benchmark(task.head) for task in tasks) else _REMEDIES
    if any(task.basis in (PAIRED, BOTH) for task in tasks):
        advice = _OF_PAIRS
    untold = sum(one.why in UNTOLD for side in (judgement.base, judgement.head) for one in side.others)
    if not untold:
        return advice
    pooled = (_UNTOLD.format(counted(untold, "file")),)
    return {**advice, compare.FEW: pooled, _WIDE: pooled}


def _reason(change: Change) -> str:
    if change.metric == "status" and change.reason != OTHER_KERNELS:
        return _UNREACHED
    return change.reason if change.reason and change.reason in _REMEDIES else _WIDE


_WIDE = "the estimate is beyond the threshold, but its interval is not"
_UNREACHED = f"a run did not reach it ({NOT_REACHED})"
_LONGER = "Measure longer (--least-visits 24 --visits 48 --budget 15m), or put several runs per side into a folder."
# Both sides share the visits, so that one command makes them longer; runs of a folder are of one side.
_BOTH_LONGER = "Measure longer (--visits 30 --budget 20m)."
_TELLS = "`grouped-bench doctor` shows the smallest difference that this machine can detect."
_ON_ONE = "Measure both on one machine."
_SAME_RUN = "A run compared with itself shows nothing. Name two runs."
_GONE = "{} of base {} gone. If that is intended, add --allow-gone."
_UNTOLD = "{} left out: what was measured is not recorded. If all files of a folder repeat one side, add --as-one."
_REMEDIES: Mapping[str, Sequence[str]] = {
    compare.FEW: (_LONGER,),
    _WIDE: (_LONGER, _TELLS),
    compare.NO_REFERENCE: (_ON_ONE,),
    OTHER_KERNELS: (_ON_ONE, "To keep a baseline of this one, run `grouped-bench baseline save latest`."),
    compare.NOT_TIMED: ("Measure both again.",),
    _UNREACHED: ("Give the run a larger --budget.",),
}
_OF_PAIRS = {**_REMEDIES, compare.FEW: (_BOTH_LONGER,), _WIDE: (_BOTH_LONGER, _TELLS)}
_REPEAT = "Run the benchmarks at least three times per side, each into a JSON file of its own in one folder."
_MORE = "Run the benchmarks more often on each side."
_OF_BENCHMARKS = {**_REMEDIES, compare.FEW: (_REPEAT,), _WIDE: (_MORE,)}


def taken(side: str, found: Taken) -> str:
    """Which runs stand for a side: `head: 3 runs of commit 0123456789 (…); 2 others left out: a, b (why)`."""
    names = [run_name(facts) for facts in found.runs]
    several = len(names) > 1
    told = f"{counted(len(names), 'run')} ({_some(names, _MOST_RUNS)})" if several else f"run {names[0]}"
    told += f" of commit {cells.commit(found.commit)}" if found.commit else ""
    if any(_is_dirty(facts) for facts in found.runs):
        changes = found.runs[0]["commit"].get("changes") if found.is_one_state else None
        told += ", with uncommitted changes" + (f" (digest {cells.commit(changes)})" if changes else "")
    told += ", as one side (--as-one)" if several and not (found.is_one_state or found.is_rerun) else ""
    told += ", the later ones of what was open in the first" if found.is_rerun else ""
    where = "; ".join(machines.classes(found.runs))
    told += f", on {cells.clean(where)}" if where else ""
    return f"{side}: {told}" + (f"; {_left_out(found.others)}" if found.others else "")


def _left_out(others: Sequence[LeftOut]) -> str:
    """`3 others left out: a, b (why); c (why)`."""
    found: dict[str, list[str]] = {}
    for one in others:
        found.setdefault(one.why, []).append(cells.clean(one.name))
    told = [f"{_some(names, _MOST_OTHERS)} ({why})" for why, names in found.items()]
    return f"{counted(len(others), 'other')} left out: {'; '.join(told)}"


def _some(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _is_dirty(facts: Facts) -> bool:
    commit = facts.get("commit")
    return isinstance(commit, dict) and bool(commit.get("dirty"))


def differences(judgement: Judgement) -> list[tuple[str, str, str]]:
    """The facts of the environment in which the sides differ, each with its text in base and in head."""
    base, head = judgement.base.runs, judgement.head.runs
    found = contrast([*base, *head])
    rows = found.rows if found else ()
    sides = [(fact, _joined(texts[: len(base)]), _joined(texts[len(base) :])) for fact, texts in rows]
    return [(fact, before, after) for fact, before, after in sides if before != after]


def _joined(texts: Sequence[str]) -> str:
    return " or ".join(sorted(set(texts)))


def cohorts(tasks: Iterable[Compared]) -> list[tuple[tuple[str, str], list[Compared]]]:
    """Tasks under the titles of their case and setting, in their order."""
    found: dict[tuple[str, str], list[Compared]] = {}
    for task in tasks:
        found.setdefault(titles(task.head), []).append(task)
    return list(found.items())
