"""Several pieces of advice in short: a table where they differ only in group counts."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from grouped_bench.analyse.advise.advice import MEASURED, Advice, leaders
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.report.advice import quantities
from grouped_bench.report.advice.text import (
    MOST_LEFT_OUT,
    NAME_WIDTH,
    gains,
    heading,
    next_steps,
    title,
    why_not,
)
from grouped_bench.report.text import cells
from grouped_bench.report.text.paragraphs import Paragraph, Piece
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.units import counted, format_count

_NOT_MEASURED = (
    "Layers with different group counts are different functions. What fewer parameters cost in accuracy is not "
    "measured here."
)
LEAST: dict[str, Callable[[Advice], Estimate | None]] = {
    "latency": lambda advice: advice.best.latency if advice.best else None,
    "memory": lambda advice: advice.best.memory if advice.best else None,
    "parameters": lambda advice: Estimate(*[_params(advice)] * 3),
}


def together(found: Sequence[Advice], command: str) -> Iterator[Piece]:
    """Several advices in short; a table where they differ in their group counts alone.

    Args:
        found: the advices.
        command: that was asked.
    """
    if differ_in_groups_alone(found):
        yield from _by_groups(found, command)
        return
    for alike in _by_setting(found):
        yield Paragraph(cells.clean(alike[0].question.setting.title()))
        for advice in filter(lambda one: one.answers, alike):
            yield Paragraph(title(advice.question), 2)
            yield Paragraph(_in_short(advice), 4)
        for reason, cases in _abstentions(alike).items():
            yield Paragraph(cells.clean(f"No advice for {counted(len(cases), 'case')}: {reason}."), 2)
            yield from (Paragraph(case, 4) for case in cases[:MOST_LEFT_OUT])
            yield from [Paragraph(f"and {len(cases) - MOST_LEFT_OUT} more", 4)] if len(cases) > MOST_LEFT_OUT else []
        yield ""
    yield from _ways_out(found, command)
    yield Paragraph("For evidence, ask for one case or use --format json. For the code of all, add --code.")


def _ways_out(found: Sequence[Advice], command: str) -> Iterator[Piece]:
    """What to do about what stays open, each step once."""
    for sentence, again in next_steps(found, command):
        yield Paragraph(sentence)
        if again:
            yield from (f"  {again}", "")


def _in_short(advice: Advice) -> str:
    if advice.alternative:
        apart = _in_short(dataclasses.replace(advice, alternative=None)) if advice.best else "no advice"
        return f"with {cells.clean(advice.alternative.env)} {_in_short(advice.alternative.advice)}; without it {apart}"
    best = advice.best
    assert best is not None, "an abstention is shown apart"
    told = [words for _, words in gains(advice, best)]
    sure = "measured" if advice.basis == MEASURED else "estimated"
    ties = f", not separated from {cells.listed(map(cells.clean, advice.ties))}" if advice.ties else ""
    ties = ", too few visits to separate it from others" if advice.ties and advice.at_most is None else ties
    return "; ".join([f"{cells.clean(best.variant)}, {quantities.latency(best)}", *told, f"{sure}{ties}"])


def _abstentions(found: Iterable[Advice]) -> dict[str, list[str]]:
    """Titles of the cases on which there is no advice, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        if not one.answers:
            reasons.setdefault(why_not(one), []).append(title(one.question))
    return reasons


def _params(advice: Advice) -> int:
    return advice.question.counts(advice.question.keras).params


def _by_groups(found: Sequence[Advice], command: str) -> Iterator[Piece]:
    yield Paragraph(cells.clean(found[0].question.case.title()).replace(_groups(found[0]), f"groups {_counts(found)}"))
    yield from list(heading(next((one for one in found if one.answers), found[0])))[-2:]  # not the case
    rows = [_group_row(one) for one in found]
    headers = ("groups", "use", "latency", "memory", "params", "basis")
    yield Sheet("", headers, tuple(rows))
    yield ""
    for name in LEAST:
        yield Paragraph(f"Least {name}: {_least(found, name)}")
    yield Paragraph(_NOT_MEASURED)
    for one in found:
        if not one.answers:
            yield Paragraph(f"No advice for {_groups(one)}: {cells.clean(why_not(one))}.")
    yield ""
    yield from _ways_out(found, command)
    yield Paragraph("For evidence, ask for one group count or use --format json. For the code of all, add --code.")


def _group_row(advice: Advice) -> tuple[str, ...]:
    groups, params, best = str(advice.question.case.groups), format_count(_params(advice)), advice.best
    if best is None or advice.why_elsewhere:
        return (groups, *[cells.DASH] * 3, params, "no advice")
    name = cells.shorten(cells.clean(best.variant), NAME_WIDTH)
    return (groups, name, quantities.short_latency(best), quantities.memory(best), params, str(advice.basis))


def _least(found: Sequence[Advice], name: str) -> str:
    first = leaders(found, LEAST[name])
    if not first:
        unknown = [one.question.case.groups for one in found if LEAST[name](one) is None]
        return f"not known: missing for groups {cells.listed(unknown)}."
    counts = cells.listed(one.question.case.groups for one in first)
    if len(first) == 1:
        return f"{counted(first[0].question.case.groups, 'group')}."
    return f"equal for groups {counts}." if name == "parameters" else f"undecided between groups {counts}."


def _counts(found: Sequence[Advice]) -> str:
    return ", ".join(str(one.question.case.groups) for one in found)


def _groups(advice: Advice) -> str:
    return f"groups {advice.question.case.groups}"


def differ_in_groups_alone(found: Sequence[Advice]) -> bool:
    """Whether one question is asked of several group counts."""
    keys = [{**one.question.columns(), "groups": None} for one in found]
    return all(key == keys[0] for key in keys)


def _by_setting(found: Iterable[Advice]) -> list[list[Advice]]:
    settings: dict[Any, list[Advice]] = {}
    for one in found:
        settings.setdefault(one.question.setting, []).append(one)
    return list(settings.values())
