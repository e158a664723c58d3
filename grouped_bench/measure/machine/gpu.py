"""Facts of a GPU from NVIDIA's management library: model, driver, clocks, power, energy; None where it is missing."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

from grouped_bench.backends.base import device_index
from grouped_bench.space.facts import Json

T = TypeVar("T")


def clock_share(device: str) -> float | None:
    """The clock of `device` (`gpu`, `gpu:1`) as a share of its highest."""

    def share(nvml: Any, handle: Any) -> float:
        now = nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
        return float(now / nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM))

    return _ask(device, share)


def joules(device: str) -> float | None:
    """What `device` has used since its driver was loaded, idling and other programs included."""
    return _ask(device, lambda nvml, handle: float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3))


def facts(device: str) -> Json | None:
    """Facts of `device` and its set-up that may change an answer: clocks in MHz, power in watts."""

    def told(nvml: Any, handle: Any) -> Json:
        return {
            "name": _text(nvml.nvmlDeviceGetName(handle)),
            "compute_capability": ".".join(map(str, nvml.nvmlDeviceGetCudaComputeCapability(handle))),
            "driver": _text(nvml.nvmlSystemGetDriverVersion()),
            "clock_mhz": nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM),
            "power_limit_w": nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3,
            "memory_bytes": int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        }

    return _ask(device, told)


def _ask(device: str, question: Callable[[Any, Any], T]) -> T | None:
    """The answer of the library and its handle of a GPU by the number that CUDA gives it; None if there is none."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        name = _name(device_index(device), os.environ.get("CUDA_VISIBLE_DEVICES"))
        by_number = pynvml.nvmlDeviceGetHandleByIndex
        return question(pynvml, by_number(int(name)) if name.isdecimal() else pynvml.nvmlDeviceGetHandleByUUID(name))
    except pynvml.NVMLError:
        return None


def _name(index: int, visible: str | None) -> str:
    """Number or UUID of a GPU among all that there are, of which CUDA_VISIBLE_DEVICES shows some."""
    names = visible.split(",") if visible else []
    if index < len(names):
        return names[index].strip()
    return "" if visible else str(index)


def _text(told: Any) -> str:
    return told.decode() if isinstance(told, bytes) else str(told)
