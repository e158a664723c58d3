"""The answer of a run in a few sentences: how much faster, what to change, and how sure that is."""

import collections
import dataclasses
import math
from collections.abc import Sequence

from grouped_bench.analyse.answer import BEST, FASTER, OPEN, Answer, Line
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.leads import gain, is_clearly_faster
from grouped_bench.analyse.network.parts import own_variant
from grouped_bench.analyse.rows import groups_of
from grouped_bench.report.text import cells
from grouped_bench.report.text.factors import WIDE, as_known, bare, is_wide
from grouped_bench.report.text.forms import own_form_of
from grouped_bench.units import counted, format_percent, format_seconds

# More winning forms than these are not named.
_MOST_NAMED = 2


@dataclasses.dataclass(frozen=True)
class Headline:
    """What a reader should know after five seconds: the effect, the action, and how sure both are.

    `action` is None where there is nothing to change.
    """

    effect: str
    action: str | None
    certainty: str


def headline(answer: Answer) -> Headline:
    """The headline of one setting of a run."""
    if not answer.lines:
        return Headline("Nothing to compare: Keras' own form was not measured in any case.", None, _certainty(answer))
    action = _action(answer) if answer.faster else None
    return Headline(_effect(answer), action, _certainty(answer))


def _effect(answer: Answer) -> str:
    if len(answer.lines) == 1 and not answer.is_network:
        return _of_case(answer.lines[0])
    if answer.faster and answer.is_network:
        before, after = format_seconds(answer.seconds), format_seconds(answer.after)
        what = "training step" if answer.first.pass_ == "training" else "call"
        return f"{_capital(as_known(answer.gain))} faster convolutions: {before} → {after} a {what}."
    if answer.faster:
        return _of_sweep(answer)
    noun = "layer" if answer.is_network else "case"
    if all(line.state == BEST for line in answer.lines):
        where = f"every {noun}"
        return f"Nothing to gain: {_own_forms(answer.lines)} is the fastest form in {where}."
    own = _own_forms(answer.lines)
    return f"No winner in {counted(len(answer.lines), noun)}: no form is clearly faster than {own}."


def _of_sweep(answer: Answer) -> str:
    """Which forms beat Keras' own, in how many of the cases that can gain, and by how much."""
    faster, gains = answer.faster, [line.gain for line in answer.faster]
    forms = list(dict.fromkeys(line.best.variant for line in faster if line.best))
    who = (
        f"{cells.listed(forms)} {'beats' if len(forms) == 1 else 'beat'}"
        if len(forms) <= _MOST_NAMED
        else "Others beat"
    )
    where = _share(len(faster), len(may_gain(answer)))
    if len(faster) > 1 and not any(map(is_wide, gains)):
        least, most = (one(gains, key=lambda found: found.value) for one in (min, max))
        return f"{who} {_own_forms(faster)} in {where}, by {as_known(least)} to {as_known(most)}."
    return f"{who} {_own_forms(faster)} in {where}; the best by {as_known(max(gains, key=_surely))}."


def may_gain(answer: Answer) -> list[Line]:
    """The cases of a sweep with more than one group, where forms differ; all where there is no such case."""
    split = [line for line in answer.lines if (groups_of(line.own) or 1) > 1 or line.best is not None]
    return split or list(answer.lines)


def _surely(found: Estimate) -> float:
    return found.low or 0.0


def _of_case(line: Line) -> str:
    """A single case: the fastest form, or what is known of the order where there is none."""
    own = own_form_of(line.own, own_variant(line.own))
    if line.best is not None:
        times = f"{format_seconds(line.own.seconds)} → {format_seconds(line.best.seconds)} a call"
        return f"{line.best.variant} is {as_known(line.gain)} faster than {own} ({times})."
    if len(line.forms) == 1:
        return f"Nothing to compare: {own} was measured alone, {format_seconds(line.own.seconds)} a call."
    if line.state == BEST:
        return f"Nothing to gain: {own} is the fastest form, {format_seconds(line.own.seconds)} a call."
    first = line.forms[0]
    guess = gain(first, line.own)
    if first is not line.own and guess.low is None:
        return f"Too few visits to be sure: {first.variant} is {as_known(guess)} faster than {own} so far."
    return f"No winner: {_order(line)}."


def _order(line: Line) -> str:
    """Within what the first forms lie, and how far the slowest is behind."""
    first, others = line.forms[0], line.forms[1:]
    tied = [row for row in others if not is_clearly_faster(first, row)]
    ends = [gain(first, row).high for row in tied]
    told = f"the first {len(tied) + 1} cannot be separated"
    if None not in ends and max(filter(None, ends), default=math.inf) < WIDE:
        told = f"the first {len(tied) + 1} are within {format_percent(max(filter(None, ends)) - 1, 2)}"
    behind = gain(first, others[-1]) if others else None
    if behind is not None and behind.exceeds(1) and others[-1] not in tied:
        told += f"; the slowest is {as_known(behind)} behind"
    return told


def _action(answer: Answer) -> str:
    """What to replace by what, and in how many layers."""
    faster = answer.faster
    if len(answer.lines) == 1 and not answer.is_network:
        return f"Use {faster[0].best.variant}. Same function, checked." if faster[0].best else ""
    noun = "layer" if answer.is_network else "case"
    forms = collections.Counter(line.best.variant for line in faster if line.best).most_common()
    where = counted(len(faster), noun)
    if answer.is_network:
        where += f" ({counted(sum(line.times for line in faster), 'convolution')})"
    if len(forms) == 1:
        return f"Replace {_own_forms(faster)} by {forms[0][0]} in {where}. Same function, checked."
    told = cells.listed(f"{name} in {count}" for name, count in forms)
    return f"Replace {_own_forms(faster)} in {where}: {told}. Same functions, checked."


def _certainty(answer: Answer) -> str:
    """How many lines are clear, how many have nothing to gain, and what is open; of one case, how clear it is."""
    if len(answer.faster) == len(answer.lines) + len(answer.unmeasured) == 1 and not answer.is_network:
        return _clearness(answer.faster[0])
    noun = "layer" if answer.is_network else "case"
    lines = answer.lines if answer.is_network else may_gain(answer)
    states = collections.Counter(line.state for line in lines)
    if states[FASTER] == len(lines) + len(answer.unmeasured):
        return f"Clear in {'both' if len(lines) == 2 else f'all {len(lines)}'} {noun}s."
    told = [f"a faster form in {states[FASTER]}"] if states[FASTER] else []
    told += [f"nothing to gain in {states[BEST]}"] if states[BEST] else []
    if states[OPEN]:
        ends = [line.at_most for line in lines if line.state == OPEN]
        known = [end for end in ends if end is not None]
        most = f" (at most {bare(max(known))} faster)" if len(known) == len(ends) and max(known) < 100 else ""
        told.append(f"undecided in {states[OPEN]}{most}")
    told += [f"not measured in {len(answer.unmeasured)}"] if answer.unmeasured else []
    total = len(lines) + len(answer.unmeasured)
    return f"{counted(total, noun)}: {', '.join(told)}."


def _clearness(line: Line) -> str:
    """Between what the gain of the fastest form lies, and which form is next."""
    low, high = line.gain.low, line.gain.high
    told = f"The gain is {bare(low)} to {bare(high)}." if low and high else "The gain has no interval yet."
    others = [row for row in line.forms if row not in (line.best, line.own)]
    if line.best is None or not others:
        return told
    tied = [row.variant for row in others if not is_clearly_faster(line.best, row)]
    if tied:
        return f"{told} It cannot be separated from {cells.listed(tied)}."
    return f"{told} {others[0].variant} is next, {as_known(gain(line.best, others[0]))} slower."


def _own_forms(lines: Sequence[Line]) -> str:
    names = dict.fromkeys(own_form_of(line.own, own_variant(line.own)) for line in lines)
    if len(names) == 1:
        return next(iter(names))
    owners = dict.fromkeys("Keras'" if line.own.layout is None else "torch.nn's" for line in lines)
    return f"{next(iter(owners))} own form" if len(owners) == 1 else "the framework's own form"


def _share(count: int, total: int) -> str:
    if count == total:
        return {1: "the case", 2: "both cases"}.get(total, f"all {total} cases")
    return f"{count} of {counted(total, 'case')}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
