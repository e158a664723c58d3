"""The first screen of a page: the answer, what to do, how sure that is, and what disturbed it."""

import collections
import dataclasses
import re
from collections.abc import Sequence

from grouped_bench.analyse.answer import Answer, Line
from grouped_bench.analyse.rows import case_title, is_ok, setting_title
from grouped_bench.analyse.statistics.stability import UNSTABLE
from grouped_bench.report.advice.module import module_of
from grouped_bench.report.advice.snippets import snippet
from grouped_bench.report.drawing.names import setting_name, setting_of
from grouped_bench.report.drawing.registry import Drawable
from grouped_bench.report.run.beside.across import across_findings
from grouped_bench.report.run.headline import Headline, headline
from grouped_bench.report.text import cells
from grouped_bench.space.case import Case
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

# A number and its unit stay on one line.
_UNIT = re.compile(r"(?<=\d) (?=[nmµ]?s\b)")
_MOST_OTHERS = 5
_MOST_CODES = 24
# With what the last statement of a layer to paste begins.
_CALL = "\nlayer = "
_MOST_CAUSES = 4
# A share of tasks that is no chance.
_OFTEN = 0.1
_DISTURBED = {
    "stolen_cpu": "other programs took processor time",
    "throttled": "a quota or a low clock held it back",
    "speed_changed": "its speed changed",
    "not_settled": "samples had not settled",
}


@dataclasses.dataclass(frozen=True)
class FirstScreen:
    """What a reader should know after five seconds.

    Args:
        setting: of the answer, where there are others.
        headline: the answer with the greatest effect; None where Keras' own form was measured nowhere.
        others: setting and effect of each of the others.
        code: layers to paste; None without any.
        across: in how many cases the answer depends on the machine; None where there is one kind of machine.
        causes: variant and cause of what was slow or fast, as the libraries' logs show it.
        warning: what disturbed the machine, where it often did.
    """

    setting: str
    headline: Headline | None
    others: tuple[tuple[str, str], ...]
    code: str | None
    across: str | None
    causes: tuple[tuple[str, str], ...]
    warning: str | None


def first_screen(record: Drawable) -> FirstScreen:
    """The first screen of some runs, whose run-wide facts may explain what ran inside a task."""
    found, metadata = record.answers, record.metadata
    warning = disturbed(record.rows)
    told_across = next((finding.text for finding in across_findings(record.rows)), None)
    if not found:
        return FirstScreen("", None, (), None, told_across, (), warning)
    main = max(found, key=lambda answer: answer.effect)
    varied = setting_of([answer.first for answer in found])
    others = [answer for answer in found if answer is not main]
    told = [(setting_name(answer.first, varied), headline(answer).effect) for answer in others[:_MOST_OTHERS]]
    if len(others) > _MOST_OTHERS:
        told.append(("", f"{len(others) - _MOST_OTHERS} more settings: see the picture."))
    return FirstScreen(
        setting=setting_name(main.first, varied) if others else "",
        headline=_glued(headline(main)),
        others=tuple(told),
        code=code_of(main),
        across=told_across,
        causes=tuple(_causes(main, metadata)),
        warning=warning,
    )


def _glued(told: Headline) -> Headline:
    return dataclasses.replace(told, effect=_UNIT.sub("\N{NO-BREAK SPACE}", told.effect))


def code_of(answer: Answer) -> str | None:
    """Of a network the module that replaces its layers; else the layers to paste, the greatest gains first.

    Each class stands there once, then a call for each case, at most some.
    """
    if answer.is_network:
        return module_of(answer)
    calls: dict[str, list[str]] = {}
    for line in answer.faster[:_MOST_CODES]:
        code = _code(line)
        if code is not None:
            above, _, call = code.rpartition(_CALL)
            name = cells.clean(line.own.label or case_title(line.own))
            calls.setdefault(above, []).append(f"# {name}{_CALL}{call}")
    left_out = len(answer.faster) - _MOST_CODES
    rest = [f"# {counted(left_out, 'more case')}: `grouped-bench advise` prints their code.\n"] if left_out > 0 else []
    told = ["\n".join([f"{above.rstrip()}\n\n", *some]) for above, some in calls.items()]
    return "\n\n".join([*told, *rest]) if told else None


def _code(line: Line) -> str | None:
    if line.best is None:
        return None
    try:
        case = Case.from_columns(line.own)
    except (TypeError, ValueError, KeyError):
        return None
    own, best = line.own, line.best
    return snippet(best.variant, case, own.backend, own.execution, best.choice, layout=own.layout)


def disturbed(rows: Sequence[Task]) -> str | None:
    """`Busy machine: …` where it moved during many tasks; None where it did not."""
    measured = [row for row in rows if is_ok(row)]
    moved = [row for row in measured if row.flags and set(row.flags) & set(_DISTURBED)]
    if len(moved) <= _OFTEN * len(measured):
        return None
    causes = collections.Counter(flag for row in moved for flag in row.flags or () if flag != UNSTABLE)
    told = [_DISTURBED[flag] for flag, _ in causes.most_common() if flag in _DISTURBED]
    of = f"{len(moved)} of {counted(len(measured), 'task')}"
    return f"Busy machine: {cells.listed(told)}, in {of}. Intervals are wider for it."


def _is_of(look: Json, row: Task) -> bool:
    """Whether a look is into the row; an older one does not say in which setting it was taken."""
    same = look.get("variant") == row.variant and look.get("case") == case_title(row)
    return same and look.get("setting") in (None, setting_title(row))


def _causes(answer: Answer, metadata: Sequence[Facts]) -> list[tuple[str, str]]:
    """Why the first line's own form takes its time, and why its best does."""
    looks = [look for facts in metadata for look in facts.get("explanations") or () if isinstance(look, dict)]
    told: dict[tuple[str, str], None] = {}
    for line in (answer.faster or answer.lines)[:1]:
        for row in filter(None, (line.own, line.best)):
            for look in looks:
                if _is_of(look, row):
                    told.update(((cells.clean(row.variant), cells.clean(cause)), None) for cause in look["causes"])
    return list(told)[:_MOST_CAUSES]
