"""Sides from different machines or with different kernels in force: what to say first, and what is not judged."""

import dataclasses

from grouped_bench.analyse.compare.compare import INCONCLUSIVE, NOT_JUDGED, Change, Compared, Comparison
from grouped_bench.analyse.environment.machines import BASE_AND_HEAD, InForce, in_force_differences, machine_differences
from grouped_bench.space.facts import Facts
from grouped_bench.store.identity import Identity, identity_of
from grouped_bench.store.older import in_force_of

OTHER_KERNELS = "other kernels computed it, on another machine"
# What the same code is computed by another kernel for; threads and the rest, a reference workload shares.
_KERNELS = ("onednn", "onednn_isa", "instruction_set", "xla_isa")
_ONEDNN_BACKEND = "tensorflow"
# The verdict on a metric that they decide.
_INSTEAD = {"status": INCONCLUSIVE, "latency": INCONCLUSIVE, "memory": NOT_JUDGED, "first_call": NOT_JUDGED}


@dataclasses.dataclass(frozen=True)
class Apart:
    """In what two sides are apart, in words: their machines, and of each backend what was in force."""

    machines: tuple[str, ...] = ()
    in_force: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, what was in force first: it says most."""
        return (*self.in_force, *self.machines)


def apart(base: Facts, head: Facts) -> Apart:
    """How base and head are apart, by the facts of a run of each.

    `refused` are the backends of which other kernels were in force on another machine: a reference workload of the same
    rounds is then no measure for what the machine alone changed.
    """
    machines = identity_of(base), identity_of(head)
    if machines == (None, None):
        names = [str(one.get("machine") or "a machine without a name") for one in (base, head)]
        told = [f"{names[0]} in base and {names[1]} in head"] if names[0] != names[1] else []
    else:
        told = machine_differences(*machines, BASE_AND_HEAD)
    before, after = in_force_of(base), in_force_of(head)
    found: dict[str, list[str]] = {
        name: in_force_differences(before[name], after[name], BASE_AND_HEAD) for name in before if name in after
    }
    other = {name for name in found if _kernels(before[name]) != _kernels(after[name])}
    if _ONEDNN_BACKEND not in found and _other_class(*machines):
        classes = " and ".join(
            f"{one.machine_class} {where}" for one, where in zip(machines, BASE_AND_HEAD, strict=True) if one
        )
        found[_ONEDNN_BACKEND] = [classes]
        other.add(_ONEDNN_BACKEND)
    words = dict.fromkeys(word for told_of_one in found.values() for word in told_of_one)
    return Apart(tuple(told), tuple(words), frozenset(other if told else ()))


def judged_apart(comparison: Comparison, found: Apart) -> Comparison:
    """`comparison` with what sets its sides apart; what other kernels of another machine decide is not judged."""
    tasks = tuple(_without(task) if _backend(task) in found.refused else task for task in comparison.tasks)
    return dataclasses.replace(comparison, tasks=tasks, apart=found.words, is_elsewhere=bool(found.machines))


def _other_class(base: Identity | None, head: Identity | None) -> bool:
    classes = [one.onednn_by_default if one else None for one in (base, head)]
    return None not in classes and classes[0] != classes[1]


def _kernels(told: InForce) -> list[str]:
    """What kernels are chosen by: of XLA's target the highest instruction set."""
    return [str(told.get(name)).partition(" ")[0] if name == "xla_isa" else str(told.get(name)) for name in _KERNELS]


def _backend(task: Compared) -> str | None:
    backend = task.head.columns.get("backend")
    return None if backend is None else str(backend)


def _without(task: Compared) -> Compared:
    return dataclasses.replace(task, changes=tuple(map(_refused, task.changes)))


def _refused(change: Change) -> Change:
    """A change without a verdict on what is another machine's doing; parameters are nobody's."""
    is_same = change.metric == "status" and change.base == change.head
    if change.metric not in _INSTEAD or change.verdict == NOT_JUDGED or is_same:
        return change
    return dataclasses.replace(change, verdict=_INSTEAD[change.metric], reason=OTHER_KERNELS)
