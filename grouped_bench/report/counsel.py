"""What advice says to a person: lines of at most 80 columns, for one case or for several."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from grouped_bench.analyse.advice import MEASURED, Advice, Option, leaders
from grouped_bench.analyse.neighbours import Figure
from grouped_bench.analyse.network import OWN_GROUPED, gathered
from grouped_bench.report import cells, quantities
from grouped_bench.report.plans import WIDTH
from grouped_bench.report.rows import case_title
from grouped_bench.report.sheet import grid
from grouped_bench.report.snippets import snippet
from grouped_bench.space.case import BASELINE
from grouped_bench.units import format_count

WAY_OUT = "Measure it: repeat the command with --measure, or `grouped-bench run` with more --visits."
_KERAS = {BASELINE: "Keras' dense layer", OWN_GROUPED: "Keras' own groups="}
_MOST_LEFT_OUT = 12
_NAME_WIDTH = 20
_NEAREST = 3
LEAST: dict[str, Callable[[Advice], Figure | None]] = {
    "latency": lambda advice: advice.best.latency if advice.best else None,
    "memory": lambda advice: advice.best.memory if advice.best else None,
    "parameters": lambda advice: Figure(*[_params(advice)] * 3),
}
# What names a case among the evidence.
WHAT = ("batch_size", "in_channels", "out_channels", "groups", "size", "kernel_size", "stride")


# One case


def alone(advice: Advice) -> Iterator[str]:
    """The advice on one case, with its evidence and the code."""
    yield from _heading(advice)
    best = advice.best
    if best is None:
        yield from _wrapped(f"No advice: {cells.clean(advice.abstains)}. {WAY_OUT}")
        yield from _left_out(advice)
        return
    chosen = f" with {cells.clean(best.choice)}" if best.choice else ""
    yield from _wrapped(f"Use {cells.clean(best.variant)}{chosen}: {quantities.latency(best)} a call.")
    for name, told in _gains(advice, best):
        is_the_same = name == advice.question.keras or advice.question.case.groups == 1
        yield from _indented(f"{told} ({_KERAS[name]}{'' if is_the_same else ', another function'})", 2)
    yield ""
    yield from _wrapped(f"How sure: {_how_sure(advice)}")
    yield from _wrapped(f"Cost: {_cost(advice, best)}")
    yield ""
    yield from _table(advice)
    yield from _left_out(advice)
    yield from _wrapped(_rests_on(advice))
    yield from _paste(advice, best)


def _heading(advice: Advice) -> Iterator[str]:
    setting = advice.question.setting.title()
    machine = advice.evidence[0]["machine"] if advice.evidence else None
    yield from _wrapped(cells.clean(advice.question.case.title()))
    yield cells.shorten(cells.clean(f"{setting}, {machine}" if machine else setting), WIDTH)
    if advice.elsewhere:
        yield "Measured on another machine than this one; --measure asks this one."
    yield ""


def _gains(advice: Advice, best: Option) -> Iterator[tuple[str, str]]:
    """What the advice is compared with, and how many times as fast as that it is."""
    for name, gain in ((BASELINE, best.over_regular), (OWN_GROUPED, best.over_grouped)):
        is_the_same = name == best.variant or (name == OWN_GROUPED and advice.question.case.groups == 1)
        if gain is not None and not is_the_same:
            yield name, f"{quantities.ratio(gain)} as fast as {name}"


def _how_sure(advice: Advice) -> str:
    others = len(advice.options) - 1
    if advice.basis == MEASURED:
        told = f"measured beside {cells.counted(others, 'other way')} to compute the same function; "
        clear = "the fastest, by intervals that tell it from each of them."
    else:
        count = len(gathered(advice.evidence, WHAT))
        told = f"not measured, but estimated from {cells.counted(count, 'neighbour')}; "
        clear = "ahead of every other way by more than the estimates have been wrong when each neighbour was left out."
    if not advice.ties:
        return told + clear
    worst = (
        "; it had too few visits to say more"
        if advice.at_most is None
        else f"; at worst it is {quantities.percent(advice.at_most)} slower than that"
    )
    return f"{told}it cannot be told from {cells.listed(map(cells.clean, advice.ties))}{worst}."


def _cost(advice: Advice, best: Option) -> str:
    memory = f"{quantities.memory(best)} of memory" if best.memory else "memory not known"
    told = f"{memory}, {format_count(best.params)} parameters"
    if advice.regular is None:
        return told + "."
    return f"{told}; {BASELINE} takes {quantities.memory(advice.regular)} and {format_count(advice.regular.params)}."


def _table(advice: Advice) -> Iterator[str]:
    options = [*advice.options, *([advice.regular] if advice.regular else [])]
    rows = [
        (
            cells.shorten(cells.clean(option.variant), _NAME_WIDTH),
            quantities.short_latency(option),
            cells.DASH if option.over_regular is None else quantities.short_ratio(option.over_regular),
            cells.DASH if option.over_grouped is None else quantities.short_ratio(option.over_grouped),
            quantities.memory(option),
        )
        for option in options
    ]
    headers = ("variant", "latency", "over regular", "over grouped", "memory")
    yield from grid(rows, headers)
    if advice.regular:
        yield from _wrapped(f"{BASELINE} is the dense layer: shown beside the others, and not one of them.")
    yield ""


def _left_out(advice: Advice) -> Iterator[str]:
    if advice.left_out:
        yield "Not ranked:"
        for name, reason in advice.left_out[:_MOST_LEFT_OUT]:
            told = textwrap.shorten(f"{cells.clean(name)}: {cells.clean(reason)}", 3 * WIDTH, placeholder=" …")
            yield from textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield ""


def _rests_on(advice: Advice) -> str:
    runs = [(str(rows[0]["run_id"]), len(rows)) for rows in gathered(advice.evidence, ("run_id",))]
    told = cells.listed(f"{cells.shorten(cells.clean(run), 40)} ({cells.counted(n, 'row')})" for run, n in runs)
    versions = sorted({str(row["backend_version"]) for row in advice.evidence})
    with_ = cells.clean(f"{advice.question.setting.backend} {', '.join(versions)}")
    text = f"It rests on {'run' if len(runs) == 1 else 'runs'} {told}, with {with_}."
    if advice.basis == MEASURED:
        return text
    nearest = [case_title(rows[0]) for rows in gathered(advice.evidence, WHAT)][:_NEAREST]
    return f"{text} The nearest: {cells.clean('; '.join(nearest))}."


def _paste(advice: Advice, best: Option) -> Iterator[str]:
    code = code_of(advice)
    yield ""
    if code is None:
        yield from _wrapped(f"There is no code to paste for {cells.clean(best.variant)}: see where it is defined.")
        return
    yield "Paste:"
    yield ""
    yield from code.splitlines()


def code_of(advice: Advice) -> str | None:
    """The layer to paste; None where nothing is advised, or there is none."""
    question = advice.question
    if advice.best is None:
        return None
    best, setting = advice.best, question.setting
    return snippet(best.variant, question.case, setting.backend, setting.execution, best.choice)


# Several cases


def together(found: Sequence[Advice]) -> Iterator[str]:
    """Several advices in short; a table where they differ in their group counts alone."""
    if differ_in_groups_alone(found):
        yield from _by_groups(found)
        return
    for alike in _by_setting(found):
        yield from _wrapped(cells.clean(alike[0].question.setting.title()))
        for advice in filter(lambda one: one.best, alike):
            yield from _indented(advice.question.case.title(), 2)
            yield from _indented(_in_short(advice), 4)
        for reason, cases in _abstentions(alike).items():
            yield from _indented(f"No advice on {cells.counted(len(cases), 'case')}: {reason}. {WAY_OUT}", 2)
            yield from (line for case in cases[:_MOST_LEFT_OUT] for line in _indented(case, 4))
            yield from _indented(f"and {len(cases) - _MOST_LEFT_OUT} more", 4) if len(cases) > _MOST_LEFT_OUT else []
        yield ""
    yield from _wrapped("For the evidence and the code of one case, ask for it alone, or with --format json.")


def _in_short(advice: Advice) -> str:
    best = advice.best
    assert best is not None, "what abstains is told apart"
    gains = [told for _, told in _gains(advice, best)]
    sure = "measured" if advice.basis == MEASURED else "from neighbours"
    ties = f", not told from {cells.listed(map(cells.clean, advice.ties))}" if advice.ties else ""
    ties = ", in too few visits to tell it from others" if advice.ties and advice.at_most is None else ties
    return "; ".join([f"{cells.clean(best.variant)}, {quantities.latency(best)}", *gains, f"{sure}{ties}"])


def _abstentions(found: Iterable[Advice]) -> dict[str, list[str]]:
    """Titles of the cases on which there is no advice, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.best is None:
            reasons.setdefault(str(one.abstains), []).append(one.question.case.title())
    return reasons


def _params(advice: Advice) -> int:
    return advice.question.counts(advice.question.keras).params


def _by_groups(found: Sequence[Advice]) -> Iterator[str]:
    yield from _wrapped(
        cells.clean(found[0].question.case.title()).replace(_groups(found[0]), f"groups {_counts(found)}")
    )
    yield from list(_heading(next((one for one in found if one.best), found[0])))[-2:]  # not the case
    rows = [_group_row(one) for one in found]
    headers = ("groups", "use", "latency", "memory", "params", "basis")
    yield from grid(rows, headers)
    yield ""
    for name in LEAST:
        yield from _wrapped(f"Least {name}: {_least(found, name)}")
    yield from _wrapped("Layers of unlike group counts are unlike functions: what fewer parameters cost in accuracy "
                        "is not measured here.")  # fmt: skip
    for one in found:
        if one.best is None:
            yield from _wrapped(f"No advice on {_groups(one)}: {cells.clean(one.abstains)}. {WAY_OUT}")
    yield from _wrapped("For the evidence and the code, ask for one group count alone, or with --format json.")


def _group_row(advice: Advice) -> tuple[object, ...]:
    groups, params, best = advice.question.case.groups, format_count(_params(advice)), advice.best
    if best is None:
        return (groups, *[cells.DASH] * 3, params, "no advice")
    name = cells.shorten(cells.clean(best.variant), _NAME_WIDTH)
    return (groups, name, quantities.short_latency(best), quantities.memory(best), params, advice.basis)


def _least(found: Sequence[Advice], name: str) -> str:
    first = leaders(found, LEAST[name])
    if not first:
        unknown = [one.question.case.groups for one in found if LEAST[name](one) is None]
        return f"not known: it is missing of {cells.listed(unknown)} groups."
    counts = cells.listed(one.question.case.groups for one in first)
    if len(first) == 1:
        return f"{cells.counted(first[0].question.case.groups, 'group')}."
    return f"equal with {counts} groups." if name == "parameters" else f"not decided between {counts} groups."


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


def _indented(text: str, spaces: int) -> list[str]:
    return textwrap.wrap(cells.clean(text), WIDTH, initial_indent=" " * spaces, subsequent_indent=" " * (spaces + 2))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)
