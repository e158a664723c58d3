"""Advice as paragraphs and lines, for one case or for several."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

from grouped_bench.analyse.advise.advice import FAILURES, MEASURED, TIME, Advice, Alternative, Option, Question
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.network.parts import OWN_GROUPED
from grouped_bench.analyse.rows import case_title, gathered
from grouped_bench.report.advice import quantities
from grouped_bench.report.advice.snippets import snippet
from grouped_bench.report.text import cells
from grouped_bench.report.text.forms import own_form
from grouped_bench.report.text.paragraphs import Paragraph, Piece
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.case import BASELINE
from grouped_bench.units import counted, format_count, format_percent
from grouped_bench.variants import plain_jax

# What to do where a measurement gave no answer, by what kept it from one, and whether more time would help.
_WAYS_OUT = {
    FAILURES: ("The answer for one case lists each reason, with its remedy where one is known.", False),
    TIME: ("Measure for longer:", True),
    None: ("Measure for longer:", True),
}
_MEASURE = "Measure what is missing:"
# How much longer than before.
_LONGER = 5
_FRAMEWORKS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
MOST_LEFT_OUT = 12
NAME_WIDTH = 20
_LONGEST_REASON = 480
_NEAREST = 3
# What names a case among the evidence.
WHAT = ("batch_size", "in_channels", "out_channels", "groups", "size", "kernel_size", "stride")


# One case


def alone(advice: Advice, command: str) -> Iterator[Piece]:
    """The advice on one case, with its evidence and the code.

    Args:
        advice: on the case.
        command: that was asked.
    """
    if advice.why_elsewhere:
        yield from _elsewhere(advice, command)
        return
    yield from heading(advice)
    if advice.alternative:
        yield from _alternative(advice.alternative)
    best = advice.best
    if best is None and advice.alternative:
        yield Paragraph(f"Without it: no advice, {cells.clean(advice.abstains)}.")
        yield from _left_out(advice)
        yield from _paste(advice.alternative.advice, f"Code to paste with {cells.clean(advice.alternative.env)}:")
        return
    if best is None:
        yield Paragraph(f"No advice: {cells.clean(advice.abstains)}.")
        yield ""
        yield from way_out(advice, command)
        yield ""
        yield from _left_out(advice)
        return
    use = "Without it, use" if advice.alternative else "Use"
    yield Paragraph(f"{use} {_named(best)}: {quantities.latency(best)} per call.")
    for name, told in gains(advice, best):
        is_the_same = name == advice.question.keras or advice.question.case.groups == 1
        own = own_form(name, advice.question.setting.layout)
        yield Paragraph(cells.clean(f"{told} ({own}{'' if is_the_same else ', another function'})"), 2)
    yield ""
    yield Paragraph(f"Certainty: {_how_sure(advice)}")
    yield Paragraph(f"Cost: {_cost(advice, best)}")
    yield ""
    if not advice.is_settled:
        yield from way_out(advice, command)
        yield ""
    yield from _table(advice)
    yield from _left_out(advice)
    yield Paragraph(_rests_on(advice))
    apart = advice.alternative
    if apart is None or code_of(apart.advice) == code_of(advice):
        yield from _paste(advice, "Code to paste:")
        return
    yield from _paste(apart.advice, f"Code to paste with {cells.clean(apart.env)}:")
    yield from _paste(advice, "Code to paste without it:")


def title(asked: Question) -> str:
    """The case, after its name in a network where it has one."""
    case = asked.case.title()
    return cells.clean(f"{asked.label}, {case}" if asked.label else case)


def why_not(advice: Advice) -> str:
    """Why there is no advice for this machine."""
    if advice.why_elsewhere and advice.best is not None:
        machine = cells.clean(advice.evidence[0].machine)
        best = cells.clean(advice.best.variant)
        return f"measured only on {machine}, where {best} is fastest ({advice.why_elsewhere})"
    return str(advice.abstains)


def _named(option: Option) -> str:
    """A variant with what was chosen for it, where it leaves something open."""
    return cells.clean(option.variant) + (f" with {cells.clean(option.choice)}" if option.choice else "")


def heading(advice: Advice) -> Iterator[Piece]:
    """Case, setting and machine."""
    setting = advice.question.setting.title()
    machine = advice.evidence[0].machine if advice.evidence else None
    yield Paragraph(cells.clean(advice.question.case.title()))
    yield Paragraph(cells.clean(f"{setting}, {machine}" if machine else setting), is_cut=True)
    yield ""


def _elsewhere(advice: Advice, command: str) -> Iterator[Piece]:
    """What was found on another machine or in another environment: no advice, and how to get one."""
    machine = cells.clean(advice.evidence[0].machine) if advice.evidence else "elsewhere"
    yield Paragraph(f"Not measured here, only on {machine}: {cells.clean(advice.why_elsewhere)}.")
    yield ""
    yield Paragraph(cells.clean(advice.question.case.title()))
    yield Paragraph(cells.clean(advice.question.setting.title()), is_cut=True)
    yield ""
    best = advice.best
    if best is not None:
        yield Paragraph(f"Fastest there: {cells.clean(best.variant)}, {quantities.latency(best)} per call.")
        for name, told in gains(advice, best):
            yield Paragraph(cells.clean(f"{told} ({own_form(name, advice.question.setting.layout)})"), 2)
        yield ""
    yield Paragraph("Another variant may be the fastest here, and what works there may fail here.")
    yield ""
    yield from way_out(advice, command)


def way_out(advice: Advice, command: str) -> Iterator[Piece]:
    """The lines of `next_step`."""
    told, again = next_step(advice, command)
    yield Paragraph(told)
    if again:
        yield f"  {again}"


def next_step(advice: Advice, command: str) -> tuple[str, str | None]:
    """What to do where not all is settled, as a sentence and the command for it; None where no command helps.

    Args:
        advice: that is not settled.
        command: that gave it.
    """
    surer = "For a surer answer:" if advice.answers else None
    if advice.measured_s is None:
        return surer or _MEASURE, f"{command} --measure"
    told, helps = _WAYS_OUT[advice.kept_open]
    return surer or told, f"{command} --budget {math.ceil(_LONGER * advice.measured_s / 60)}m" if helps else None


def next_steps(found: Iterable[Advice], command: str) -> Iterator[tuple[str, str | None]]:
    """The steps for all that stays open, each once; arguments as `next_step` takes them."""
    steps = Counter(next_step(one, command) for one in found if not one.answers)
    for (told, again), count in steps.items():
        is_long = told == _MEASURE and count > 1
        yield (
            (f"Measure what is missing, a minute or more for each of {counted(count, 'case')}:" if is_long else told),
            again,
        )


def _alternative(found: Alternative) -> Iterator[Piece]:
    """The environment that is faster, and the variant to use in it."""
    best = found.advice.best
    assert best is not None, "an alternative is a variant"
    framework = _FRAMEWORKS.get(found.advice.question.setting.backend, "the framework")
    over = f", {quantities.compared(found.over, 'the best without it')}" if found.over else ""
    yield Paragraph(
        f"Set {cells.clean(found.env)} before importing {framework}, and use {_named(best)}: "
        f"{quantities.latency(best)} per call{over}."
    )


def gains(advice: Advice, best: Option) -> Iterator[tuple[str, str]]:
    """What the advice is compared with, and how much faster than that it is."""
    for name, gain in ((BASELINE, best.over_regular), (OWN_GROUPED, best.over_grouped)):
        is_the_same = name == best.variant or (name == OWN_GROUPED and advice.question.case.groups == 1)
        if gain is not None and not is_the_same:
            yield name, quantities.compared(gain, name)


def _how_sure(advice: Advice) -> str:
    others = len(advice.options) - 1
    if advice.basis == MEASURED and not others:
        failed = bool(advice.left_out)
        return f"measured; {'no other variant works here' if failed else 'no other variant was tried'}."
    if advice.basis == MEASURED:
        told = f"measured with {counted(others, 'other variant')} of the same function; "
        clear = "it is the fastest, and the intervals separate it from each of them."
    else:
        count = len(gathered(advice.evidence, WHAT))
        told = f"not measured, but estimated from {counted(count, 'neighbour')}; "
        clear = "its lead exceeds the error of such estimates, found by leaving out each neighbour in turn."
    if not advice.ties:
        return told + clear
    worst = (
        "; there were too few visits to say more"
        if advice.at_most is None
        else f"; at worst it is {format_percent(advice.at_most, 2)} slower"
    )
    return f"{told}the intervals do not separate it from {cells.listed(map(cells.clean, advice.ties))}{worst}."


def _cost(advice: Advice, best: Option) -> str:
    memory = f"{quantities.memory(best)} of memory" if best.memory else "memory not known"
    told = f"{memory}, {format_count(best.params)} parameters"
    if advice.regular is None:
        return told + "."
    return f"{told}; {BASELINE} takes {quantities.memory(advice.regular)} and {format_count(advice.regular.params)}."


def _table(advice: Advice) -> Iterator[Piece]:
    options = [*advice.options, *([advice.regular] if advice.regular else [])]
    rows = [
        (
            cells.shorten(cells.clean(option.variant), NAME_WIDTH),
            quantities.short_latency(option),
            _against(option, BASELINE, option.over_regular),
            _against(option, OWN_GROUPED, option.over_grouped),
            quantities.memory(option),
        )
        for option in options
    ]
    headers = ("variant", "latency", f"than {BASELINE}", f"than {OWN_GROUPED}", "memory")
    yield Sheet("", headers, tuple(rows))
    if advice.regular:
        yield Paragraph(f"{BASELINE} is the dense layer, shown for reference.")
    yield ""


def _against(option: Option, other: str, over: Estimate | None) -> str:
    return cells.DASH if over is None or option.variant == other else quantities.short_factor(over)


def _left_out(advice: Advice) -> Iterator[Piece]:
    if advice.left_out:
        yield "Not ranked:"
        for name, reason in advice.left_out[:MOST_LEFT_OUT]:
            text = f"{cells.clean(name)}: {cells.clean(reason)}"
            yield Paragraph(textwrap.shorten(text, _LONGEST_REASON, placeholder=" …"), 2)
        yield ""


def _rests_on(advice: Advice) -> str:
    runs = [(str(rows[0].run_id), len(rows)) for rows in gathered(advice.evidence, ("run_id",))]
    told = cells.listed(f"{cells.shorten(cells.clean(run), 40)} ({counted(n, 'row')})" for run, n in runs)
    versions = sorted({str(row.backend_version) for row in advice.evidence})
    with_ = cells.clean(f"{advice.question.setting.backend} {', '.join(versions)}")
    text = f"Evidence: {'run' if len(runs) == 1 else 'runs'} {told}, with {with_}."
    if advice.basis == MEASURED:
        return text
    nearest = [case_title(rows[0]) for rows in gathered(advice.evidence, WHAT)][:_NEAREST]
    return f"{text} Nearest: {cells.clean('; '.join(nearest))}."


def _paste(advice: Advice, title: str) -> Iterator[Piece]:
    best, code = advice.best, code_of(advice)
    assert best is not None, "what is pasted is advised"
    yield ""
    if code is None:
        yield Paragraph(f"There is no code to paste for {cells.clean(best.variant)}: see its definition.")
        return
    yield Paragraph(title)
    yield ""
    yield from code.splitlines()
    if advice.question.setting.backend == "jax":
        yield from _in_plain_jax(advice.question, best.variant)


def _in_plain_jax(asked: Question, variant: str) -> Iterator[Piece]:
    """The same without Keras, where it has such a form."""
    same = ", which XLA compiles to the same program" if asked.setting.execution == "xla" else ""
    for framework, code in (
        (f"In plain JAX{same}", plain_jax.plain(variant, asked.case)),
        ("In Flax", plain_jax.flax_layer(variant, asked.case)),
    ):
        if code is not None:
            yield from ("", Paragraph(f"{framework}:"), "")
            yield from code.splitlines()


def code_of(advice: Advice) -> str | None:
    """The layer to paste; None where nothing is advised here, or there is none."""
    question = advice.question
    if advice.best is None or advice.why_elsewhere:
        return None
    best, setting = advice.best, question.setting
    return snippet(best.variant, question.case, setting.backend, setting.execution, best.choice, layout=setting.layout)
