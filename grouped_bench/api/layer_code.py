"""The module that puts faster layers in the place of Keras' own; behind `grouped-bench advise --code`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import variants
from grouped_bench.api.advise import Measuring, answers, evidence, fails, questions_of
from grouped_bench.errors import SpaceError, UnavailableError
from grouped_bench.space.case import KERAS_LAYOUT, Setting
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.analyse.advise.advice import Question
    from grouped_bench.analyse.advise.replacements import Replacement
    from grouped_bench.harness.inspect.here import Here
    from grouped_bench.report.advice.module import LayerCode
    from grouped_bench.store.schema import Task

_EXACT = ("dense", "grouped")
# What all layers of a module have in common: a variant that is the fastest in one may not be in another.
_COMMON = ("backend", "execution", "device", "cache", "layout", "threads", "pass", "batch_size")


def layer_code(
    space: Space | None = None,
    runs: Sequence[str] = (),
    *,
    variant: str | None = None,
    command: str = "grouped-bench advise",
    out: str | Path = DEFAULT_OUT,
    computes: str | None = None,
    measure: bool = False,
    budget: str | float | None = None,
    wait: bool = False,
    quiet: bool = True,
    files: variants.Files = (),
    **options: Any,
) -> "LayerCode":
    """The Python module that puts what is advised, or one variant, in the place of Keras' layers.

    Args:
        space, runs, out, computes, measure, budget, wait, quiet, files: as `advise` takes them.
        variant: the variant for every case, whatever is known of it; what is advised unless given.
        command: that was asked, for what the notes say to do next.
        **options: as `advise` takes them.

    Returns:
        The text of the module, notes on what it leaves out, and whether each case has an answer.

    Raises:
        SpaceError: an argument breaks a rule, or the layers are not of one setting, pass and batch.
        UnavailableError: a variant that is not known, or cannot take the place of Keras' layer.
        VariantError: a file does not register variants.
        RunError: a run that cannot be found or read.
    """
    from grouped_bench.analyse.advise.replacements import advised
    from grouped_bench.report.advice import module

    how = Measuring.of(out, budget, wait=wait, quiet=quiet, files=variants.import_files(files))
    function = computes if variant is None else _function(variant)
    rows, machines = evidence(runs, out)
    of_keras = {"layout": KERAS_LAYOUT} if space is not None else {}
    asked = questions_of(space, rows, function, {**of_keras, **options})
    refuse_several(asked)
    if any(one.setting.layout for one in asked):
        raise SpaceError(
            "A module must be of layers of Keras",
            received=f"--layout {asked[0].setting.layout}",
            remedy=f"Name --layout {KERAS_LAYOUT}, or leave out --code: the answer on one case ends with its code",
        )
    if variant is None:
        found = [advised(one) for one in answers(asked, rows, machines, how, measure=measure)]
    else:
        found = _named(variant, asked, rows, quiet=quiet)
    return module.layer_code(found, command)


def _function(variant: str) -> str:
    """What the variant computes; UnavailableError where that is not the function of a layer of Keras'."""
    computes = variants.get(variant).computes
    if computes not in _EXACT:
        raise UnavailableError(
            "A variant must compute what Keras' layer does to take its place",
            received=f"{variant}, which computes {computes}",
            remedy="Name another variant",
        )
    return computes


def refuse_several(asked: "Sequence[Question]", but: Sequence[str] = ()) -> None:
    """Raise SpaceError for questions that differ in what the layers of a module have in common.

    Args:
        asked: the questions.
        but: in what of it they may differ.
    """
    for name in (one for one in _COMMON if one not in but):
        found = dict.fromkeys(str(one.columns()[name]) for one in asked)
        if len(found) > 1:
            option = f"--{name.replace('_', '-')} {list(found)[-1]}"
            raise SpaceError(
                f"Layers that go together must have one {name.replace('_', ' ')}",
                received=", ".join(found),
                remedy=f"Choose one, such as {option}",
            )


def _named(variant: str, asked: "Sequence[Question]", rows: "Sequence[Task]", *, quiet: bool) -> "list[Replacement]":
    """The variant for each question, tried here where its backend starts."""
    from grouped_bench.analyse.advise.replacements import named
    from grouped_bench.harness.inspect.here import looked_at

    found = [named(one, variant, _choice(one, variant, rows)) for one in asked]
    with looked_at({}, quiet=quiet) as here:
        return [_tried(one, here) for one in found]


def _choice(asked: "Question", variant: str, rows: "Sequence[Task]") -> str | None:
    """What the newest run of the case chose, where the variant leaves something open."""
    from grouped_bench.analyse.advise.advise import of_case

    chosen = [row for row in of_case(asked, rows) if row.variant == variant and row.choice]
    return max(chosen, key=lambda row: str(row.started_at)).choice if chosen else None


def _tried(one: "Replacement", here: "Here") -> "Replacement":
    from grouped_bench.harness.inspect.trials import Paste
    from grouped_bench.report.advice.snippets import snippet

    asked: Setting = one.question.setting
    case = one.question.case
    code = (
        None
        if one.stays or one.variant is None
        else snippet(one.variant, case, asked.backend, asked.execution, one.choice)
    )
    if code is None:
        return one
    if here.trials.probe(asked) is None:
        return dataclasses.replace(one, untried=f"not tried here, where {asked.host.title()} does not start")
    problem = here.trials.problem(case, asked, Paste(code, one.variant, one.choice))
    return one if problem is None else dataclasses.replace(one, problem=fails(problem, one.question, here))
