"""Claims about the variants of cohorts of one setting, each with the rows that support it."""

import collections
from collections.abc import Callable, Iterable, Sequence

from grouped_bench import variants
from grouped_bench.analyse.crossings import FROM, OPEN, Crossing, crossings, settled
from grouped_bench.analyse.leads import Part, leader
from grouped_bench.analyse.rows import DENSE, GROUPED, baseline_name, by_function, groups_of, is_baseline, is_ok
from grouped_bench.report.drawing.panels import describe
from grouped_bench.report.findings.sentences import Finding, at, in_cases
from grouped_bench.report.run.summary import compared
from grouped_bench.report.text import cells
from grouped_bench.report.text.crossings import in_words
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, significant

_FEWER = 1.05
_MOST_VARIANTS = 4


def fastest(part: Part) -> list[Finding]:
    """For each function with a choice of ways: which has a clear lead over the others in how many cohorts."""
    choices: dict[str, list[Task | None]] = collections.defaultdict(list)
    for cohort in part.split:
        for rows in by_function(cohort.rows):
            if sum(row.latency_s is not None for row in rows) > 1:
                choices[rows[0].computes].append(leader(rows))
    return [told for function, leaders in choices.items() for told in _fastest_of(part, function, leaders)]


def _fastest_of(part: Part, function: str, leaders: Sequence[Task | None]) -> list[Finding]:
    clear = [row for row in leaders if row is not None]
    wins = collections.Counter(row.variant for row in clear).most_common()
    if all(map(is_baseline, clear)):
        return []
    name, won = next((name, won) for name, won in wins if name != baseline_name(clear[0]))
    mine = [row for row in clear if row.variant == name]
    text = (
        f"{cells.text_of(name)} is clearly the fastest form of the {cells.text_of(function)} function"
        f"{in_cases(won, len(leaders))}"
    )
    timed = [row for row in mine if row.speedup]
    # Where these are the same rows, the sentence on where grouping pays says it.
    if timed and set(map(id, timed)) != set(map(id, _by_outcome(part)[0])):
        text += f": {_reach(part, timed)}, relative to {baseline_name(mine[0])}"
    others = [f"{cells.text_of(other)} leads in {count}" for other, count in wins[:_MOST_VARIANTS] if other != name]
    unclear = len(leaders) - len(clear)
    others += [f"no lead is clear in {unclear}"] if unclear else []
    return [Finding("; ".join([text, *others]) + ".", tuple(clear))]


def paying(part: Part) -> list[Finding]:
    """Where the grouped function is faster than the dense one, in whichever way is fastest, and where in none."""
    best, barren, unclear = _by_outcome(part)
    if not best and not barren:
        return []
    first = (best or barren)[0]
    dense = "the bottleneck block" if first.cardinality else "the dense layer"
    total = len(best) + len(barren) + unclear
    text = f"Grouping beats {dense}{in_cases(len(best), total)}"
    told = [f"{text}: {_reach(part, best, named=True)}", *_allowed(part, best)] if best else [text]
    told = [f"Grouping does not beat {dense}"] if not best and total == 1 else told
    told += [f"No measured variant is faster in {counted(len(barren), 'case')}"] if barren and (best or unclear) else []
    told += [f"Open: {counted(unclear, 'case')}"] if unclear else []
    return [Finding(". ".join(told) + ".", (*best, *barren))]


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


def _allowed(part: Part, best: Sequence[Task]) -> list[str]:
    """What fewer multiply-accumulates would allow at both ends of `_reach`."""
    savings = [part.saving(row) or 1.0 for row in _ends(best)]
    if min(savings) < _FEWER:
        return []
    return [f"Arithmetic alone would allow {cells.listed(dict.fromkeys(map(_times, savings)))}"]


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


def idle(part: Part) -> list[Finding]:
    """One sentence for each variant that saved arithmetic somewhere and no time."""
    return _of_variants(part, _idle_of)


def _idle_of(part: Part, judged: Sequence[Task]) -> list[Finding]:
    fewer = [row for row in judged if (part.saving(row) or 0) >= _FEWER]
    rows = [row for row in fewer if settled(row) in ("slower", "equivalent")]
    if not rows:
        return []
    savings = sorted(part.saving(row) or 0 for row in rows)
    span = " to ".join(dict.fromkeys(map(_times, (savings[0], savings[-1]))))
    share = in_cases(len(rows), len(fewer))
    text = f"{_glossed(rows[0])} saves arithmetic but no time{share}: {span} fewer multiply-accumulates"
    return [Finding(f"{text}{_worst(part, rows)}.", tuple(rows))]


def losing(part: Part) -> list[Finding]:
    """One sentence for each variant that was slower somewhere, and saved nothing."""
    return _of_variants(part, _losing_of)


def _losing_of(part: Part, judged: Sequence[Task]) -> list[Finding]:
    rows = [row for row in judged if settled(row) == "slower" and (part.saving(row) or 0) < _FEWER]
    if not rows:
        return []
    share = in_cases(len(rows), len(judged))
    text = f"{_glossed(rows[0])} is slower than {baseline_name(rows[0])}{share}{_worst(part, rows)}."
    return [Finding(text, tuple(rows))]


def _worst(part: Part, rows: Sequence[Task]) -> str:
    slower = [row for row in rows if settled(row) == "slower" and row.speedup]
    if not slower:
        return ""
    worst = min(slower, key=lambda row: row.factor)
    it = "At worst it" if len(rows) > 1 else "It"
    return f". {it} takes {_slowdown(worst)} of {baseline_name(worst)} ({at(part, worst)})"


def winning(part: Part) -> list[Finding]:
    """One sentence for each variant of another function than the grouped that was faster somewhere."""
    return _of_variants(part, _winning_of)


def _winning_of(part: Part, judged: Sequence[Task]) -> list[Finding]:
    faster = [row for row in judged if settled(row) == "faster" and row.speedup]
    if all(id(row) in part.leaders for row in faster) or judged[0].computes in GROUPED:
        return []
    share = in_cases(len(faster), len(judged))
    text = f"{_glossed(faster[0])} is faster than {baseline_name(faster[0])}{share}: {_reach(part, faster)}."
    another = "" if faster[0].computes in DENSE else " It computes another function."
    return [Finding(f"{text}{another}", tuple(faster))]


def _of_variants(part: Part, tell: Callable[[Part, Sequence[Task]], list[Finding]]) -> list[Finding]:
    judged: dict[str, list[Task]] = collections.defaultdict(list)
    for row in compared(part.rows):
        judged[row.variant].append(row)
    return [told for rows in judged.values() for told in tell(part, rows)]


def _reach(part: Part, rows: Iterable[Task], *, named: bool = False) -> str:
    """The least and the most: `2.30× [2.25–2.35] with 4 groups (64→64), 8.00× [7.84–8.16] with 32 (128→128)`."""
    told: list[str] = []
    for row in _ends(rows):
        groups = str(groups_of(row)) if told else cells.splits(row)
        marks = [cells.text_of(row.variant)] * named + [describe(row, part.varying_shape)]
        where = ", ".join(filter(None, marks))
        told.append(f"{_ratio(row)} with {groups}" + (f" ({where})" if where else ""))
    return ", ".join(told)


def _ends(rows: Iterable[Task]) -> list[Task]:
    """The row with the least speed-up and the one with the most; a single row alone."""
    ordered = sorted((row for row in rows if row.speedup), key=lambda row: row.factor)
    return ordered if len(ordered) == 1 else [ordered[0], ordered[-1]]


def _ratio(row: Task) -> str:
    return cells.ratio(row.factor, row.speedup_low, row.speedup_high)


def _slowdown(row: Task) -> str:
    """How many times as long as the baseline it took: the speed-up and its interval turned over."""
    low, high = row.speedup_low, row.speedup_high
    text = cells.ratio(1 / row.factor, 1 / high if high else None, 1 / low if low else None)
    return f"{text} the time"


def _times(value: float) -> str:
    return f"{significant(value, 2).removesuffix('.0')}×"


def _glossed(row: Task) -> str:
    function = cells.text_of(row.computes)
    variant = variants.find(row.variant)
    gloss = f"{variant.gloss}; " if variant and variant.gloss else ""
    return f"{cells.text_of(row.variant)} ({gloss}{function} function)"
