"""A comparison for other programs and places: Markdown for a pull request, JSON, or JUnit XML."""

import json
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from grouped_bench.analyse.compare import compare
from grouped_bench.analyse.compare.compare import Change, Compared
from grouped_bench.analyse.compare.decided import decided_counts, open_count
from grouped_bench.analyse.compare.measurements import Measurement
from grouped_bench.analyse.compare.side_selection import Judgement, Taken, commit_of
from grouped_bench.analyse.environment import machines
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.report.comparison import headline, words
from grouped_bench.report.text import cells
from grouped_bench.report.text.markup import escape, pipes, uncalled
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.identity import identity_of
from grouped_bench.units import counted

_SCHEMA = 1
# A comment on GitHub holds 65,536 characters.
_MOST_CHARACTERS = 60_000
# What has room of them, so that all together leave some: the short table, each other list.
_TABLE_ROOM, _LIST_ROOM = 20_000, 8_000
_MOST_SHOWN = 30
_LONGEST_CELL, _LONGEST_TEXT = 160, 360
# GitHub draws a quotation that begins so as a warning.
_WARNING = "> [!WARNING]"
_SUITE = "grouped-bench compare"


def markdown(judgement: Judgement) -> str:
    """The verdict, a short table of what is not unchanged, and the rest folded, in at most _MOST_CHARACTERS.

    Rows that do not fit are left out from below, and counted.
    """
    found = judgement.comparison
    notable = [task for task in found.tasks if words.is_notable(task)]
    short = [row for task in notable for row in _rows(task, everything=False)]
    still_open = [line for text in filter(None, [headline.left_open(found)]) for line in (_cell(text), "")]
    where = "; ".join(machines.classes([*judgement.base.runs, *judgement.head.runs]))
    lines = [
        *([_WARNING, f"> {_cell(warned, long=True)}", ""] if (warned := headline.warning(found)) else []),
        f"**{_cell(headline.headline(found), long=True)}**",
        "",
        *([f"Measured on {_cell(where, long=True)}.", ""] if where else []),
        *still_open,
        *_table(short, _fitting(short[:_MOST_SHOWN], _TABLE_ROOM)),
    ]
    for what, tasks in (("new, only in head", found.new), ("gone, only in base", found.gone)):
        names = [f"- {_cell(text)}" for text in words.names(tasks)]
        lines += _folded(f"{counted(len(tasks), 'task')} {what}", _listed(names, "case")) if names else []
    told = [*words.cautions(judgement), *words.remedies(judgement)]
    lines += [line for text in told for line in (_cell(text, long=True), "")]
    differing = [pipes(map(_cell, row)) for row in words.differences(judgement)]
    environment = [pipes(("fact", "base", "head")), pipes(("---",) * 3), *_listed(differing, "fact")]
    how = [
        words.taken("base", judgement.base),
        words.taken("head", judgement.head),
        words.basis(found),
        words.rules(found.thresholds),
        *filter(None, [words.unstable(found)]),
    ]
    judged = [f"- {_cell(text, long=True)}" for text in how]
    parts = (
        _folded(f"{counted(len(differing), 'difference')} between the environments", environment) if differing else []
    )
    parts += _folded("How it was judged", _listed(judged, "sentence"))
    every = [row for task in found.tasks for row in _rows(task, everything=True)]
    room = _MOST_CHARACTERS - sum(len(line) + 1 for line in (*lines, *parts)) - 1000
    fitting = _fitting(every, room)
    all_of_them = _folded(f"All tasks ({len(found.tasks)})", _table(every, fitting)) if every else []
    return "\n".join([*lines, *all_of_them, *parts]).rstrip() + "\n"


def _fitting(rows: Sequence[str], room: int) -> int:
    """How many of the rows have room."""
    for number, row in enumerate(rows):
        room -= len(row) + 1
        if room < 0:
            return number
    return len(rows)


def _rows(task: Compared, *, everything: bool) -> list[str]:
    lines = [words.line(task, change) for change in words.told_changes(task, everything=everything)]
    name = _cell(words.full_name(task.head))
    return [
        pipes((name, *map(_cell, (one.metric, one.base, one.head, one.ratio, "; ".join((one.verdict, *one.notes))))))
        for one in lines
    ]


def _table(rows: Sequence[str], most: int) -> list[str]:
    if not rows:
        return []
    headers = ("task", "metric", *words.HEADERS)
    told = [pipes(headers), pipes(("---",) * len(headers)), *rows[:most], ""]
    return [*told, *_left_out(len(rows) - most, "row")]


def _listed(lines: Sequence[str], noun: str) -> list[str]:
    """The lines that have room, and how many have none."""
    most = _fitting(lines[:_MOST_SHOWN], _LIST_ROOM)
    return [*lines[:most], "", *_left_out(len(lines) - most, noun)]


def _left_out(count: int, noun: str) -> list[str]:
    return [f"{counted(count, f'more {noun}')}: see the other formats of this comparison.", ""] if count > 0 else []


def _folded(title: str, lines: Iterable[str]) -> list[str]:
    return [f"<details><summary>{_cell(title)}</summary>", "", *lines, "", "</details>", ""]


def _cell(text: str, *, long: bool = False) -> str:
    """Text that is shown as it is, cut where it is longer than it may be."""
    return uncalled(escape(cells.shorten(cells.clean(text), _LONGEST_TEXT if long else _LONGEST_CELL)))


def as_json(judgement: Judgement) -> str:
    """All of a comparison; seconds, bytes and ratios as numbers, what is not known null."""
    found = judgement.comparison
    decided, undecided = decided_counts(found)
    told = {
        "schema": _SCHEMA,
        "verdict": found.verdict,
        "headline": headline.headline(found),
        "same_run": found.is_same_run,
        "decided": decided,
        "undecided": undecided,
        "open": open_count(found),
        "basis": found.basis,
        "why": found.why,
        "apart": list(found.apart),
        "thresholds": dict(found.thresholds),
        "differences": [
            {"fact": fact, "base": before, "head": after} for fact, before, after in words.differences(judgement)
        ],
        "base": _side(judgement.base),
        "head": _side(judgement.head),
        "tasks": [_task(task) for task in found.tasks],
        "new": [_alone(task) for task in found.new],
        "gone": [_alone(task) for task in found.gone],
    }
    return json.dumps(told, indent=1, allow_nan=False, default=str) + "\n"


def _side(taken: Taken) -> Json:
    others = [{"file": one.name, "why": one.why} for one in taken.others]
    return {"runs": [_run(facts) for facts in taken.runs], "left_out": taken.left_out, "others": others}


def _run(facts: Facts) -> Json:
    return {
        "run_id": facts.get("run_id"),
        "machine": facts.get("machine"),
        "class": machine.machine_class if (machine := identity_of(facts)) else None,
        "started_at": facts.get("started_at"),
        "commit": commit_of(facts),
    }


def _task(task: Compared) -> Json:
    return {
        **task.head.columns,
        "verdict": task.verdict,
        "basis": task.basis,
        "flags": {"base": list(task.base.flags), "head": list(task.head.flags)},
        "changes": [_change(change) for change in task.changes],
    }


def _change(change: Change) -> Json:
    found = change.ratio
    interval = found if isinstance(found, Interval) else None
    return {
        "metric": change.metric,
        "base": change.base,
        "head": change.head,
        "ratio": interval.estimate if interval else found,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "verdict": change.verdict,
        "reason": change.reason,
    }


def _alone(task: Measurement) -> Json:
    return {**task.columns, "status": task.status, "reason": task.reason}


def junit(judgement: Judgement) -> str:
    """A suite with a case for each metric of a task that is judged.

    A regression is a failure. What is not decided is skipped, as are new and gone tasks, and neither passes nor fails:
    GitLab and Jenkins show an error as a test that broke, and would hold the change back for it. The exit code
    distinguishes them. `time` is the latency in head, so that a CI system draws its trend.
    """
    found = judgement.comparison
    root = ElementTree.Element("testsuites", {"name": _SUITE})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _SUITE})
    facts = ElementTree.SubElement(suite, "properties")
    for name, text in (
        ("verdict", headline.headline(found)),
        ("base", words.taken("base", judgement.base)),
        ("head", words.taken("head", judgement.head)),
        ("basis", words.basis(found)),
        ("thresholds", words.rules(found.thresholds)),
        *((f"differs: {fact}", f"{before} in base; {after} in head") for fact, before, after in _differing(judgement)),
    ):
        ElementTree.SubElement(facts, "property", {"name": cells.clean(name), "value": cells.clean(text)})
    for task in found.tasks:
        for change in task.changes:
            if change.verdict != compare.NOT_JUDGED:
                _judged_case(suite, task, change)
    for what, alone in (("new, only in head", found.new), ("gone, only in base", found.gone)):
        for one in alone:
            ElementTree.SubElement(_case(suite, one, "task"), "skipped", {"message": what})
    for holder in (root, suite):
        counts = {name: len(list(suite.iter(tag))) for name, tag in _COUNTED}
        holder.attrib.update({**{name: str(count) for name, count in counts.items()}, "errors": "0"})
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


_COUNTED = (("tests", "testcase"), ("failures", "failure"), ("skipped", "skipped"))


def _differing(judgement: Judgement) -> list[tuple[str, str, str]]:
    return words.differences(judgement)[:_MOST_SHOWN]


def _judged_case(suite: ElementTree.Element, task: Compared, change: Change) -> None:
    """A metric of a task as a test case."""
    told = words.line(task, change)
    case = _case(suite, task.head, told.metric)
    if change.metric == "latency" and isinstance(change.head, float):
        case.set("time", f"{change.head:.9f}")
    sentence = f"{told.metric} {told.verdict}: {told.base} in base, {told.head} in head"
    sentence = "; ".join([sentence + (f", {told.ratio}" if told.ratio else ""), *told.notes])
    if change.verdict == compare.REGRESSION:
        failure = ElementTree.SubElement(case, "failure", {"type": "regression", "message": cells.clean(sentence)})
        failure.text = cells.clean(words.full_name(task.head))
    elif change.verdict == compare.INCONCLUSIVE:
        ElementTree.SubElement(case, "skipped", {"message": cells.clean(sentence)})
    else:
        ElementTree.SubElement(case, "system-out").text = cells.clean(sentence)


def _case(suite: ElementTree.Element, task: Measurement, metric: str) -> ElementTree.Element:
    cohort = " ".join(filter(None, words.titles(task)))
    return ElementTree.SubElement(suite, "testcase", {"classname": cohort, "name": f"{words.name(task)} {metric}"})
