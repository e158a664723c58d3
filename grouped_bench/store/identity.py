"""The machine that a run was measured on: what decides its kernels, from the facts that the run recorded."""

import dataclasses
import hashlib
import json
import re
from typing import Any

from grouped_bench.backends.onednn import TURN_IT_ON
from grouped_bench.measure.machine import environment
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.microarchitectures import by_number, by_sets

PROCESSOR, GPU = "processor", "gpu"
ON, OFF = "oneDNN on by default", "oneDNN off by default"
# The first of these that a processor has is the highest, and stands in its slug.
_LEVELS = {
    **{"amx_tile": "amx", "avx512f": "avx512", "avx2": "avx2", "avx": "avx", "sse2": "sse"},
    **{"sme": "sme", "sve2": "sve2", "sve": "sve", "asimd": "neon", "neon": "neon"},
}
_SETS = re.compile(r"(avx|amx|fma|asimd|neon|sve)\w*|f16c|bf16|i8mm|sme2?")
_TURNS_ON = "neoverse-v1"
_LONGEST_NAME = 60
# 4 digits would name two of 300 machines alike in one case of two; 6 take 5,000.
_DIGITS = 6
_CACHES = ("l2_bytes", "l3_bytes")


@dataclasses.dataclass(frozen=True)
class Identity:
    """What decides the kernels that a machine computes with.

    Attributes:
        kind: `processor`, or `gpu` where GPUs alone compute.
        name: the model's name as the system reports it.
        vendor, family, model: as text, as the system reports them; None where it does not, and for a GPU.
        instruction_sets: in the order of the alphabet; of a GPU its compute capability.
        sizes: bytes of the caches of a processor, of the memory of a GPU, by name.
        count: processors usable, or GPUs of the model.
        system: `Linux`, `Darwin`, …
        derived: whether the run was made before these were recorded, so that what is None may have been anything.
    """

    kind: str
    name: str
    vendor: str | None
    family: str | None
    model: str | None
    instruction_sets: tuple[str, ...]
    sizes: tuple[tuple[str, int], ...]
    count: int
    system: str | None = None
    derived: bool = False

    @property
    def microarchitecture(self) -> str | None:
        """`zen3`, `icelake`, `neoverse-v1`; None where neither numbers nor instruction sets decide it."""
        if self.kind == GPU or self.vendor is None:
            return None
        if self.family is None or self.model is None:
            return by_sets(self.vendor, self.instruction_sets)
        return by_number(self.vendor, self.family, self.model, self.instruction_sets)

    @property
    def level(self) -> str | None:
        """`avx2`, `avx512`, `amx`, `neon`, …: the highest instruction set; of a GPU its compute capability."""
        if self.kind == GPU:
            return next(iter(self.instruction_sets), None)
        return next((word for name, word in _LEVELS.items() if name in self.instruction_sets), None)

    @property
    def slug(self) -> str:
        """`amd-epyc-zen3-avx2-2-1f3c9a`: never a host name, and never that of a machine that differs in a fact."""
        told = [*_words(self.name), self.microarchitecture, self.level, str(self.count)]
        facts = json.dumps(dataclasses.astuple(self)).encode()
        return "-".join([*filter(None, told), hashlib.sha256(facts).hexdigest()[:_DIGITS]])

    @property
    def onednn_by_default(self) -> bool | None:
        """Whether TensorFlow turns oneDNN on by itself there; None where the system is not known, and for a GPU."""
        if self.kind == GPU or self.system is None:
            return None
        if self.system == "Windows":
            return any(name.startswith("avx") for name in self.instruction_sets)
        sets = any(name in self.instruction_sets for name in TURN_IT_ON)
        return self.system == "Linux" and (sets or self.microarchitecture == _TURNS_ON)

    @property
    def machine_class(self) -> str | None:
        """`oneDNN on by default` or `oneDNN off by default`; None where that is not known."""
        by_default = self.onednn_by_default
        return None if by_default is None else ON if by_default else OFF

    def to_facts(self) -> Json:
        """As plain values, under which the run-wide facts keep it."""
        return {**dataclasses.asdict(self), "instruction_sets": list(self.instruction_sets), "sizes": dict(self.sizes)}


def identity_of(facts: Facts) -> Identity | None:
    """The machine of a run by its run-wide facts; None where these do not say what decides the kernels.

    A run that was made before identities were recorded gets its own from what it recorded: name, instruction sets,
    highest cache, processors usable, system.
    """
    if isinstance(facts.get("identity"), dict):
        return _recorded(facts["identity"])
    found = facts.get("environment")
    return of_processor(found) if isinstance(found, dict) and not _is_of_gpus(facts) else None


def of_processor(found: Facts) -> Identity | None:
    """The identity of the processor that `environment.describe` found; None where too little is known."""
    processor, system = _section(found, "processor"), _section(found, "system")
    flags, count = processor.get("flags"), processor.get("usable")
    name = _text(processor.get("model"))
    if not name or not isinstance(flags, list) or not isinstance(count, int) or isinstance(count, bool):
        return None
    sets = tuple(sorted({flag for flag in flags if isinstance(flag, str) and _SETS.fullmatch(flag)}))
    if not sets:
        return None
    derived = "vendor" not in processor
    sizes = {key: processor.get(key) for key in _CACHES}
    if derived:
        sizes = {"l3_bytes": processor.get("last_level_cache_bytes")}
    return Identity(
        kind=PROCESSOR,
        name=name,
        vendor=_guessed(name) if derived else _text(processor["vendor"]),
        family=_text(processor.get("family")),
        model=_text(processor.get("model_number")),
        instruction_sets=sets,
        sizes=tuple((key, size) for key, size in sizes.items() if isinstance(size, int)),
        count=count,
        system=(_text(system.get("kernel")) or "").partition(" ")[0] or None,
        derived=derived,
    )


def of_gpu(told: Facts | None, count: int, system: str | None) -> Identity | None:
    """The identity of GPUs of one model; None where too little is known.

    Args:
        told: what `measure.gpu.facts` returned; None where the GPU's library is missing.
        count: number of GPUs.
        system: `Linux`, …; None where unknown.
    """
    name, capability = (_text((told or {}).get(key)) for key in ("name", "compute_capability"))
    size = (told or {}).get("memory_bytes")
    if not name or not capability or not isinstance(size, int):
        return None
    sets = (f"sm{capability.replace('.', '')}",)
    return Identity(GPU, name, None, None, None, sets, (("memory_bytes", size),), count, system)


def here() -> Identity | None:
    """The identity of the processor at hand."""
    return of_processor(environment.describe([]))


def name_here() -> str:
    """The slug of the processor at hand, or its plain name where the system reports too little of it."""
    found = environment.describe([])["processor"]
    machine = here()
    return machine.slug if machine else plain_name(found["model"], found["usable"] or found["logical"] or 1)


def plain_name(model: str, count: int) -> str:
    """`amd-epyc-2`: the name of a machine without an identity, which others may share."""
    return "-".join([*_words(model), str(count)])


def identified(facts: Facts) -> Facts:
    """`facts` of a run, which gets its identity, and its name by it, where it recorded neither but enough else."""
    if "identity" in facts:
        return facts
    found = identity_of(facts)
    return facts if found is None else {**facts, "identity": found.to_facts(), "machine": found.slug}


def _recorded(told: Facts) -> Identity | None:
    try:
        sets, sizes = tuple(told["instruction_sets"]), tuple(told["sizes"].items())
        return Identity(**{**told, "instruction_sets": sets, "sizes": sizes})
    except (TypeError, KeyError, AttributeError):
        return None


def _is_of_gpus(facts: Facts) -> bool:
    """Whether an older run is called after a GPU: of its processor it has the plain name."""
    found = _section(facts, "environment")
    processor = _section(found, "processor")
    named = plain_name(str(processor.get("model")), int(processor.get("logical") or 0))
    return bool(_section(found, "gpus")) and facts.get("machine") != named


def _guessed(name: str) -> str | None:
    """The vendor whose name stands in a model's."""
    return "AuthenticAMD" if "AMD" in name else "GenuineIntel" if "Intel" in name else None


def _words(model: str) -> list[str]:
    words = re.findall(r"[a-z0-9.]+", re.sub(r"\((R|TM)\)|CPU|Processor|@.*", " ", model).lower())
    return "-".join(words)[:_LONGEST_NAME].strip("-.").split("-") if words else ["unknown"]


def _section(found: Facts, name: str) -> Facts:
    section = found.get(name)
    return section if isinstance(section, dict) else {}


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None
