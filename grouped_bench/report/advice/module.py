"""Advice as a Python module: classes that take the place of Keras' layers, and functions that put them there."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from grouped_bench import __version__
from grouped_bench.analyse.advise.advice import MEASURED, Advice
from grouped_bench.analyse.advise.replacements import ALREADY, KIND, NO_CODE, OPEN, Replacement
from grouped_bench.analyse.answer import Answer, Line
from grouped_bench.analyse.network.parts import OWN_GROUPED, own_variant
from grouped_bench.analyse.reasons.reasons import onednn_of
from grouped_bench.analyse.rows import setting_title
from grouped_bench.report.advice import quantities
from grouped_bench.report.advice.snippets import compiled_by, is_a_guess, printed
from grouped_bench.report.advice.text import next_steps, title, why_not
from grouped_bench.report.text import cells
from grouped_bench.report.text.factors import as_known
from grouped_bench.space.case import BASELINE, Case
from grouped_bench.units import counted
from grouped_bench.variants.base import Printed
from grouped_bench.variants.models.modules import Substitute, comment, module_source

_ABOUT = '''"""Faster forms of convolutions, in the place of Keras' own layers.

    import keras
    import layers  # This file.

    model = keras.models.load_model("net.keras")
    model = layers.replace_layers(model)
    model.compile(optimizer, loss{compiled})
    model.save("faster.keras")

`replace_layers` copies a Functional or Sequential model with its weights. By
hand: `keras.models.clone_model(model, clone_function=layers.clone_function)`,
then `new.set_weights(layers.convert_weights(old, new))` for each layer. Import
this file before loading a model that was saved with its classes.
"""
'''


@dataclasses.dataclass(frozen=True)
class LayerCode:
    """The text of a module, empty where no layer is replaced or stays for good; what to say beside it.

    `answered` says of each case whether there is an answer for this machine.
    """

    text: str
    notes: tuple[str, ...]
    answered: tuple[bool, ...]


def layer_code(found: Sequence[Replacement], command: str) -> LayerCode:
    """The module that puts every replacement in its one.

    Args:
        found: for each case what takes the place of its layer; all of one setting, pass and batch.
        command: that was asked.
    """
    found = [_with_code(one) for one in found]
    answered = tuple(one.answers for one in found)
    is_needed = any(one.stays is None or one.answers for one in found)
    return LayerCode(_text(found) if is_needed else "", tuple(_notes(found, command)), answered)


def module_of(answer: Answer) -> str | None:
    """The module of a network as it was measured, tried nowhere else; None where no layer has one to take its place."""
    substitutes = [one for one in map(_of_line, answer.faster) if one is not None]
    if not substitutes:
        return None
    first = answer.first
    made = comment(cells.clean(f"By grouped-bench {__version__} for {setting_title(first)}, {first.pass_}."))
    return _about(first.backend, first.execution) + made + "\n" + module_source(substitutes, ())


def _of_line(line: Line) -> Substitute | None:
    """What takes the place of a layer; None where its own is no layer of the module's, or the form has no code."""
    own = own_variant(line.own)
    if line.best is None or line.own.layout is not None or own not in (BASELINE, OWN_GROUPED):
        return None
    try:
        case = Case.from_columns(line.own)
    except (TypeError, ValueError, KeyError):
        return None
    layer = printed(line.best.variant, case, line.own.backend, line.best.choice)
    told = f"{line.own.label or case.title()}: {line.best.variant}, {as_known(line.gain)} faster, measured"
    return None if layer is None else Substitute(case, own, layer, cells.clean(told))


def _about(backend: str, execution: str) -> str:
    how = compiled_by(backend, execution)
    return _ABOUT.format(compiled=f", {how}" if how else "")


def _text(found: Sequence[Replacement]) -> str:
    setting = found[0].question.setting
    substitutes = [one for one in map(substitute_of, found) if one is not None]
    about = _about(setting.backend, setting.execution)
    return about + comment(_made(found)) + "\n" + module_source(substitutes, _staying(found))


def substitute_of(one: Replacement) -> Substitute | None:
    """What takes the place of the layer; None where Keras' own stays."""
    layer = _printed(one)
    return None if layer is None else Substitute(one.question.case, one.question.keras, layer, cells.clean(_said(one)))


def _with_code(one: Replacement) -> Replacement:
    """The same; one that stays where there is no code for it."""
    lacks_code = one.stays is None and _printed(one) is None
    return dataclasses.replace(one, stays=NO_CODE) if lacks_code else one


def _printed(one: Replacement) -> Printed | None:
    """The layer to print; None where Keras' own stays."""
    if one.stays is not None or one.variant is None:
        return None
    return printed(one.variant, one.question.case, one.question.setting.backend, one.choice)


def _said(one: Replacement) -> str:
    """What is known of a replacement."""
    words = [f"{title(one.question)}: {one.variant}"]
    words += [one.choice] if one.choice else []
    if one.advice is not None:
        gain = one.gain
        words += [quantities.compared(gain, "Keras' layer")] if gain else []
        words.append("measured" if one.advice.basis == MEASURED else "estimated from similar cases")
    elif one.problem:
        words.append(one.problem)
    else:
        words.append(one.untried or "not compared with others; it ran here")
    if one.variant and is_a_guess(one.variant, one.question.case, one.choice):
        words.append("its choice is a guess")
    return ", ".join(words)


def _staying(found: Iterable[Replacement]) -> Iterator[str]:
    """The layers that stay as they are, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.stays is not None:
            reasons.setdefault(_why_stays(one), []).append(title(one.question))
    for why, titles in reasons.items():
        yield cells.clean(f"As they are: {why}.")
        yield from titles


def _why_stays(one: Replacement) -> str:
    if one.stays == OPEN and one.advice is not None:
        return f"no advice, {why_not(one.advice)}"
    return {
        ALREADY: "no other form is clearly faster" if one.advice else f"{one.variant} is Keras' own layer",
        KIND: f"{one.variant} is faster, but this file does not replace a DepthwiseConv layer",
        NO_CODE: f"{one.variant} has no code for the case",
    }[str(one.stays)]


def _notes(found: Sequence[Replacement], command: str) -> Iterator[str]:
    """What to say beside the module."""
    replaced = sum(one.stays is None for one in found)
    yield f"Replaced: {replaced} of {counted(len(found), 'layer')}."
    for one in found:
        if one.problem or one.untried or one.stays == NO_CODE:
            yield f"{title(one.question)}: {one.problem or one.untried or _why_stays(one)}."
    advices = [one.advice for one in found if one.advice]
    yield from _open(advices)
    for told, again in next_steps(advices, command):
        yield f"{told} {again}" if again else told
    others = [one.alternative.env for one in advices if one.alternative]
    for env in dict.fromkeys(others):
        yield f"Faster with {cells.clean(env)}: {counted(others.count(env), 'layer')}. {cells.clean(env)} {command}"


def _open(advices: Iterable[Advice]) -> Iterator[str]:
    """What has no advice, by the reason."""
    reasons: dict[str, list[str]] = {}
    for one in advices:
        if not one.answers:
            reasons.setdefault(why_not(one), []).append(title(one.question))
    for why, titles in reasons.items():
        which = titles[0] if len(titles) == 1 else f"{counted(len(titles), 'layer')}, the first {titles[0]}"
        yield cells.clean(f"No advice for {which}: {why}.")


def _made(found: Sequence[Replacement]) -> str:
    first = found[0].question
    setting, case = first.setting, first.case
    where = "" if setting.backend == "tensorflow" else f" Needs KERAS_BACKEND={setting.backend}."
    title = f"{setting.title()}, {case.pass_}, batch {case.batch_size}"
    return cells.clean(f"By grouped-bench {__version__} for {title}.{where}{_onednn(found)}")


def _onednn(found: Iterable[Replacement]) -> str:
    """Whether TensorFlow had oneDNN where the variants were measured: without it some cannot train on a processor."""
    states = {onednn_of(one.advice.evidence[0].in_force) for one in found if one.advice and one.advice.evidence}
    if states == {None} or not states:
        return ""
    is_on = True in states
    return f" Measured with oneDNN {'on' if is_on else 'off'}, as TF_ENABLE_ONEDNN_OPTS={int(is_on)} sets it."
