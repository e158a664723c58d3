"""Whether the answer of one kind of machine holds on another: each one's choice, and what it costs elsewhere."""

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.environment.machines import read_in_force
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.leads import gain, is_clearly_faster
from grouped_bench.analyse.network.parts import exact_forms, own_variant
from grouped_bench.analyse.rows import gathered, is_timed
from grouped_bench.space import variables
from grouped_bench.space.variables import ONEDNN
from grouped_bench.store.schema import COHORT_KEY, Task

# What is asked is the same on every kind of machine; what a variable is set to is one of its facts.
_ASKED = tuple(name for name in COHORT_KEY if name != "env")
# A loss of no more than this share is none.
_EQUAL = 1.05
# What becomes of a choice elsewhere: it costs no time, it does, it does not run there, nobody knows.
HOLDS, COSTS, FAILS, OPEN = "holds", "costs", "fails", "open"


@dataclasses.dataclass(frozen=True)
class MachineKind:
    """A machine with what decides its kernels besides: oneDNN on or off, and variables that its run set.

    A machine has oneDNN on by its own choice or by a variable; both are one kind.
    """

    machine: str
    state: str = ""


@dataclasses.dataclass(frozen=True)
class KindChoice:
    """What is best for one case on one kind of machine.

    Attributes:
        kind: of machine.
        best: the fastest form that is clearly faster than the network's or Keras' own; else that one, where it runs.
        tasks: all of the case there.
        is_decided: whether no other form may be faster than an own one that is `best` by more than next to nothing.
    """

    kind: MachineKind
    best: Task
    tasks: tuple[Task, ...]
    is_decided: bool = True


@dataclasses.dataclass(frozen=True)
class Transfer:
    """A choice that was made on one kind of machine, and is used on another.

    Attributes:
        made, used: the choice there, and that of the machine where it is used.
        task: of the form that was chosen, where it is used; None where it was not tried there.
    """

    made: KindChoice
    used: KindChoice
    task: Task | None

    @property
    def cost(self) -> Estimate | None:
        """How many times as long as the best form there takes; None where the form was not timed there."""
        if self.task is None or not is_timed(self.task):
            return None
        return Estimate(1.0, 1.0, 1.0) if self.task is self.used.best else gain(self.used.best, self.task)

    @property
    def state(self) -> str:
        """HOLDS, COSTS, FAILS or OPEN."""
        if not self.made.is_decided:
            return OPEN
        cost = self.cost
        if cost is None:
            return OPEN if self.task is None or self.task.status in ("interrupted", "ok") else FAILS
        if self.task is self.used.best or (cost.high is not None and cost.high <= _EQUAL):
            return HOLDS
        clear = self.task is not None and is_clearly_faster(self.used.best, self.task)
        return COSTS if clear and cost.value > _EQUAL else OPEN

    @property
    def at_least(self) -> float:
        """How many times as long at least; 1 where that is not known."""
        return (self.cost.low if self.cost else None) or 1.0


@dataclasses.dataclass(frozen=True)
class CaseAcross:
    """One case on several kinds of machines, in the order of the record."""

    choices: tuple[KindChoice, ...]

    @functools.cached_property
    def transfers(self) -> list[Transfer]:
        """Each choice on each other kind."""
        return [
            Transfer(made, used, next((one for one in used.tasks if one.variant == made.best.variant), None))
            for made in self.choices
            for used in self.choices
            if made is not used
        ]

    @property
    def state(self) -> str:
        """The worst of its transfers: FAILS, COSTS, OPEN or HOLDS."""
        found = {transfer.state for transfer in self.transfers}
        return next(state for state in (FAILS, COSTS, OPEN, HOLDS) if state in found)

    @property
    def dearest(self) -> Transfer | None:
        """The transfer that costs most for sure; None where none clearly does."""
        dear = [one for one in self.transfers if one.state == COSTS]
        return max(dear, key=lambda one: one.at_least, default=None)


def across(rows: Iterable[Task]) -> list[CaseAcross]:
    """The cases that were measured on several kinds of machines, in the order of the record.

    Of several runs of a case on one kind the newest counts.

    Args:
        rows: plain rows of whole cohorts, nulls None.
    """
    rows, found = list(rows), []
    if len({_kind_of(row.machine, row.env, row.in_force) for row in rows}) < 2:
        return []  # as of most runs
    for alike in gathered(rows, _ASKED):
        kinds: dict[MachineKind, list[Task]] = {}
        for row in alike:
            kinds.setdefault(_kind_of(row.machine, row.env, row.in_force), []).append(row)
        if len(kinds) > 1:
            choices = [one for kind, some in kinds.items() if (one := _choice(kind, some)) is not None]
            if len(choices) > 1:
                found.append(CaseAcross(tuple(choices)))
    return found


def kinds_of(cases: Sequence[CaseAcross]) -> list[MachineKind]:
    """The kinds of machines of some cases, in the order of the record."""
    return list(dict.fromkeys(choice.kind for case in cases for choice in case.choices))


@functools.lru_cache(1024)
def _kind_of(machine: str, env: str | None, in_force: str | None) -> MachineKind:
    """By three columns of a task, which the tasks of a run share."""
    is_on = (read_in_force(in_force) or {}).get("onednn")
    if not isinstance(is_on, bool):
        return MachineKind(machine, env or "")
    others = {name: value for name, value in variables.parsed(env).items() if name != ONEDNN}
    told = [f"oneDNN {'on' if is_on else 'off'}", variables.described(others)]
    return MachineKind(machine, ", ".join(filter(None, told)))


def _choice(kind: MachineKind, tasks: Sequence[Task]) -> KindChoice | None:
    """What is best among the tasks of a case on a kind of machine; None where nothing was timed."""
    *_, newest = sorted(gathered(tasks, ("run_id",)), key=lambda some: str(some[0].started_at))
    own = next((row for row in newest if row.variant == own_variant(row)), None)
    if own is None:
        return None
    others = exact_forms(own, newest)
    forms = [own, *(row for row in others if is_clearly_faster(row, own))] if is_timed(own) else others
    best = min(forms, key=lambda row: row.seconds, default=None)
    if best is None:
        return None
    is_decided = best is not own or all((gain(row, own).high or math.inf) <= _EQUAL for row in others)
    return KindChoice(kind, best, tuple(newest), is_decided)
