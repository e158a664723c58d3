"""The grouped convolutions of a network: what takes the place of each, and the modules of that."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import backends
from grouped_bench.api.advise import Measuring, answers, evidence
from grouped_bench.api.layer_code import refuse_several
from grouped_bench.harness.plan import make_plan, resolved
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE, SHIFTED, is_worth_a_trial
from grouped_bench.space.facts import Json
from grouped_bench.units import format_percent
from grouped_bench.variants.models import built_in

if TYPE_CHECKING:
    from grouped_bench.analyse.advise.advice import Question
    from grouped_bench.analyse.advise.optimized import LayerChange
    from grouped_bench.analyse.advise.replacements import Replacement
    from grouped_bench.harness.plan import Cohort
    from grouped_bench.space.case import Case, Setting
    from grouped_bench.variants.models.modules import StandIns, Substitute

FILE, BUILTIN, LAYERS = "file", "builtin", "layers"
# Of each way to save a copy, the forms that its layers may have. Those of a file are those with the weights of Keras'
# layer whose classes fill one page.
_KEEPING = (NATIVE, MERGED, DEPTHWISE)
FORMS = {FILE: _KEEPING, BUILTIN: built_in.FORMS, LAYERS: _KEEPING}
# Fastest in places where XLA compiles it, and slow where it does not. Of a pointwise layer it is a product of matrices.
_COMPILES, _COMPILED = "jax", (SHIFTED,)
_OWN = ("regular", "grouped")
_SEPARABLE = "Left out: {}: a separable layer is not taken apart"
MARGIN = 0.03
# What differs from setting to setting of one command; in all else the layers of a network must agree.
_SETTINGS = ("env", "threads", "execution")


def measuring(how: Measuring, save_as: str, backend: str) -> Measuring:
    """`how`, with the forms that the layers of a copy may have.

    Args:
        how: to measure.
        save_as: what the copy consists of.
        backend: on which it runs.
    """
    if save_as == BUILTIN:
        return dataclasses.replace(how, tried=FORMS[BUILTIN], takes=built_in.has)
    tried = (*FORMS[save_as], *(_COMPILED if backend == _COMPILES else ()))
    return dataclasses.replace(how, tried=tried, takes=_is_worth_a_trial)


def _is_worth_a_trial(variant: str, case: "Case") -> bool:
    """Whether a form may be the fastest; without groups most of them are Keras' own."""
    return is_worth_a_trial(variant, case) and (case.groups > 1 or variant in _COMPILED)


def grouped_layers(
    file: str, folds: list[Json], input_shape: str | Sequence[int] | None, save_as: str, options: dict[str, Any]
) -> "tuple[dict[Setting, list[Cohort]], Cohort, tuple[str, ...]]":
    """The distinct grouped convolutions that have other forms, by the setting; any convolution; and what is left out.

    Args:
        file: of the network, its folds made.
        folds: what was folded, as `measure.models.copies.fold` answers.
        input_shape: extents of an example; None for the model's own.
        save_as: what the copy is to consist of.
        options: axes, by the names that `Space` takes.
    """
    from grouped_bench.analyse.network.parts import OWN_GROUPED
    from grouped_bench.harness.inspect.networks import OF_VARIANTS, read_network
    from grouped_bench.measure.models.reading.keras_networks import DEPTHWISE_PART

    backend = str(options.get("backend", "tensorflow"))
    space, _ = resolved(read_network(file, input_shape, backend=backend), options)
    plan = make_plan(space)
    refuse_several([_question(one) for one in plan.cohorts], but=_SETTINGS)
    skipped = (f"Left out: {skip.cohort.label or skip.cohort.case.title()}: {skip.reason}" for skip in plan.skipped)
    # Of variants that are left out the space speaks too; here others are measured.
    left_out = (*(one for one in space.left_out if not one.startswith(OF_VARIANTS)), *skipped)
    kinds = (OWN_GROUPED, DEPTHWISE) if save_as == FILE else (OWN_GROUPED,)
    with_pointwise = backend == _COMPILES and save_as != BUILTIN

    def has_forms(cohort: "Cohort") -> bool:
        if cohort.case.groups == 1:
            return with_pointwise and max(cohort.case.kernel_size) == 1
        return (cohort.in_use or OWN_GROUPED) in kinds

    grouped = [one for one in plan.cohorts if has_forms(one)]
    separable = dict.fromkeys(str(one.label) for one in grouped if DEPTHWISE_PART in str(one.label))
    by_setting: dict[Setting, list[Cohort]] = {}
    for one in grouped:
        if str(one.label) not in separable:
            by_setting.setdefault(one.setting, []).append(_with_fold(one, folds))
    return by_setting, plan.cohorts[0], (*left_out, *map(_SEPARABLE.format, separable))


def _question(cohort: "Cohort") -> "Question":
    from grouped_bench.analyse.advise.advice import question
    from grouped_bench.analyse.network.parts import OWN_GROUPED

    # With one group it is the same function, and the one that forms compute.
    found = question(cohort.case, cohort.setting, OWN_GROUPED)
    return dataclasses.replace(found, label=cohort.label, in_use=cohort.in_use, multiplicity=cohort.multiplicity)


def _with_fold(cohort: "Cohort", folds: list[Json]) -> "Cohort":
    """The cohort; of a layer that was folded as the network has it, in parts."""
    first = str(cohort.label).partition(" and ")[0]
    is_folded = any(one["name"] == first for one in folds)
    return dataclasses.replace(cohort, in_use=built_in.SPLIT) if is_folded else cohort


def made_folds(folds: list[Json], substitutes: "Sequence[Made]") -> tuple[str, ...]:
    """The names of those folds that are replaced."""
    from grouped_bench.variants.models.modules import traits_of

    wanted = [json.loads(json.dumps([traits_of(one.substitute), one.substitute.case.size])) for one in substitutes]
    return tuple(one["name"] for one in folds if [one["traits"], one["size"]] in wanted)


def changes_of(cohorts: "Sequence[Cohort]", how: Measuring) -> "tuple[LayerChange, ...]":
    """What is found for each layer; one in parts may stay so, and no other may become so."""
    parted = [one for one in cohorts if one.in_use == built_in.SPLIT]
    others = [one for one in cohorts if one.in_use != built_in.SPLIT]
    with_parts = dataclasses.replace(how, tried=tuple(dict.fromkeys((*how.tried, built_in.SPLIT))))
    made = [*(_found(others, how) if others else []), *(_found(parted, with_parts) if parted else [])]
    return tuple(sorted(made, key=lambda change: -change.saved))


def _found(cohorts: "Sequence[Cohort]", how: Measuring) -> "list[LayerChange]":
    from grouped_bench.analyse.advise.optimized import LayerChange
    from grouped_bench.analyse.advise.replacements import KINDS, advised
    from grouped_bench.space.case import Case

    rows, machines = evidence((), how.out)
    forms = {*how.tried, *_OWN}
    known = [row for row in rows if row.variant in forms and row.scope == "layer"]
    rows = [row for row in known if row.variant in _OWN or how.takes(row.variant, Case.from_columns(row))]
    found = answers([_question(one) for one in cohorts], rows, machines, how, measure=True)
    return [
        LayerChange(advised(advice, (*KINDS, DEPTHWISE, built_in.SPLIT)), cohort.multiplicity or 1, MARGIN)
        for advice, cohort in zip(found, cohorts, strict=True)
    ]


def pages_of(changes: "Sequence[LayerChange]", out: Path) -> list[str]:
    """Where the runs are shown in which the layers were measured."""
    advice = [change.replacement.advice for change in changes]
    rows = [row for one in advice if one is not None and one.basis for row in one.evidence]
    found = dict.fromkeys(out / str(row.machine) / f"{row.run_id}.html" for row in rows)
    return [f"The layers as they were measured: {path}" for path in found if path.is_file()]


@dataclasses.dataclass(frozen=True)
class Made:
    """A change that is made, and what takes the layer's place."""

    replacement: "Replacement"
    substitute: "Substitute"


def substitutes_of(changes: "Sequence[LayerChange]") -> list[Made]:
    """The changes that are made, each with what takes the layer's place."""
    from grouped_bench.report.advice.module import substitute_of

    made = [(one.replacement, substitute_of(one.replacement)) for one in changes if one.is_made]
    return [Made(replacement, found) for replacement, found in made if found is not None]


def stand_ins_of(made: Sequence[Made], save_as: str) -> "StandIns":
    """The modules of the layers that change."""
    from grouped_bench.layers.choice import Chosen
    from grouped_bench.variants.models import modules

    substitutes = [one.substitute for one in made]
    forms = [(str(one.replacement.variant), one.replacement.choice) for one in made]
    if save_as == BUILTIN:
        return modules.of_keras(substitutes, [name for name, _ in forms])
    if save_as == LAYERS:
        return modules.of_package(substitutes, [str(Chosen(*form)) for form in forms])
    backend = backends.get(made[0].replacement.question.setting.backend)
    return modules.stand_ins(substitutes, guarded=backend.refuses_by_processor)


def why_none(changes: "Sequence[LayerChange]") -> str:
    """Why no layer changes."""
    from grouped_bench.report.advice.text import why_not

    for change in changes:
        advice = change.replacement.advice
        if advice is not None and not advice.answers:
            return f"no layer has a form that is shown to be faster: {why_not(advice)}"
    return f"no layer has a form that is shown to be more than {format_percent(MARGIN)} faster"
