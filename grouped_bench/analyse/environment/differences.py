"""Facts that differ between runs and may change an answer: a machine's effect must not pass for a variant's."""

import collections
import dataclasses
import enum
import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grouped_bench.space.facts import Json
from grouped_bench.units import format_bytes

# What computes by each backend. NumPy has no part in a timed call.
_LIBRARIES = {
    "tensorflow": ("tensorflow", "keras"),
    "jax": ("jax", "jaxlib", "keras"),
    "torch": ("torch", "keras"),
}
_ANY_LIBRARY = (*dict.fromkeys(name for names in _LIBRARIES.values() for name in names), "numpy")
# Variables that only these backends read; all of them may read the others.
_READERS = {
    "TF_": ("tensorflow",),
    "XLA_": ("tensorflow", "jax"),
    "JAX_": ("jax",),
    "TORCH_": ("torch",),
    "ATEN_": ("torch",),
}
_INTERPRETER = "python"
_OTHERWISE_EACH_TIME = ("command", "processor.load_average")


class Absent(enum.Enum):
    """Why a run has no value of a fact; the value is the word for it."""

    NOT_RECORDED = "not recorded"
    UNKNOWN = "unknown"
    NOT_SET = "not set"
    NOT_INSTALLED = "not installed"
    NOT_USED = "not used"


_OPEN = (Absent.NOT_RECORDED, Absent.UNKNOWN)
# These hold a fact a thing that was there, so that one without a fact was not there; of others nothing is known.
_ABSENT = {"variables": Absent.NOT_SET, "libraries": Absent.NOT_INSTALLED}
_ABSENT |= dict.fromkeys(("backend", "in_force", "imports"), Absent.NOT_USED)


@dataclasses.dataclass(frozen=True)
class Difference:
    """A fact, and its value in each run, in their order: a plain value, a tuple of texts, or why there is none."""

    fact: str
    values: tuple[Any, ...]

    @property
    def is_certain(self) -> bool:
        """Whether two runs recorded different values; a run that recorded none may or may not have differed."""
        return len(self._keys() - set(_OPEN)) > 1

    @property
    def is_told(self) -> bool:
        """Whether two runs recorded different values, or one recorded what another did not."""
        return len(self._keys()) > 1 and not self._keys() <= set(_OPEN)

    def _keys(self) -> set[Any]:
        """What equal values have in common; a run that did not use a backend has nothing to differ in."""
        return {_key(self.fact, value) for value in self.values} - {Absent.NOT_USED}


def differences(metadata: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Machine, version, threads and facts of the environment in which runs differ, the certain differences first.

    Facts are named as in the metadata's `environment`, nested ones with dots. Lists are compared whatever
    their order; where they differ, only the members that not all of them hold are listed. What differs by nature, such
    as the load, is left out.

    Args:
        metadata: the run-wide facts of each run; any may be missing, or be what this version never writes.
    """
    environments = [_environment(facts) for facts in metadata]
    told = [_facts(facts) for facts in metadata]
    found = []
    for name in dict.fromkeys(name for facts in told for name in facts):
        values = [
            facts[name] if name in facts else _absent(name, environment)
            for facts, environment in zip(told, environments, strict=True)
        ]
        found.append(_without_common(name, values))
    return sorted((one for one in found if one.is_told), key=lambda one: not one.is_certain)


def certain_changes(metadata: Sequence[Mapping[str, Any]]) -> list[str]:
    """Facts of which runs recorded different values."""
    return [one.fact for one in differences(metadata) if one.is_certain]


def slows_alike(fact: str, backend: str | None, execution: str | None) -> bool:
    """Whether a change of `fact` may slow a task, and the reference workload beside it as much.

    Args:
        fact: its name, as `differences` gives it.
        backend, execution: those of the task; None where not known, as of a benchmark, which anything may slow.
    """
    section, _, name = fact.partition(".")
    match section:
        case "threads":
            return True
        case "variables":
            readers = next((names for prefix, names in _READERS.items() if name.startswith(prefix)), None)
            return backend is None or readers is None or backend in readers
        case "backend" | "in_force":
            return backend in (None, name.partition(".")[0])
        case "libraries":
            return name in _LIBRARIES.get(backend or "", _ANY_LIBRARY)
        case "system":  # compiled steps spend next to no time in the interpreter
            return name == _INTERPRETER and (backend is None or execution == "eager")
    return False


def unread_variables(metadata: Mapping[str, Any]) -> list[str]:
    """A sentence for each backend that does not read a variable which the run gave values."""
    unread = _environment(metadata).get("unread")
    known = unread.items() if isinstance(unread, dict) else ()
    return [
        f"{backend} does not read {', '.join(map(str, names))}: none of its libraries mentions the name."
        for backend, names in known
        if isinstance(names, list) and names
    ]


def _environment(metadata: Mapping[str, Any]) -> Json:
    environment = metadata.get("environment")
    return environment if isinstance(environment, dict) else {}


def _facts(metadata: Mapping[str, Any]) -> Json:
    """The facts of one run under their names."""
    own = {
        name: metadata[key] for key, name in (("machine", "machine"), ("version", "grouped-bench")) if key in metadata
    }
    control = metadata.get("control")
    if isinstance(control, dict) and "threads" in control:
        own["threads"] = Absent.NOT_SET if control["threads"] is None else control["threads"]
    facts = dict(_leaves(own))
    return facts | dict(_leaves(_environment(metadata))) | facts


def _leaves(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Nested facts under dotted names, in their order; no depth of nesting is too deep."""
    todo = list(tree.items())[::-1]
    while todo:
        name, value = todo.pop()
        if name in _OTHERWISE_EACH_TIME:
            continue
        if isinstance(value, dict):
            todo += [(f"{name}.{key}", part) for key, part in reversed(value.items())]
        elif isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
            todo += [(f"{name}.{place}", part) for place, part in reversed(list(enumerate(value)))]
        else:
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    if value is None:
        return Absent.UNKNOWN
    return tuple(map(str, value)) if isinstance(value, list) else value


def _absent(name: str, environment: Mapping[str, Any]) -> Absent:
    """Why a run with this environment does not have the fact `name`."""
    section, _, rest = name.partition(".")
    holder = environment.get(section)
    if not isinstance(holder, dict) or (section in ("backend", "in_force") and rest.partition(".")[0] in holder):
        return Absent.NOT_RECORDED
    return _ABSENT.get(section, Absent.NOT_RECORDED)


def _without_common(name: str, values: Sequence[Any]) -> Difference:
    """The fact, its lists without the members that all of them hold, if they differ at all."""
    lists = [collections.Counter(value) for value in values if isinstance(value, tuple)]
    common = functools.reduce(operator.and_, lists) if lists else None
    if not common or all(one == common for one in lists):
        return Difference(name, tuple(values))
    rest = [
        tuple((collections.Counter(value) - common).elements()) if isinstance(value, tuple) else value
        for value in values
    ]
    return Difference(f"{name} not in every run", tuple(rest))


def _key(name: str, value: Any) -> Any:
    if isinstance(value, Absent):
        return value
    if isinstance(value, tuple):
        return tuple(sorted(value))
    if name.endswith("_bytes") and isinstance(value, (int, float)):
        return format_bytes(value)  # a memory that is some pages smaller after an update is the same memory
    return repr(value)  # True, 1 and "1" are not the same, and NaN is
