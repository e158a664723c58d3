"""Whether a measurement is evidence elsewhere: on the same machine, with the same kernels in force."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.identity import GPU, Identity, identity_of
from grouped_bench.units import counted

# Where two things are, in the words of a reason.
THERE_AND_HERE = ("there", "here")
BASE_AND_HEAD = ("in base", "in head")
NOT_TOLD = "what decides its kernels was not recorded"
_IN_FORCE_NOT_TOLD = "what was in force there was not recorded"
# What of `in_force` decides the kernels; TF32 is a choice of the run, which says so itself.
_DECIDING = {
    "onednn": "oneDNN",
    "onednn_isa": "oneDNN's instruction set",
    "instruction_set": "PyTorch's instruction set",
    "xla_isa": "XLA's instruction set",
    "threads": "the number of threads",
    "flags": "",
}
InForce = Mapping[str, Any]


def why_elsewhere(
    there: Identity | None, here: Identity | None, in_force_there: str | None, in_force_here: InForce
) -> str | None:
    """Why a row is no evidence for this machine and process, in words; None where it is.

    Args:
        there: the machine of the row's run (`identity_of` its facts).
        here: this one's.
        in_force_there: the row's column `in_force`.
        in_force_here: what a worker of the row's backend uses here.
    """
    apart = machine_differences(there, here)
    if apart:
        return f"another machine: {'; '.join(apart)}"
    told = read_in_force(in_force_there)
    if told is None:
        return _IN_FORCE_NOT_TOLD
    return "; ".join(in_force_differences(told, in_force_here)) or None


def are_alike(one: Facts, other: Facts) -> bool:
    """Whether two runs were made on one machine, by their run-wide facts.

    Where neither records what decides the kernels, as in benchmarks of another tool, their names must do.
    """
    machines = identity_of(one), identity_of(other)
    if machines == (None, None):
        return bool(one.get("machine") == other.get("machine"))
    return not machine_differences(*machines)


def older_names(metadata: Sequence[Facts]) -> dict[str, str]:
    """By run id the name of the machine of each run that was made before identities were recorded.

    It is that of the one machine among those of the others that its facts agree with; a run without one is left out.
    """
    found = {str(one.get("run_id")): identity_of(one) for one in metadata}
    recorded = list(dict.fromkeys(machine for machine in found.values() if machine and not machine.derived))
    names = {}
    for run, machine in found.items():
        alike = [one for one in recorded if machine and machine.derived and not machine_differences(machine, one)]
        if len(alike) == 1:
            names[run] = alike[0].slug
    return names


def machine_differences(
    one: Identity | None, other: Identity | None, where: tuple[str, str] = THERE_AND_HERE
) -> list[str]:
    """The facts in which two machines differ, in words; empty where they are alike.

    A fact that is not recorded for both counts as a difference, unless the system reports it for neither.

    Args:
        one, other: the machines; None where too little was recorded to identify one.
        where: what the words call the place of each.
    """
    if one is None or other is None:
        return [NOT_TOLD if one is None and other is None else f"{NOT_TOLD} {where[0 if one is None else 1]}"]
    if one.kind != other.kind:
        gpus, processor = where if one.kind == GPU else where[::-1]
        return [f"GPUs compute {gpus}, a processor {processor}"]
    return list(_differences(one, other, where))


def in_force_differences(one: InForce, other: InForce, where: tuple[str, str] = THERE_AND_HERE) -> list[str]:
    """What decides kernels and differs between two processes, in words; only what both recorded is compared.

    Args:
        one, other: the column `in_force` of each, as `read_in_force` returns it.
        where: what the words call the place of each.
    """
    found: list[str] = []
    for key, name in _DECIDING.items():
        told = one.get(key), other.get(key)
        if key in one and key in other and told[0] != told[1]:
            found += _flags(told, where) if key == "flags" else [_was(name, told, where)]
    return found


def read_in_force(text: str | None) -> Json | None:
    """The column `in_force` as values; None where it holds nothing that decides kernels."""
    try:
        told = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and "flags" in told else None


def classes(facts: Sequence[Facts]) -> list[str]:
    """Each machine of some runs with its class, once: `amd-epyc-zen3-avx2-2-1f3c9a, oneDNN off by default`."""
    told = ((str(one["machine"]), _class_of(one)) for one in facts if one.get("machine"))
    return list(dict.fromkeys(", ".join(filter(None, one)) for one in told))


def of_known_class(facts: Sequence[Facts]) -> list[str]:
    """The same of those machines whose class is known."""
    return classes([one for one in facts if _class_of(one)])


def _class_of(facts: Facts) -> str | None:
    machine = identity_of(facts)
    return machine.machine_class if machine else None


def _differences(one: Identity, other: Identity, where: tuple[str, str]) -> Iterator[str]:
    pairs: list[tuple[str, Any, Any]] = [
        ("", one.name, other.name),
        ("", one.microarchitecture, other.microarchitecture),
        ("", one.system, other.system),
    ]
    for name, first, second in pairs:
        if first and second and first != second:
            yield _was(name, (first, second), where)
    for own, others, place in ((one, other, where[0]), (other, one, where[1])):
        only = [name for name in own.instruction_sets if name not in others.instruction_sets]
        if only:
            yield f"{_some(only)} only {place}"
    if one.count != other.count:
        noun = "GPU" if one.kind == GPU else "processor"
        yield f"{counted(one.count, noun)} {where[0]} and {other.count} {where[1]}"
    yield from _model_and_sizes(one, other, where)


def _model_and_sizes(one: Identity, other: Identity, where: tuple[str, str]) -> Iterator[str]:
    """Differences in these; a run that was made before they were recorded is compared by what it holds."""
    if not one.derived and not other.derived:
        for name in ("vendor", "family", "model", "system"):
            told = getattr(one, name), getattr(other, name)
            if told[0] != told[1] and not (name == "system" and all(told)):  # which is above
                yield _was(name, told, where)
        if one.sizes != other.sizes:
            yield _was("memory" if one.kind == GPU else "caches", (_sizes(one), _sizes(other)), where)
        return
    if None in (one.microarchitecture, other.microarchitecture):
        unknown = where[0 if one.microarchitecture is None else 1]
        yield f"the microarchitecture {unknown} was not recorded, and its instruction sets do not determine it"
    if one.system is None or other.system is None:
        yield "the system was not recorded"
    last = [max((size for _, size in machine.sizes), default=None) for machine in (one, other)]
    if None in last:
        yield "a cache was not recorded"
    elif last[0] != last[1]:
        yield _was("caches", (_sizes(one), _sizes(other)), where)


def _sizes(machine: Identity) -> str:
    return " and ".join(f"{name.removesuffix('_bytes')} {size} B" for name, size in machine.sizes) or "unknown"


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _flags(told: tuple[Any, Any], where: tuple[str, str]) -> Iterator[str]:
    first, second = (one if isinstance(one, dict) else {} for one in told)
    for name in dict.fromkeys([*first, *second]):
        if first.get(name) != second.get(name):
            yield _was(name, (first.get(name, "not set"), second.get(name, "not set")), where)


def _was(name: str, told: tuple[Any, Any], where: tuple[str, str]) -> str:
    first, second = map(_word, told)
    subject = f"{name} was" if name else ""
    return f"{subject} {first} {where[0]} and {'is ' if name else ''}{second} {where[1]}".strip()


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict):
        return ", ".join(f"{part} {name}" for name, part in value.items())
    return "unknown" if value is None else str(value)
