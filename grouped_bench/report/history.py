"""The steps of a history as text: a table for people, Markdown, or JSON, and sentences for a page."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from grouped_bench.analyse.compare.basis import RAW
from grouped_bench.analyse.environment.differences import Absent, Difference
from grouped_bench.analyse.history.history import (
    LEAST_FOR_STEPS,
    Commit,
    History,
    LevelStep,
    PlacedRun,
    Reading,
    Series,
    Unmatched,
)
from grouped_bench.analyse.rows import case_title, setting_title, task_of
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.text import cells
from grouped_bench.report.text.markup import escape, pipes, uncalled
from grouped_bench.space.facts import Json
from grouped_bench.units import counted, earned_digits, format_seconds

_MOST_FACTS = 6
_MOST_LINES = 3
_HEADERS = ("task", "machine", "ratio", "from", "to", "for runs", "between")


def render(history: History, format: str, width: int = 80) -> str:
    """The history as text.

    Args:
        history: of some runs.
        format: `table`, `markdown` or `json`.
        width: columns of a table.
    """
    if history.unmatched and format != "json":
        return _none_holds(history.unmatched, format, width)
    if format == "table":
        return _table(history, width)
    return {"markdown": _markdown, "json": _json}[format](history)


def _none_holds(unmatched: Unmatched, format: str, width: int) -> str:
    told = f"No task satisfies {cells.clean(unmatched.where)}, in {counted(unmatched.runs, 'run')}."
    return (_inert(told) if format == "markdown" else "\n".join(_wrapped([told], width))) + "\n"


def sentences(history: History) -> list[str]:
    """Each step in a sentence, the newest first."""
    return [
        f"{task_title(series)} on {_machine(series)}: {by_how_much(step.ratio)} at {_range(step)}, "
        f"for {counted(step.runs, 'run')}. {_besides(step)}".rstrip()
        for series, step in history.steps
    ]


def task_title(series: Series) -> str:
    """Variant, case and setting in one line."""
    row = task_of(series.columns)
    return f"{cells.text_of(row.variant)}, {cells.clean(case_title(row))}, {cells.clean(setting_title(row))}"


def short(moment: PlacedRun) -> str:
    """The run's commit, or the run's own name where it has none."""
    return _short(moment.commit) if moment.commit else cells.clean(moment.run_id)


def by_how_much(ratio: Interval) -> str:
    """`5.1% slower [4.2–6.0]`, in per cent of the level before, whichever way it went."""
    slower = ratio.estimate >= 1
    changes = [100 * (end - 1) * (1 if slower else -1) for end in (ratio.estimate, ratio.low, ratio.high)]
    estimate, low, high = changes[0], min(changes[1:]), max(changes[1:])
    return f"{estimate:.1f}% {'slower' if slower else 'faster'} [{low:.1f}–{high:.1f}]"


def _short(commit: Commit) -> str:
    return cells.commit(commit.id, dirty=commit.dirty)


def _range(step: LevelStep) -> str:
    """What lies between, as `git log` takes it where both runs have a commit."""
    old, new = step.before.commit, step.after.commit
    if old and new and old.id != new.id:
        return f"{cells.commit(old.id)}..{cells.commit(new.id)}"
    return f"{short(step.before)} to {short(step.after)}"


def _dates(step: LevelStep) -> str:
    days = [moment.date.strftime("%Y-%m-%d") for moment in (step.before, step.after)]
    return " to ".join(dict.fromkeys(days))


def _besides(step: LevelStep) -> str:
    """What differs between the two runs, besides the commit, and may have caused the step."""
    told = []
    if step.same_commit:
        told.append("Both runs measured the same commit: check the machine first.")
    dirty = [short(one) for one in (step.before, step.after) if one.commit and one.commit.dirty]
    if dirty:
        told.append(f"With uncommitted changes: {cells.listed(dirty)}.")
    if step.changed:
        facts = [_fact(one) for one in step.changed[:_MOST_FACTS]]
        more = len(step.changed) - len(facts)
        told.append(f"Also changed: {'; '.join([*facts, *([f'{more} more'] if more else [])])}.")
    return " ".join(told)


def _fact(one: Difference) -> str:
    texts = [value.value if isinstance(value, Absent) else cells.fact_text(one.fact, value) for value in one.values]
    return f"{cells.clean(one.fact)} {cells.shorten(texts[0], 40)}, then {cells.shorten(texts[1], 40)}"


def _levels(series: Series, step: LevelStep) -> tuple[str, str]:
    """Latencies before and after, with the digits that the ratio has earned."""
    digits = max(3, earned_digits(step.ratio.estimate, step.ratio.low, step.ratio.high))
    number = series.steps.index(step)
    before, after = (level for *_, level in series.levels[number : number + 2])
    return format_seconds(before, digits), format_seconds(after, digits)


def _machine(series: Series) -> str:
    return cells.text_of(series.columns["machine"])


def _gathered(history: History) -> list[list[tuple[Series, LevelStep]]]:
    """The steps between the same two runs together."""
    found: dict[tuple[str, str], list[tuple[Series, LevelStep]]] = {}
    for series, step in history.steps:
        found.setdefault((step.before.run_id, step.after.run_id), []).append((series, step))
    return list(found.values())


def _opening(history: History) -> Iterator[str]:
    """What the history consists of."""
    moments = history.moments
    commits = len({one.commit.id for one in moments if one.commit})
    days = list(dict.fromkeys(one.date.strftime("%Y-%m-%d") for one in (*moments[:1], *moments[-1:])))
    runs, without = counted(len(moments), "run"), sum(one.commit is None for one in moments)
    if not moments:
        yield "No run."
    elif not commits:
        order = "" if len(moments) == 1 else ", ordered by their start"
        yield f"{runs}, {' to '.join(days)}, without a commit{order}."
    else:
        told = f"{runs} of {counted(commits, 'commit')}"
        yield f"{told}, {' to '.join(days)}, ordered by commit date."
        if without:
            yield f"{without} of them without a commit, ordered by start."


def _closing(history: History) -> Iterator[str]:
    """What is not shown above, and why."""
    stepped = sum(bool(series.steps) for series in history.series)
    short_ones = sum(len(series.points) < LEAST_FOR_STEPS for series in history.series)
    raw = sum(series.basis == RAW for series in history.series)
    if history.series:
        yield (
            f"{counted(len(history.series), 'task')}: {stepped} with steps, "
            f"{len(history.series) - stepped - short_ones} without, "
            f"{short_ones} with fewer than {LEAST_FOR_STEPS} runs."
        )
    elif history.moments:
        yield "No task has a latency."
    if raw:
        yield (
            f"Latencies of {counted(raw, 'task')} are raw, because some runs timed no reference workload beside them. "
            "A machine that is slower for a while shows as a step."
        )
    if history.left_out:
        count = counted(history.left_out, "run")
        yield f"Left out: {count} measured as one side of a comparison."
    if stepped:
        yield "Brackets: 99% intervals. A step may be off by one run; try its neighbours too."


def _table(history: History, width: int) -> str:
    lines = [*_wrapped(_opening(history), width), ""]
    for together in _gathered(history):
        step = together[0][1]
        lines += textwrap.wrap(f"{_range(step)}  {_dates(step)}", width)
        for besides in dict.fromkeys(_besides(one) for _, one in together):
            told = textwrap.wrap(besides, width - 2, max_lines=2 * _MOST_LINES, placeholder=" …")
            lines += [f"  {line}" for line in told]
        for series, one in together:
            levels = " → ".join(_levels(series, one))
            lines += textwrap.wrap(
                f"{by_how_much(one.ratio)}  {levels} for {counted(one.runs, 'run')}",
                width,
                initial_indent="  ",
                subsequent_indent="    ",
            )
            title = textwrap.wrap(f"{task_title(series)}, {_machine(series)}", width - 4, max_lines=_MOST_LINES)
            lines += [f"    {line}" for line in title]
        lines += [""]
    return "\n".join([*lines, *_wrapped(_closing(history), width), *_how_to_go_on(history)]) + "\n"


def _how_to_go_on(history: History) -> list[str]:
    """Commands to paste for the newest step between two commits."""
    for _, step in history.steps:
        old, new = step.before.commit, step.after.commit
        if old and new and old.id != new.id:
            good, bad = cells.commit(old.id), cells.commit(new.id)
            return ["", f"  git log --oneline {good}..{bad}", f"  git bisect start {bad} {good}"]
    return []


def _wrapped(sentences: Iterable[str], width: int) -> list[str]:
    return [line for sentence in sentences for line in textwrap.wrap(sentence, width)]


def _markdown(history: History) -> str:
    lines = [_inert(" ".join(_opening(history))), ""]
    if history.steps:
        lines += [pipes(_HEADERS), pipes(["---"] * len(_HEADERS))]
        lines += [pipes(map(_inert, _cells(series, step))) for series, step in history.steps]
        lines += [""]
        told = dict.fromkeys(f"{_range(step)}: {_besides(step)}" for _, step in history.steps if _besides(step))
        lines += [f"- {_inert(one)}" for one in told] + [""] * bool(told)
    return "\n".join([*lines, _inert(" ".join(_closing(history)))]) + "\n"


def _inert(text: str) -> str:
    return uncalled(escape(text))


def _cells(series: Series, step: LevelStep) -> Sequence[str]:
    between = f"{_range(step)} ({_dates(step)})"
    changes = by_how_much(step.ratio), *_levels(series, step)
    return task_title(series), _machine(series), *changes, str(step.runs), between


def _json(history: History) -> str:
    places = {id(series): place for place, series in enumerate(history.series)}
    told = {
        "schema": 1,
        "runs": [_run(moment) for moment in history.moments],
        "series": [
            {**series.columns, "basis": series.basis, "points": [_point(point) for point in series.points]}
            for series in history.series
        ],
        "steps": [{"series": places[id(series)], **_step(step)} for series, step in history.steps],
        "left_out": history.left_out,
    }
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def _run(moment: PlacedRun) -> Json:
    commit = moment.commit
    told = commit and {"id": commit.id, "date": commit.date.isoformat(), "dirty": commit.dirty}
    return {"run_id": moment.run_id, "started_at": moment.started_at.isoformat(), "commit": told}


def _point(point: Reading) -> Json:
    ends = {"low_s": point.low, "high_s": point.high}
    return {"run_id": point.moment.run_id, "latency_s": point.seconds, **ends}


def _step(step: LevelStep) -> Json:
    ratio = {"ratio": step.ratio.estimate, "ratio_low": step.ratio.low, "ratio_high": step.ratio.high}
    changed = [
        {"fact": one.fact, "values": [v.value if isinstance(v, Absent) else v for v in one.values]}
        for one in step.changed
    ]
    return {
        **{"before": step.before.run_id, "after": step.after.run_id, **ratio, "runs": step.runs},
        **{"same_commit": step.same_commit, "changed": changed},
    }
