"""`composed`: the forward pass and each gradient from the form that is fastest at it, as a gradient of one's own."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import Arguments, Code, Defined, name_of
from grouped_bench.space.case import Case
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE, Composition, Form, forms, merges
from grouped_bench.space.counts import Counts
from grouped_bench.variants.base import REGISTRY, Chooser, Variant, variant
from grouped_bench.variants.palette import PLUM

# Forms that are a grouped convolution for the framework, and so is what it derives from them.
_GROUPED_FORMS = (NATIVE, DEPTHWISE)


@variant
class Composed(Variant):
    """One function by up to three forms. All are linear in input and kernel, so that each gradient may have its own.

    For inference it is the fastest form. Its MACs are those of its forms.
    """

    name = "composed"
    summary = "forward pass and each gradient by the form that is fastest at it, searched"
    gloss = "each gradient by its fastest form"
    computes = "grouped"
    colour, marker = PLUM, "D"

    def choices(self, case: Case) -> tuple[str, ...]:
        """Those of one form alone; `choose` combines them."""
        return tuple(_written(case, Composition(form, form, form)) for form in forms(case))

    def choose(self, case: Case, trials: Chooser) -> str:
        """The best form of each part in turn, unless one form alone is as fast for all of them."""
        every = forms(case)
        first = {f"forward={form}": form for form in every}
        best = trials.fastest(list(first), part="forward")
        if case.pass_ == "inference":
            return best
        forward, sure = first[best], Form(MERGED, merges(case)[0])
        second = {str(Composition(forward, form, sure)): form for form in every}
        of_input = second[trials.fastest(list(second), part="input")]
        composed = trials.fastest([str(Composition(forward, of_input, form)) for form in every])
        alone = (str(Composition(form, form, form)) for form in Composition.of(composed, case).forms)
        return trials.fastest(list(dict.fromkeys([composed, *alone])))

    def counts(self, case: Case) -> Counts:
        counts, used = super().counts(case), self._forms(case)
        return dataclasses.replace(counts, macs=sum(_times(form) * counts.macs // len(used) for form in used))

    def layer(self, case: Case, backend: Backend) -> Any:
        kernel = self._forms(case)[-1]
        if case.pass_ == "training" and kernel.variant in _GROUPED_FORMS and not backend.has_group_gradients():
            raise NotImplementedError(
                f"XLA computes the kernel's gradient of a grouped convolution on a processor {case.groups} times over"
            )
        return super().layer(case, backend)

    def code(self, case: Case, backend: Backend) -> Code:
        used = self._forms(case)
        if any(form.compiled for form in used) and not backend.compiles_parts:
            raise NotImplementedError(f"{backend.name} compiles a step as a whole")
        distinct = list(dict.fromkeys(used))
        codes = [_variant(form).code(case, backend) for form in distinct]
        if _is_plain(distinct):
            return codes[0]
        ways = [
            (Defined(name_of(code)), self._own_arguments(case, form), form.compiled)
            for code, form in zip(codes, distinct, strict=True)
        ]
        steps = dict.fromkeys(step for code in codes for step in code)
        places = tuple(distinct.index(form) for form in (used * 3)[:3])
        return *steps, *backend.composed_code, {"forms": ways, "places": places}, define_composed_conv

    def arguments(self, case: Case) -> Arguments:
        distinct = list(dict.fromkeys(self._forms(case)))
        own = self._own_arguments(case, distinct[0]) if _is_plain(distinct) else {}
        return {**super().arguments(case), **own}

    def _own_arguments(self, case: Case, form: Form) -> Arguments:
        """What the form's class takes besides Keras' own arguments."""
        given, usual = _variant(form).arguments(case), super().arguments(case)
        return {name: value for name, value in given.items() if name not in usual}

    def _forms(self, case: Case) -> tuple[Form, ...]:
        """The form of each part of the case's pass."""
        found = Composition.of(self.choice, case)
        return found.forms if case.pass_ == "training" else (found.forward,)


def define_composed_conv(KernelConv: Any, composed: Any, forms: Any, places: Any) -> Any:
    """`ComposedConv`: of `forms` those at `places` are the forward pass, and the gradient of input and of kernel."""

    class ComposedConv(KernelConv):
        """Keras' layer, with its weights, by a form of each part of a step."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made = []
            for form, own, compiled in forms:
                layer = form(*arguments, **options, **own)
                made.append((layer.convolve, compiled))
            self.convolve = composed(*(made[place] for place in places))

    return ComposedConv


def _is_plain(distinct: Sequence[Form]) -> bool:
    """Whether there is one form alone, whose own gradients are as good."""
    return len(distinct) == 1 and not distinct[0].compiled


def _variant(form: Form) -> Variant:
    return REGISTRY[form.variant].with_choice(form.choice)


def _times(form: Form) -> int:
    """How many times the grouped function's arithmetic a form has."""
    return int(form.choice.removeprefix("m=")) if form.variant == MERGED and form.choice else 1


def _written(case: Case, found: Composition) -> str:
    return str(found) if case.pass_ == "training" else f"forward={found.forward}"
