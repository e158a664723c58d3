"""What the record lets one say, in plain sentences: nothing beyond its verdicts and their intervals."""

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from grouped_bench.analyse.stability import FLAGS, UNSTABLE, is_unstable
from grouped_bench.report import cells
from grouped_bench.report.rows import (
    VERDICTS,
    Cohort,
    Row,
    baseline_name,
    by_function,
    cohorts,
    is_baseline,
    is_ok,
    plain,
    varying,
    verdict_of,
)
from grouped_bench.store import schema

STOPS = {
    "settled": "stopped when every verdict was settled",
    "visits": "stopped when the visits allowed were used up",
    "budget": "stopped when the budget was spent",
    "user": "was stopped by the user",
}
_GLOSSES = {
    "grouped": "Keras groups=",
    "grouped_native": "the backend's own grouped operation",
    "split_concat": "a convolution a group, concatenated",
    "split_sum": "a convolution a group, summed",
    "resnext_sum": "a path of three convolutions each, summed",
    "resnext_concat": "a path of two convolutions each, concatenated",
    "resnext_grouped": "Keras groups=",
    "resnext_native": "the backend's own grouped operation",
}
# Functions that are the same where nothing is split, and how that is said.
_TWINS = {
    "With one group the dense and the grouped function": ("dense", "grouped"),
    "With one path the bottleneck and the resnext function": ("bottleneck", "resnext"),
}
_CAUSES = tuple(flag for flag in FLAGS if flag != UNSTABLE)
_SETTING = ("machine", "backend", "execution", "device", "cache", "dtype", "scope", "rank", "pass")
_MOST_PARTS = 6


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence, and the rows of the record that it rests on; a sentence on a whole run has none."""

    text: str
    rows: tuple[Row, ...] = ()


def findings(frame: pd.DataFrame, metadata: Sequence[dict[str, Any]] = ()) -> list[Finding]:
    """Sentences on what was fastest, what was slower than the baseline, and what stayed open.

    Cohorts of unlike settings and passes are told apart. Only variants that compute the same function are
    ranked with each other, and only speed-ups whose intervals do not meet are called a clear lead.
    """
    rows = plain(frame)
    if not any(map(is_ok, rows)):
        return [Finding("Nothing was measured, so there is nothing to find.")]
    told: list[str] = []
    parts = _parts(rows)
    for part in parts[:_MOST_PARTS]:
        grouped = [cohort for cohort in part.cohorts if cohort.groups > 1]
        sentences = [*_fastest(grouped), *_slower(part.cohorts)]
        told += [f"{part.name}: {sentence}" if part.name else sentence for sentence in sentences]
    if len(parts) > _MOST_PARTS:
        told.append(f"{len(parts) - _MOST_PARTS} more settings are in the tables only.")
    found = cohorts(rows)
    told += [*_twins(found), *_open(found), *_flags(rows)]
    told = told or ["No verdict was reached: nothing can be said beyond the latencies in the tables."]
    return list(map(Finding, told))


def counts(rows: Sequence[Row], metadata: Sequence[dict[str, Any]], *, of: int | None = None) -> list[str]:
    """The closing lines of a table: tasks by status, verdicts, skips, and how each run stopped.

    Args:
        rows: the rows that are shown.
        metadata: the run-wide facts of each run.
        of: number of rows they were selected from, if fewer are shown.
    """
    total = len(rows)
    shown = f"{total} of {cells.counted(of, 'task')}" if of not in (None, total) else cells.counted(total, "task")
    statuses = _tally((row["status"] for row in rows), schema.STATUSES)
    verdicts = _tally(map(verdict_of, _compared(rows)), VERDICTS)
    lines = [f"{shown} in {cells.counted(len(cohorts(rows)), 'cohort')}: {statuses}." if total else f"{shown}."]
    if verdicts:
        lines.append(f"Against the baseline: {verdicts}.")
    if any(map(cells.is_coarse, rows)):
        lines.append("~: memory read from the resident set, which moves by tens of KiB; not to be compared closely.")
    return lines + [line for facts in metadata for line in _run_lines(facts, several=len(metadata) > 1)]


def stop(facts: dict[str, Any]) -> str:
    """How a run ended, as words that follow `The run`."""
    why = facts.get("stopped_by")
    if why is not None:
        return STOPS.get(why, f"stopped by {cells.clean(why)}")
    if facts.get("finished") is not False:
        return "does not say how it stopped"
    visits = facts.get("visits")
    return f"is not finished: {visits:,} visits so far" if isinstance(visits, int) else "is not finished"


def lead_is_clear(first: Row, second: Row) -> bool:
    """Whether the interval of the first one's speed-up lies wholly above the second one's."""
    low, high = _ends(first)[0], _ends(second)[1]
    stable = not is_unstable(first) and not is_unstable(second)
    return stable and low is not None and high is not None and low > high


@dataclasses.dataclass(frozen=True)
class _Part:
    """Cohorts of one setting and pass, which may be spoken of together."""

    name: str
    cohorts: list[Cohort]


def _parts(rows: Sequence[Row]) -> list[_Part]:
    names = varying(rows, _SETTING)
    found: dict[tuple[Any, ...], list[Cohort]] = {}
    for cohort in cohorts(rows):
        found.setdefault(tuple(cohort.rows[0][name] for name in names), []).append(cohort)
    return [_Part(_part_name(part[0].rows[0], names), part) for part in found.values()]


def _part_name(row: Row, names: Iterable[str]) -> str:
    words = [f"Conv{row['rank']}D" if name == "rank" else cells.text_of(row[name]) for name in names]
    return " ".join(f"{word} cache" if name == "cache" else word for name, word in zip(names, words, strict=True))


def _fastest(found: Sequence[Cohort]) -> list[str]:
    """For each function with a choice: which variant was fastest how often, and its speed-up."""
    functions: dict[str, list[list[Row]]] = collections.defaultdict(list)
    for cohort in found:
        for ranked in by_function(cohort.rows):
            timed = [row for row in ranked if row["latency_s"] is not None]
            if len(timed) > 1:
                functions[timed[0]["computes"]].append(timed)
    open_choices = {
        function: ranked for function, ranked in functions.items() if not all(is_baseline(rows[0]) for rows in ranked)
    }
    return [_fastest_of(function, ranked) for function, ranked in open_choices.items()]


def _fastest_of(function: str, ranked: list[list[Row]]) -> str:
    wins = collections.Counter(rows[0]["variant"] for rows in ranked).most_common()
    name, won = wins[0]
    firsts = [rows for rows in ranked if rows[0]["variant"] == name]
    split = "path" if ranked[0][0]["cardinality"] else "group"
    clear = sum(lead_is_clear(rows[0], rows[1]) for rows in firsts)
    text = (
        f"In {won} of {cells.counted(len(ranked), 'cohort')} with more than one {split} the fastest way "
        f"measured to compute the {cells.text_of(function)} function was {cells.text_of(name)}, "
        f"by a clear lead in {clear}"
    )
    others = cells.listed(f"{cells.text_of(other)} ({count})" for other, count in wins[1:4])
    text += f"; elsewhere it was {others}" if others else ""
    compared = [rows[0] for rows in firsts if rows[0]["speedup"] is not None and not is_baseline(rows[0])]
    return f"{text}{_against_baseline(compared)}."


def _against_baseline(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    ends = sorted(rows, key=lambda row: row["speedup"])
    reach = _ratio(ends[0]) if len(rows) == 1 else f"from {_ratio(ends[0])} to {_ratio(ends[-1])}"
    verb = "was" if len(rows) == 1 else "ran"
    over = baseline_name(rows[0])
    return f". Its speed-up over {over} {verb} {reach} ({_tally(map(verdict_of, rows), VERDICTS)})"


def _slower(found: Sequence[Cohort]) -> list[str]:
    """One sentence for each variant that was slower than the baseline somewhere."""
    judged: dict[str, list[Row]] = collections.defaultdict(list)
    for cohort in found:
        for row in _compared(cohort.rows):
            judged[row["variant"]].append(row)
    return [_slower_of(name, rows) for name, rows in judged.items() if any(map(_is_slower, rows))]


def _slower_of(name: str, rows: list[Row]) -> str:
    slower = [row for row in rows if _is_slower(row)]
    function = cells.text_of(rows[0]["computes"])
    gloss = f"{_GLOSSES[name]}; {function} function" if name in _GLOSSES else f"{function} function"
    share = f"{len(slower)} of {cells.counted(len(rows), 'cohort')}"
    text = f"{cells.text_of(name)} ({gloss}) was slower than {baseline_name(rows[0])} in {share}"
    timed = [row for row in slower if row["speedup"]]
    if not timed:
        return f"{text}."
    worst = min(timed, key=lambda row: row["speedup"])
    where = f"at {cells.splits(worst)}" if worst["groups"] else "where groups are not recorded"
    return f"{text}, at worst {_slowdown(worst)} {where}."


def _slowdown(row: Row) -> str:
    """How many times as long as the baseline it took: the speed-up and its interval turned over."""
    low, high = row["speedup_low"], row["speedup_high"]
    text = cells.ratio(1 / row["speedup"], 1 / high if high else None, 1 / low if low else None)
    return f"{text} its time"


def _twins(found: Sequence[Cohort]) -> list[str]:
    """With nothing split all our variants are one function: what differs is the implementation, or an error."""
    alike = [row for cohort in found if cohort.groups == 1 for row in _compared(cohort.rows)]
    told = []
    for words, functions in _TWINS.items():
        rows = [row for row in alike if row["computes"] in functions]
        verdicts = _tally(map(verdict_of, rows), VERDICTS)
        if rows:
            told.append(f"{words} are the same; of {cells.counted(len(rows), 'comparison')} there, {verdicts}.")
    return told


def _open(found: Sequence[Cohort]) -> list[str]:
    judged = [row for cohort in found for row in _compared(cohort.rows)]
    undecided = sum(verdict_of(row) == "undecided" for row in judged)
    if not undecided:
        return []
    return [
        f"{undecided} of {cells.counted(len(judged), 'comparison')} with the baseline stayed undecided: "
        "their intervals are too wide to tell, which does not make them equal."
    ]


def _flags(rows: Sequence[Row]) -> list[str]:
    moved = list(filter(is_unstable, rows))
    told = []
    if moved:
        tally = _tally(flag for row in moved for flag in row["flags"] if flag in _CAUSES)
        told.append(
            f"The machine moved under {len(moved)} of {cells.counted(len(rows), 'task')}, which are unstable: "
            f"nothing is claimed of their speed-ups. Causes: {tally}."
        )
    others = [flag for row in rows for flag in row["flags"] or () if flag not in FLAGS]
    return told + ([f"Flags of tasks besides: {_tally(others)}."] if others else [])


def _run_lines(facts: dict[str, Any], *, several: bool) -> list[str]:
    name = f"Run {cells.clean(facts.get('run_id', 'without an id'))}" if several else "The run"
    lines = [f"{name} {stop(facts)}."]
    skipped = len(facts.get("skipped") or ())
    return lines + ([f"{name} left {cells.counted(skipped, 'case')} out of its plan, with reasons."] if skipped else [])


def _compared(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if is_ok(row) and not is_baseline(row) and row["verdict"] is not None]


def _is_slower(row: Row) -> bool:
    return verdict_of(row) == "slower"


def _ends(row: Row) -> tuple[float | None, float | None]:
    return (1.0, 1.0) if is_baseline(row) else (row["speedup_low"], row["speedup_high"])


def _ratio(row: Row) -> str:
    return cells.bare_ratio(row["speedup"], row["speedup_low"], row["speedup_high"])


def _tally(values: Iterable[Any], order: Sequence[str] = ()) -> str:
    """`3 faster, 1 slower`: known words in their order, then unknown ones by name; nulls are not counted."""
    tally = collections.Counter(cells.text_of(value) for value in values if value is not None)
    names = [name for name in order if tally[name]] + sorted(set(tally) - set(order))
    return ", ".join(f"{tally[name]} {name}" for name in names)
