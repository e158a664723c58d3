"""Is this machine fit to measure on, and how small a difference can it tell? Facts, checks, one short measurement."""

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from grouped_bench.analyse.stats import Interval
from grouped_bench.harness.running import Order, carry_out, probe_backend
from grouped_bench.measure import environment
from grouped_bench.plan import make_plan
from grouped_bench.space.axes import Control
from grouped_bench.space.space import Space
from grouped_bench.store.runs import read_run

GOOD, POOR, UNFIT, UNKNOWN = "good", "poor", "unfit", "unknown"
MEASURING_S = 18.0
_TWINS: dict[str, Any] = {"groups": 1, "channels": 64, "size": 14, "batch_size": 4, "variant": "regular,split_sum"}
_LEAST_FREE_BYTES = 2 * 2**30


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

    def to_dict(self) -> dict[str, Any]:
        """The diagnosis under the keys of `doctor --format json`."""
        return {"schema": 1, "fit": self.fit, **dataclasses.asdict(self)}


def diagnose(backend: str = "tensorflow") -> Diagnosis:
    """Look at the machine, then measure twins on it for MEASURING_S seconds."""
    load = psutil.getloadavg()[0]
    before = psutil.cpu_times()
    interval = _measure_twins()
    after = psutil.cpu_times()
    facts = {
        **environment.describe([]),
        "load": load,
        "stolen": _share_stolen(before, after),
        "free_bytes": psutil.virtual_memory().available,
        "swapped_bytes": psutil.swap_memory().used,
        "backend": probe_backend(backend).facts,
    }
    difference = math.log(interval.high / interval.low) / 2 if interval else None
    return Diagnosis(tuple(checks(facts)), difference)


def checks(facts: dict[str, Any]) -> Iterator[Check]:
    """Grade each fact; `facts` is what `diagnose` gathers."""
    for grade in _GRADES:
        yield grade(facts)


def _share_stolen(before: Any, after: Any) -> float | None:
    if not hasattr(after, "steal"):
        return None
    total = sum(after) - sum(before)
    return float((after.steal - before.steal) / total) if total > 0 else None


def _measure_twins() -> Interval | None:
    control = Control(budget=MEASURING_S, visits=200, precision=0.001, margin=0.0001)
    order = Order(
        plan=make_plan(Space(**_TWINS)),
        control=control,
        space={},
        out=Path(),
        seed=0,
        memory=False,
        quiet=True,
        command=[],
    )
    with tempfile.TemporaryDirectory() as folder:
        frame, _ = read_run(carry_out(dataclasses.replace(order, out=Path(folder))))
    row = frame[frame["variant"] == "split_sum"].iloc[0]
    if row["verdict"] is None or math.isnan(row["speedup_low"]):
        return None
    return Interval(float(row["speedup"]), float(row["speedup_low"]), float(row["speedup_high"]))


def _load(facts: dict[str, Any]) -> Check:
    load, processors = facts["load"], facts["processor"]["usable"] or facts["processor"]["logical"] or 1
    found = f"load average {load:.2f} on {processors} processors before the measurement"
    grade = GOOD if load < processors / 4 else POOR if load < processors else UNFIT
    return Check("load", grade, found, "" if grade == GOOD else "Stop other programs, or wait for them to end")


def _steal(facts: dict[str, Any]) -> Check:
    stolen = facts["stolen"]
    if stolen is None:
        return Check("stolen time", UNKNOWN, "this system does not tell")
    grade = GOOD if stolen < 0.01 else POOR if stolen < 0.1 else UNFIT
    remedy = "" if grade == GOOD else "Use a machine whose processors are not shared"
    return Check("stolen time", grade, f"{stolen:.1%} of the processors' time went to other machines", remedy)


def _governor(facts: dict[str, Any]) -> Check:
    governor = facts["processor"]["governor"]
    if governor is None:
        return Check("governor", UNKNOWN, "cannot be read here")
    if governor == "performance":
        return Check("governor", GOOD, governor)
    return Check("governor", POOR, governor, "cpupower frequency-set --governor performance")


def _quota(facts: dict[str, Any]) -> Check:
    quota = (facts["limits"]["cgroup_cpu"] or "max").split()
    if quota[0] == "max":
        return Check("processor limit", GOOD, "none")
    share, usable = int(quota[0]) / int(quota[1]), facts["processor"]["usable"] or 1
    if share >= usable:
        return Check("processor limit", GOOD, f"{share:g} processors, as many as are usable")
    remedy = f"Raise the container's limit to {usable} processors"
    return Check("processor limit", UNFIT, f"{share:g} of {usable} processors: throttled in bursts", remedy)


def _memory(facts: dict[str, Any]) -> Check:
    free = facts["free_bytes"]
    grade = GOOD if free >= _LEAST_FREE_BYTES else UNFIT
    return Check("memory", grade, f"{free / 2**30:.1f} GiB free", "" if grade == GOOD else "Free 2 GiB")


def _swap(facts: dict[str, Any]) -> Check:
    used = facts["swapped_bytes"]
    grade = GOOD if used == 0 else POOR
    return Check("swap", grade, f"{used / 2**20:.0f} MiB in use", "" if grade == GOOD else "swapoff -a, or free memory")


def _onednn(facts: dict[str, Any]) -> Check:
    on = facts["backend"].get("onednn")
    if on is None:
        return Check("oneDNN", UNKNOWN, "the backend does not tell")
    if on:
        return Check("oneDNN", GOOD, "on")
    return Check("oneDNN", UNFIT, "off: grouped gradients fail on the CPU", "unset TF_ENABLE_ONEDNN_OPTS")


def _versions(facts: dict[str, Any]) -> Check:
    found = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    return Check("versions", GOOD, found)


_GRADES: tuple[Callable[[dict[str, Any]], Check], ...] = (
    _load,
    _steal,
    _governor,
    _quota,
    _memory,
    _swap,
    _onednn,
    _versions,
)
