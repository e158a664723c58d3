"""Claims about the variants of cohorts, each with the rows that support it and the least effect that they show."""

import collections
import itertools
import math
from collections.abc import Sequence

from grouped_bench import variants
from grouped_bench.analyse.answer import Answer, Line, answers
from grouped_bench.analyse.crossings import FROM, OPEN, Crossing, crossings, settled
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.leads import Part, gain, is_clearly_faster, latency
from grouped_bench.analyse.network.parts import own_variant
from grouped_bench.analyse.rows import (
    DENSE,
    GROUPED,
    baseline_name,
    by_function,
    gathered,
    is_baseline,
    is_ok,
    is_timed,
    key_of,
)
from grouped_bench.report.drawing.panels import describe
from grouped_bench.report.findings.sentences import Finding, at, in_cases, setting
from grouped_bench.report.run.summary import compared
from grouped_bench.report.text import cells, factors
from grouped_bench.report.text.crossings import in_words
from grouped_bench.report.text.forms import own_form_of
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted, format_seconds

_FEWER = 1.05
# What a case has on every backend, its function too: with one group all functions are one.
_SHARED = key_of(
    (*(name for name in COHORT_KEY if name not in ("backend", "execution", "env", "threads", "layout")), "run_id")
)
_MOST_VARIANTS = 4
# Axes along which work changes little or predictably, and from which factor on it is told that time does not.
_TRENDS, _STRANGE = ("groups", "dilation", "data_format"), 1.5


def totals(part: Part) -> list[Finding]:
    """What all convolutions of a network take as they are and in their best forms, in each setting."""
    return [_total(part, answer) for answer in answers(part.rows) if answer.is_network and answer.faster]


def _total(part: Part, answer: Answer) -> Finding:
    count = counted(sum(line.times for line in answer.lines), "convolution")
    step = "training step" if answer.first.pass_ == "training" else "call"
    times = f"{format_seconds(answer.seconds)} → {format_seconds(answer.after)} a {step}"
    where = setting(part, answer.first)
    text = f"{count} are {_change(answer.gain)} in their best forms: {times}{f' ({where})' if where else ''}."
    rows = tuple(row for line in answer.faster for row in (line.own, line.best) if row is not None)
    return Finding(cells.clean(text), rows, _least(answer.gain))


def gains(part: Part) -> list[Finding]:
    """One sentence for each form that is the fastest somewhere and clearly faster than what Keras has, in sweeps."""
    lines = [line for answer in answers(part.rows) if not answer.is_network for line in answer.lines]
    best = dict.fromkeys((line.best.variant, own_variant(line.own)) for line in lines if line.best is not None)
    return [_gain(part, form, [line for line in lines if own_variant(line.own) == own]) for form, own in best]


def _gain(part: Part, form: str, lines: Sequence[Line]) -> Finding:
    tried = [(row, line.own) for line in lines for row in line.forms if row.variant == form]
    faster = [(row, own) for row, own in tried if is_clearly_faster(row, own)]
    row, own = max(faster, key=lambda pair: gain(*pair).low or 0.0)
    named = cells.text_of(own_form_of(own))
    text = f"{cells.text_of(form)} is {_change(gain(row, own))} than {named} ({at(part, row)})."
    rows = tuple(task for pair in faster for task in pair)
    return Finding(text + _often("is clearly faster", len(faster), len(tried)), rows, _least(gain(row, own)))


def backends(part: Part) -> list[Finding]:
    """Which backend's best form is the fastest, over the cases that several have; no round pairs their latencies."""
    cases: dict[object, list[Task]] = collections.defaultdict(list)
    for cohort in part.cohorts:
        for best in (rows[0] for rows in by_function(cohort.rows) if rows[0].computes in (*GROUPED, *DENSE)):
            if is_timed(best) and (best.computes in GROUPED or cohort.groups == 1):
                cases[_SHARED(best)].append(best)
    pairs = [pair for rows in cases.values() if (pair := _first_two(rows))]
    wins = [(first, second) for first, second in pairs if latency(second).over(latency(first)).exceeds(1.0)]
    if not wins:
        return []
    counts = collections.Counter(first.backend for first, _ in wins).most_common()
    often = " and ".join(f"{cells.text_of(name)} in {count}" for name, count in counts)
    still = f"; {len(pairs) - len(wins)} open" if len(pairs) > len(wins) else ""
    first, second = max(wins, key=lambda pair: latency(pair[1]).over(latency(pair[0])).low or 0.0)
    ratio = latency(second).over(latency(first))
    most = f"{cells.text_of(first.backend)} is {_change(ratio)} than {cells.text_of(second.backend)}"
    named = f"{cells.text_of(first.variant)}, {at(part, first)}"
    text = f"Fastest backend: {often} of {counted(len(pairs), 'case')}{still}. At most {most} ({named})."
    return [Finding(text, tuple(row for pair in wins for row in pair), _least(ratio))]


def _first_two(rows: Sequence[Task]) -> tuple[Task, Task] | None:
    """The fastest row of the fastest backend, and of the one after it; None of a single backend."""
    best: dict[str, Task] = {}
    for row in sorted(rows, key=lambda row: row.seconds):
        best.setdefault(row.backend, row)
    first, second, *_ = (*best.values(), None, None)
    return (first, second) if first is not None and second is not None else None


def trends(part: Part) -> list[Finding]:
    """Of each variant and axis the worst pair of cases that differ in it alone, where less or equal work takes longer.

    Without groups a case is another function, so of the groups there must be more than one.
    """
    found = []
    for axis in _TRENDS:
        rows = [row for row in part.rows if _is_sure(row) and (axis != "groups" or (row.groups or 1) > 1)]
        others = tuple(name for name in COHORT_KEY if name != axis)
        worst: dict[str, tuple[Estimate, Task, Task]] = {}
        for alike in gathered(rows, ("run_id", "variant", *others)):
            for less, more in itertools.permutations(alike, 2):
                slower = latency(less).over(latency(more))
                if less.macs <= more.macs and slower.exceeds(_STRANGE):
                    kept = worst.get(less.variant)
                    if kept is None or _least(slower) > _least(kept[0]):
                        worst[less.variant] = (slower, less, more)
        found += [_trend(part, axis, *pair) for pair in worst.values()]
    return found


def _is_sure(row: Task) -> bool:
    """Whether what is known of a case may be held against another's, with which no round pairs it."""
    return is_timed(row) and bool(row.macs) and (is_baseline(row) or settled(row) is not None)


def _trend(part: Part, axis: str, slower: Estimate, less: Task, more: Task) -> Finding:
    ends = [_on_axis(row, axis) for row in (less, more)]
    work = "less arithmetic" if less.macs < more.macs else "as much arithmetic"
    where = ", ".join(filter(None, [describe(less, [n for n in part.varying_shape if n != axis]), setting(part, less)]))
    text = f"{cells.text_of(less.variant)} is {_change(slower.turned())} with {ends[0]} than with {ends[1]}, for {work}"
    return Finding(f"{text}{f' ({where})' if where else ''}.", (less, more), _least(slower))


def _on_axis(row: Task, axis: str) -> str:
    if axis == "groups":
        return counted(row.groups, "group")
    value = cells.column_text(row, axis)
    return value if axis == "data_format" else f"{axis} {value}"


def losses(part: Part) -> list[Finding]:
    """One sentence for each variant that was slower than the baseline somewhere, by its greatest slow-down."""
    every = _by_variant(part)
    return [_loss(part, judged, slower) for judged in every if (slower := _settled(judged, "slower"))]


def _loss(part: Part, judged: Sequence[Task], slower: Sequence[Task]) -> Finding:
    worst = min(slower, key=lambda row: row.factor)
    less = ", with less arithmetic" if (part.saving(worst) or 0) >= _FEWER else ""
    text = f"{_glossed(worst)} is {_row_change(worst)} than {baseline_name(worst)}{less} ({at(part, worst)})."
    return Finding(text + _often("is slower", len(slower), len(judged)), tuple(slower), _row_least(worst))


def paying(part: Part) -> list[Finding]:
    """Where the grouped function is faster than the dense one, in whichever way is fastest, and where in none."""
    scopes = dict.fromkeys(cohort.rows[0].scope for cohort in part.split)
    apart = (Part(part.name, [one for one in part.split if one.rows[0].scope == scope]) for scope in scopes)
    return [finding for one in apart for finding in _paying(one)]


def _paying(part: Part) -> list[Finding]:
    best, barren, unclear = _by_outcome(part)
    if not best and not barren:
        return []
    dense = "the bottleneck block" if (best or barren)[0].cardinality else "the dense layer"
    total = len(best) + len(barren) + unclear
    still = f" Open: {counted(unclear, 'case')}." if unclear else ""
    if not best:
        where = " in any of " + counted(total, "case") if total > 1 else ""
        return [Finding(f"Grouping does not beat {dense}{where}.{still}", tuple(barren))]
    most = max(best, key=lambda row: row.factor)
    where = f"{cells.text_of(most.variant)}, {at(part, most)}"
    text = f"Grouping beats {dense}{in_cases(len(best), total)}: {_row_change(most)} at best ({where}).{still}"
    return [Finding(text, (*best, *barren), _row_least(most))]


def _by_outcome(part: Part) -> tuple[list[Task], list[Task], int]:
    """One row a cohort: the fastest where one is faster, the least slow where none is; and how many are open."""
    best: list[Task] = []
    barren: list[Task] = []
    unclear = 0
    for cohort in part.split:
        rows = [row for row in cohort.rows if row.computes in GROUPED and is_ok(row) and not is_baseline(row)]
        faster = [row for row in rows if settled(row) == "faster" and row.speedup]
        if faster:
            best.append(max(faster, key=lambda row: row.factor))
        elif rows and all(settled(row) and row.speedup for row in rows):
            barren.append(max(rows, key=lambda row: row.factor))
        elif rows:
            unclear += 1
    return best, barren, unclear


def crossing(part: Part) -> list[Finding]:
    """The smallest group count from which each variant stays faster than dense; empty if there is none."""
    of_variant: dict[str, list[Crossing]] = collections.defaultdict(list)
    for one in crossings(part.rows):
        if one.rows[0].computes in GROUPED:
            of_variant[one.rows[0].variant].append(one)
    starts = {name: min((one.groups or 0 for one in some if one.kind == FROM), default=0)
              for name, some in of_variant.items()}  # fmt: skip
    order = sorted((name for name in starts if starts[name]), key=lambda name: starts[name])[:_MOST_VARIANTS]
    if not order:
        return []
    told = "; ".join(f"{cells.text_of(name)} {in_words(of_variant[name])}" for name in order)
    rows = tuple(
        row for name in order for one in of_variant[name] if one.kind != OPEN for row in one.rows if settled(row)
    )
    return [Finding(f"Faster than {baseline_name(rows[0])}: {told}.", rows)]


def winning(part: Part) -> list[Finding]:
    """One sentence for each variant of another function than the grouped that was faster somewhere."""
    others = [judged for judged in _by_variant(part) if judged[0].computes not in GROUPED]
    return [_win(part, judged, faster) for judged in others if (faster := _settled(judged, "faster"))]


def _win(part: Part, judged: Sequence[Task], faster: Sequence[Task]) -> Finding:
    most = max(faster, key=lambda row: row.factor)
    another = "" if most.computes in DENSE else " It computes another function."
    text = f"{_glossed(most)} is {_row_change(most)} than {baseline_name(most)} ({at(part, most)})."
    text += f"{_often('is faster', len(faster), len(judged))}{another}"
    return Finding(text, tuple(faster), 0.0 if another else _row_least(most))


def _by_variant(part: Part) -> list[list[Task]]:
    judged: dict[str, list[Task]] = collections.defaultdict(list)
    for row in compared(part.rows):
        judged[row.variant].append(row)
    return list(judged.values())


def _settled(rows: Sequence[Task], verdict: str) -> list[Task]:
    return [row for row in rows if settled(row) == verdict and row.speedup]


def _often(what: str, count: int, total: int) -> str:
    """` It is slower in 3 of 4 cases.`; nothing where one case is all."""
    return f" It {what}{in_cases(count, total)}." if total > 1 else ""


def _change(estimate: Estimate) -> str:
    return factors.factor(estimate.value, estimate.low, estimate.high)


def _row_change(row: Task) -> str:
    return factors.factor(row.factor, row.speedup_low, row.speedup_high)


def _row_least(row: Task) -> float:
    return _least(Estimate(row.factor, row.speedup_low, row.speedup_high))


def _least(estimate: Estimate) -> float:
    """The least effect that the interval leaves, as a logarithm: faster and slower alike."""
    low, high = estimate.low or estimate.value, estimate.high or estimate.value
    return max(0.0, math.log(low), -math.log(high))


def _glossed(row: Task) -> str:
    variant = variants.find(row.variant)
    return cells.text_of(row.variant) + (f" ({variant.gloss})" if variant and variant.gloss else "")
