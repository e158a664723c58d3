"""What takes the place of Keras' own layer of each case: what is advised, or a variant that was named."""

import dataclasses
from collections.abc import Sequence

from grouped_bench.analyse.advise.advice import Advice, Option, Question
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.network.parts import OWN_GROUPED
from grouped_bench.space.case import BASELINE

# Why a layer stays: nothing is advised, what is advised is there already, it is a layer of another kind (a depthwise
# one), or the variant has no code.
OPEN, ALREADY, KIND, NO_CODE = "open", "already", "kind", "no code"
# The layers whose one a printed module takes, by the variants that they are.
KINDS = (BASELINE, OWN_GROUPED)


@dataclasses.dataclass(frozen=True)
class Replacement:
    """The variant for a case, or why the layer stays.

    Args:
        question: the case and where it is to run.
        variant, choice: to use; None where none is advised, and where the variant leaves nothing open.
        stays: why Keras' layer stays, one of the reasons above; None where it is replaced.
        advice: that it follows; None where the variant was named.
        problem: why the code does not work here; None where it does, or was not tried.
        untried: why it was not tried here.
    """

    question: Question
    variant: str | None
    choice: str | None = None
    stays: str | None = None
    advice: Advice | None = None
    problem: str | None = None
    untried: str | None = None

    @property
    def gain(self) -> Estimate | None:
        """How many times as fast as Keras' own layer it is; None where that is not known."""
        best, keras = self.advice.best if self.advice else None, self.question.keras
        if best is None or self.advice is None:
            return None
        if keras in KINDS:
            return {BASELINE: best.over_regular, OWN_GROUPED: best.over_grouped}[keras]
        own = next((one for one in self.advice.options if one.variant == keras), None)
        return _over(best, own) if own else None

    @property
    def answers(self) -> bool:
        """Whether it says what to use here."""
        return self.stays not in (OPEN, NO_CODE) and self.problem is None


def advised(advice: Advice, kinds: Sequence[str] = KINDS) -> Replacement:
    """What `advice` puts in the layer's place in the environment as it is.

    Args:
        advice: on the layer.
        kinds: the layers that can be replaced, by the variants that they are.
    """
    asked, best = advice.question, None if advice.elsewhere else advice.best
    if best is None:
        return Replacement(asked, None, stays=OPEN, advice=advice)
    return Replacement(asked, best.variant, best.choice, stays=_stays(asked, best.variant, kinds), advice=advice)


def _over(best: Option, own: Option) -> Estimate:
    """How many times as fast `best` is, by what both are to the baseline where that says more."""
    quotient = own.latency.over(best.latency)
    if best.over_regular is None or own.over_regular is None:
        return quotient
    return best.over_regular.over(own.over_regular).narrower(quotient)


def named(asked: Question, variant: str, choice: str | None) -> Replacement:
    """`variant` in the layer's place, whatever is known of it."""
    return Replacement(asked, variant, choice, stays=_stays(asked, variant, KINDS))


def _stays(asked: Question, variant: str, kinds: Sequence[str]) -> str | None:
    if variant == asked.keras:
        return ALREADY
    return None if asked.keras in kinds else KIND
