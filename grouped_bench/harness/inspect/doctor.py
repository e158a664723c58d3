"""Whether this machine is fit to measure on, and how small a difference it resolves: facts, checks, a measurement."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from grouped_bench.analyse.statistics.derive import visits_of
from grouped_bench.analyse.statistics.stability import SPEED_SPREAD, STOLEN_SHARE, THROTTLED_SHARE, speed_spread
from grouped_bench.harness.plan import make_plan
from grouped_bench.harness.processes.probing import probe_backend
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.session import carry_out
from grouped_bench.measure.machine import environment
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.space import Space
from grouped_bench.space.variables import ONEDNN
from grouped_bench.store import identity
from grouped_bench.store.files.temporary import TemporaryFolder
from grouped_bench.units import counted

GOOD, POOR, UNFIT, UNKNOWN = "good", "poor", "unfit", "unknown"
MEASURING_S = 18.0
_TWINS: Json = {"groups": 1, "channels": 64, "size": 14, "batch_size": 4, "variant": "regular,split_sum"}
_LEAST_FREE_BYTES = 2 * 2**30
_GOOD_SPREAD = 1.25
_OFF = "off: TensorFlow's own grouped convolutions do not train on the CPU"
_NO_BFLOAT16 = "; without AVX-512 it has no bfloat16, so grouped gradients in bfloat16 fail"
_X86 = "Intel"
_STEERING = (
    *("TF_XLA_FLAGS", "XLA_FLAGS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"),
)


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at: its grade, what was found, and what to do about it."""

    name: str
    grade: str
    found: str
    remedy: str = ""


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """All checks, and the half width of the interval that twins had after MEASURING_S, null when there was none."""

    checks: tuple[Check, ...]
    smallest_difference: float | None

    @property
    def fit(self) -> bool:
        """Whether nothing makes the machine unfit."""
        return all(check.grade != UNFIT for check in self.checks)

    def to_dict(self) -> Json:
        """The diagnosis under the keys of `doctor --format json`."""
        return {"schema": 1, "fit": self.fit, **dataclasses.asdict(self)}


def diagnose(backend: str = "tensorflow") -> Diagnosis:
    """Look at the machine, then measure twins on it for MEASURING_S seconds."""
    load = psutil.getloadavg()[0]
    before = psutil.cpu_times()
    twins = _measure_twins()
    after = psutil.cpu_times()
    visits = visits_of(twins)
    probe = probe_backend(backend)
    facts = {
        **environment.describe([]),
        "load": load,
        "stolen": _share_stolen(before, after),
        "free_bytes": psutil.virtual_memory().available,
        "swapped_bytes": psutil.swap_memory().used,
        "backend": probe.facts,
        "in_force": probe.in_force,
        "machine": identity.here(),
        "others": _share([visit.stolen for visit in visits], STOLEN_SHARE),
        "throttled": _share([visit.throttled for visit in visits], THROTTLED_SHARE),
        "spread": speed_spread([np.asarray(visit, dtype=float) for visit in twins["reference_s"]]),
    }
    told = twins["verdict"] is not None and not math.isnan(twins["speedup_low"])
    difference = math.log(twins["speedup_high"] / twins["speedup_low"]) / 2 if told else None
    return Diagnosis(tuple(checks(facts)), difference)


def checks(facts: Facts) -> Iterator[Check]:
    """Grade each fact; `facts` is what `diagnose` gathers."""
    for grade in _GRADES:
        yield grade(facts)


def _share_stolen(before: Any, after: Any) -> float | None:
    if not hasattr(after, "steal"):
        return None
    total = sum(after) - sum(before)
    return float((after.steal - before.steal) / total) if total > 0 else None


def _share(values: list[float | None], limit: float) -> float | None:
    """Share of the known `values` that are above `limit`."""
    known = [value for value in values if value is not None]
    return sum(value > limit for value in known) / len(known) if known else None


def _measure_twins() -> Json:
    """The row of a twin of the baseline, measured for MEASURING_S."""
    control = Control(budget=MEASURING_S, visits=200, precision=0.001, margin=0.0001)
    with TemporaryFolder() as folder:
        request = RunRequest(
            plan=make_plan(Space(**_TWINS)), control=control, out=Path(folder), seed=0, memory=False, command=[],
            peaks=False,
        )  # fmt: skip
        frame = carry_out(request).frame
    return {str(name): value for name, value in frame[frame["variant"] == "split_sum"].iloc[0].items()}


def _load(facts: Facts) -> Check:
    load, processors = facts["load"], facts["processor"]["usable"] or facts["processor"]["logical"] or 1
    found = f"load average {load:.2f} on {counted(processors, 'processor')} before the measurement"
    grade = GOOD if load < processors / 4 else POOR if load < processors else UNFIT
    return Check("load", grade, found, "" if grade == GOOD else "Stop other programs, or wait for them to end")


def _steal(facts: Facts) -> Check:
    stolen = facts["stolen"]
    if stolen is None:
        return Check("stolen time", UNKNOWN, "not reported by this system")
    grade = GOOD if stolen < 0.01 else POOR if stolen < 0.1 else UNFIT
    remedy = "" if grade == GOOD else "Use a machine whose processors are not shared"
    return Check("stolen time", grade, f"{stolen:.1%} of processor time went to other machines", remedy)


def _others(facts: Facts) -> Check:
    remedy = "Stop other programs; `top` names them"
    found = f"took more than {STOLEN_SHARE:.0%} of processor time in"
    return _visits_check("other programs", facts["others"], found, remedy)


def _throttling(facts: Facts) -> Check:
    remedy = "Raise the quota of the container, or cool the machine"
    found = f"a quota or a low clock took more than {THROTTLED_SHARE:.0%} of the time in"
    return _visits_check("throttling", facts["throttled"], found, remedy)


def _visits_check(name: str, share: float | None, found: str, remedy: str) -> Check:
    if share is None:
        return Check(name, UNKNOWN, "not reported by this system")
    grade = GOOD if share <= 0.05 else POOR if share <= 1 / 3 else UNFIT
    return Check(name, grade, f"{found} {share:.0%} of visits", "" if grade == GOOD else remedy)


def _speed(facts: Facts) -> Check:
    spread = facts["spread"]
    if spread is None:
        return Check("speed", UNKNOWN, "too few visits")
    grade = GOOD if spread <= _GOOD_SPREAD else POOR if spread <= SPEED_SPREAD else UNFIT
    remedy = "" if grade == GOOD else "Fix the clock (governor, turbo), or use a machine that is not shared"
    return Check(
        "speed", grade, f"a fixed workload took {spread - 1:.0%} longer in slow visits than in fast ones", remedy
    )


def _governor(facts: Facts) -> Check:
    governor = facts["processor"]["governor"]
    if governor is None:
        return Check("governor", UNKNOWN, "not readable here")
    if governor == "performance":
        return Check("governor", GOOD, governor)
    return Check("governor", POOR, governor, "Run `cpupower frequency-set --governor performance`")


def _quota(facts: Facts) -> Check:
    quota = (facts["limits"]["cgroup_cpu"] or "max").split()
    if quota[0] == "max":
        return Check("processor limit", GOOD, "none")
    share, usable = int(quota[0]) / int(quota[1]), facts["processor"]["usable"] or 1
    if share >= usable:
        return Check("processor limit", GOOD, f"{share:g}, as many processors as are usable")
    remedy = f"Raise the container's limit to {counted(usable, 'processor')}"
    return Check("processor limit", UNFIT, f"{share:g} of {counted(usable, 'processor')}: throttled in bursts", remedy)


def _memory(facts: Facts) -> Check:
    free = facts["free_bytes"]
    grade = GOOD if free >= _LEAST_FREE_BYTES else UNFIT
    return Check("memory", grade, f"{free / 2**30:.1f} GiB free", "" if grade == GOOD else "Free 2 GiB")


def _swap(facts: Facts) -> Check:
    used = facts["swapped_bytes"]
    grade = GOOD if used == 0 else POOR
    return Check(
        "swap", grade, f"{used / 2**20:.0f} MiB in use", "" if grade == GOOD else "Run `swapoff -a`, or free memory"
    )


def _onednn(facts: Facts) -> Check:
    on, isa = facts["backend"].get("onednn"), facts["in_force"].get("onednn_isa")
    if on is None:
        return Check("oneDNN", UNKNOWN, "not reported by the backend")
    if not on:
        return Check("oneDNN", POOR, _OFF, _turn_on(facts))
    told = f"on, {isa}" if isa else "on"
    # Every name that oneDNN has for instruction sets with bfloat16 holds one of these.
    lacks = isa is not None and _X86 in isa and not any(name in isa for name in ("AVX-512", "AMX", "AVX10"))
    return Check("oneDNN", GOOD, told + (_NO_BFLOAT16 if lacks else ""))


def _turn_on(facts: Facts) -> str:
    """What turns oneDNN on, by why it is off: the variable, or what TensorFlow does by itself on this processor."""
    machine, asked = facts["machine"], facts["variables"].get(ONEDNN)
    turn_on = f"Set {ONEDNN}=1"
    if asked is None:
        return turn_on
    if asked != "0":
        return "Use a build of TensorFlow that has oneDNN"
    return f"Unset {ONEDNN}, or set it to 1" if machine and machine.onednn_by_default else turn_on


def _in_force(facts: Facts) -> Check:
    """What the backend really uses, but for oneDNN, which has a check of its own."""
    told = facts["in_force"]
    if "failed" in told:
        return Check("in force", POOR, f"not reported by the backend: {told['failed']}", "Unset what it refuses")
    sets = (("instruction_set", "PyTorch"), ("xla_isa", "XLA"))
    parts = [f"{name} {told[key]}" for key, name in sets if told.get(key)]
    parts += [
        f"{counted(count, 'thread')} of {pool}"
        for pool, count in (told.get("threads") or {}).items()
        if count is not None
    ]
    parts += [f"{name}={value}" for name, value in (told.get("flags") or {}).items()]
    return Check("in force", GOOD if parts else UNKNOWN, ", ".join(parts) or "not reported by the backend")


def _machine(facts: Facts) -> Check:
    machine = facts["machine"]
    if machine is None:
        return Check("machine", UNKNOWN, "the system does not report what decides its kernels")
    return Check("machine", GOOD, ", ".join(filter(None, [machine.slug, machine.machine_class])))


def _variables(facts: Facts) -> Check:
    found = [name for name in facts["variables"] if name in _STEERING]
    if not found:
        return Check("variables", GOOD, "none that steer threads or compilers")
    remedy = f"Unset {' '.join(found)}, unless you want to measure their effect"
    return Check("variables", POOR, f"{', '.join(found)} set: the figures hold only with that", remedy)


def _versions(facts: Facts) -> Check:
    found = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    return Check("versions", GOOD, found)


_GRADES: tuple[Callable[[Facts], Check], ...] = (
    _machine,
    _load,
    _others,
    _steal,
    _speed,
    _throttling,
    _governor,
    _quota,
    _memory,
    _swap,
    _onednn,
    _in_force,
    _variables,
    _versions,
)
