"""What takes the place of Keras' own layer of each case: what is advised, or a variant that was named."""

import dataclasses

from grouped_bench.analyse.advise.advice import Advice, Question
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.network import OWN_GROUPED
from grouped_bench.space.case import BASELINE

# Why a layer stays: nothing is advised, what is advised is there already, it is a layer of another kind (a depthwise
# one), or the variant has no code.
OPEN, ALREADY, KIND, NO_CODE = "open", "already", "kind", "no code"


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
        best = self.advice.best if self.advice else None
        if best is None:
            return None
        return {BASELINE: best.over_regular, OWN_GROUPED: best.over_grouped}.get(self.question.keras)

    @property
    def answers(self) -> bool:
        """Whether it says what to use here."""
        return self.stays not in (OPEN, NO_CODE) and self.problem is None


def advised(advice: Advice) -> Replacement:
    """What `advice` puts in the layer's place in the environment as it is."""
    asked, best = advice.question, None if advice.elsewhere else advice.best
    if best is None:
        return Replacement(asked, None, stays=OPEN, advice=advice)
    return Replacement(asked, best.variant, best.choice, stays=_stays(asked, best.variant), advice=advice)


def named(asked: Question, variant: str, choice: str | None) -> Replacement:
    """`variant` in the layer's place, whatever is known of it."""
    return Replacement(asked, variant, choice, stays=_stays(asked, variant))


def _stays(asked: Question, variant: str) -> str | None:
    if variant == asked.keras:
        return ALREADY
    return None if asked.keras in (BASELINE, OWN_GROUPED) else KIND
