"""The parts of advice: the question, the variants with their figures, and the reasons for and against each."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.network.parts import OWN_GROUPED
from grouped_bench.analyse.reasons.reasons import explained
from grouped_bench.analyse.rows import is_timed
from grouped_bench.space.case import BASELINE, Case, Setting
from grouped_bench.space.counts import Counts, convolution_counts
from grouped_bench.space.facts import Json
from grouped_bench.store.schema import Task

# A choice between variants that cannot be distinguished is left open where it could cost more than this share.
COSTLY = 0.25
MEASURED, NEIGHBOURS = "measured", "neighbours"
# What keeps a measurement from an answer: no variant works, or the time ended.
FAILURES, TIME = "failures", "time"


@dataclasses.dataclass(frozen=True)
class Question:
    """A case, where it is to run, and the function that is wanted: `dense` or `grouped`.

    `label`, `in_use` and `multiplicity` are those of the case in a network, where the record has them.
    """

    case: Case
    setting: Setting
    computes: str
    label: str | None = None
    in_use: str | None = None
    multiplicity: int | None = None

    @property
    def keras(self) -> str:
        """The variant as which the network, or Keras itself, has the layer."""
        return (self.in_use or OWN_GROUPED) if self.computes == "grouped" else BASELINE

    def counts(self, variant: str) -> Counts:
        """Parameters and minimum bytes of `regular`, or of a variant of the function."""
        return convolution_counts(self.case, 1 if BASELINE in (variant, self.keras) else self.case.groups)

    def columns(self) -> Json:
        """The case and the setting under the names of the record."""
        return {**self.case.to_columns(), **dataclasses.asdict(self.setting)}


@dataclasses.dataclass(frozen=True)
class Option:
    """One variant: seconds a call, how many times as fast as two others it is, and bytes; None where not known.

    `choice` is what was chosen where it was measured; None where the variant has none, or where it is estimated.
    """

    variant: str
    latency: Estimate
    over_regular: Estimate | None
    over_grouped: Estimate | None
    memory: Estimate | None
    is_coarse: bool
    params: int
    choice: str | None = None


@dataclasses.dataclass(frozen=True)
class Advice:
    """The variants of the function, the one to use first; or why none is advised.

    Args:
        basis: `measured`, `neighbours`, or None where it abstains.
        ties: variants that cannot be distinguished from the one to use.
        at_most: share by which it may be slower than one of those, at worst; None where that is not known.
        left_out: variants that were not ranked, each with the reason.
        evidence: rows of the record that it rests on, the nearest first.
        regular: the baseline, where it computes another function and its figures are known.
        abstains: why nothing is advised.
        why_elsewhere: why the evidence is of another machine or environment, so that nothing is said of here; None
            where it is of here.
        tried: whether the code of the variant to use was run here.
        alternative: an environment in which another variant is faster than all are as things are.
        measured_s: seconds in which the open cases were measured for this answer; None where this one was not.
        kept_open: what kept the case's own measurement from an answer, `failures` or `time`; None where it has none, or
            answers.
    """

    question: Question
    basis: str | None = None
    options: tuple[Option, ...] = ()
    ties: tuple[str, ...] = ()
    at_most: float | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    evidence: tuple[Task, ...] = ()
    regular: Option | None = None
    abstains: str | None = None
    why_elsewhere: str | None = None
    tried: bool = False
    alternative: "Alternative | None" = None
    measured_s: float | None = None
    kept_open: str | None = None

    @property
    def best(self) -> Option | None:
        """The variant to use; where the evidence is of elsewhere, the one that was best there."""
        return self.options[0] if self.basis else None

    @property
    def elsewhere(self) -> bool:
        """Whether the evidence says nothing of how things are here."""
        return self.why_elsewhere is not None

    @property
    def answers(self) -> bool:
        """Whether it says what to use here."""
        return not self.elsewhere and (self.best is not None or self.alternative is not None)

    @property
    def is_measured(self) -> bool:
        """Whether it was measured here, with something to choose from."""
        has_choice = len(self.options) > 1 or self.question.case.groups == 1
        return self.basis == MEASURED and not self.elsewhere and has_choice

    @property
    def is_settled(self) -> bool:
        """Whether it was measured here, and what else there is would save little."""
        return self.is_measured and (not self.ties or (self.at_most is not None and self.at_most <= COSTLY))


@dataclasses.dataclass(frozen=True)
class Alternative:
    """What to use with other values of the environment.

    Args:
        env: the values, as a setting names them.
        advice: on the same case with them.
        over: how many times as fast it is as the best without them; None where there is none.
    """

    env: str
    advice: Advice
    over: Estimate | None


def question(case: Case, setting: Setting, computes: str | None = None) -> Question:
    """The question which variant to use for a case.

    Args:
        case: what is to be computed.
        setting: where and how it is to run.
        computes: the function; None for `grouped` where the case has groups, else `dense`.
    """
    return Question(case, setting, computes or ("grouped" if case.groups > 1 else "dense"))


def leaders(advices: Sequence[Advice], figure: Callable[[Advice], Estimate | None]) -> list[Advice]:
    """The advice with the least of a figure, among several cases, and those that cannot be distinguished from it.

    Empty where one of them does not know its figure.
    """
    found = [(advice, figure(advice)) for advice in advices]
    known = [(advice, value) for advice, value in found if value is not None]
    if len(known) < len(advices):
        return []
    least = min((value for _, value in known), key=lambda value: value.value)
    return [advice for advice, value in known if value is least or _may_meet(least, value)]


def _may_meet(least: Estimate, other: Estimate) -> bool:
    return least.high is None or other.low is None or other.low <= least.high


def failures(rows: Iterable[Task], computes: str) -> dict[str, str]:
    """Variants of a function that ended in another status than ok, each with its first reason."""
    found: dict[str, str] = {}
    for row in rows:
        if row.computes == computes and not is_timed(row):
            reason = row.status if row.reason is None else f"{row.status}: {explained(row.reason, row)}"
            found.setdefault(row.variant, reason)
    return found
