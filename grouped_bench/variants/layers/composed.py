"""`composed`: the forward pass and each gradient from the form that is fastest at it, as a gradient of one's own."""

import dataclasses

from grouped_bench.backends.base import Backend, BareConvolution
from grouped_bench.space.case import Case
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE, Composition, Form, forms, merges
from grouped_bench.space.counts import Counts
from grouped_bench.variants.base import REGISTRY, Chooser, Convolve, KernelVariant, variant

# Forms that are a grouped convolution for the framework, and so is what it derives from them.
_GROUPED_FORMS = (NATIVE, DEPTHWISE)


@variant
class Composed(KernelVariant):
    """One function by up to three forms. All are linear in input and kernel, so that each gradient may have its own.

    For inference it is the fastest form. Its MACs are those of its forms.
    """

    name = "composed"
    summary = "forward pass and each gradient by the form that is fastest at it, searched"
    computes = "grouped"

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
        counts, found = super().counts(case), Composition.of(self.choice, case)
        used = found.forms if case.pass_ == "training" else [found.forward]
        return dataclasses.replace(counts, macs=sum(_times(form) * counts.macs // len(used) for form in used))

    def convolve(self, case: Case, backend: Backend) -> Convolve:
        found = Composition.of(self.choice, case)
        if found.kernel.variant in _GROUPED_FORMS and case.pass_ == "training" and not backend.has_group_gradients():
            raise NotImplementedError(
                f"XLA computes the kernel's gradient of a grouped convolution on a processor {case.groups} times over"
            )
        parts = {form: BareConvolution(_form(form).convolve(case, backend), form.compiled) for form in found.forms}
        return backend.composed(*(parts[form] for form in found.forms))


def _form(form: Form) -> KernelVariant:
    found = REGISTRY[form.variant].with_choice(form.choice)
    assert isinstance(found, KernelVariant)
    return found


def _times(form: Form) -> int:
    """How many times the grouped function's arithmetic a form has."""
    return int(form.choice.removeprefix("m=")) if form.variant == MERGED and form.choice else 1


def _written(case: Case, found: Composition) -> str:
    return str(found) if case.pass_ == "training" else f"forward={found.forward}"
