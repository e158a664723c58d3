"""Facts of the processor from /sys on Linux; None for what it does not report."""

import os
import re
from pathlib import Path

from grouped_bench.space.facts import Json

_CPU = Path("/sys/devices/system/cpu")
_CPUINFO = Path("/proc/cpuinfo")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def told(name: str) -> str | None:
    """What the first processor's part of /proc/cpuinfo says of `name`; None where it says nothing."""
    found = re.search(rf"^{re.escape(name)}\s*:\s*(.*)$", read(_CPUINFO) or "", re.MULTILINE)
    return (found[1].strip() or None) if found else None


def numbers() -> dict[str, str | None]:
    """Vendor, family, model and stepping of the first processor: x86 in words and decimals, Arm in codes."""
    if told("CPU implementer"):
        names = ("CPU implementer", "CPU architecture", "CPU part", "CPU revision")
    else:
        names = ("vendor_id", "cpu family", "model", "stepping")
    keys = ("vendor", "family", "model_number", "stepping")
    return {key: told(name) for key, name in zip(keys, names, strict=True)}


def usable() -> set[int] | None:
    """Numbers of the processors that this process may use; None where the system does not report them."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def last_level_cache_bytes() -> int | None:
    """Bytes of the first processor's highest cache level; None where unknown.

    A processor with several such caches, as an EPYC has one a core complex, has as many bytes in each.
    """
    return max(_caches().items())[1] if _caches() else None


def cache_bytes(level: int) -> int | None:
    """Bytes of the first processor's cache of a level, for data where it has one of its own; None where unknown."""
    return _caches().get(level)


def _caches() -> dict[int, int]:
    """Bytes by level; instructions have caches of their own only where data have."""
    found: dict[int, int] = {}
    for index in (_CPU / "cpu0/cache").glob("index*"):
        level, size = read(index / "level"), re.fullmatch(r"(\d+)([KMG]?)", read(index / "size") or "")
        if level and level.isdecimal() and size and read(index / "type") != "Instruction":
            found[int(level)] = int(size[1]) * _UNITS[size[2]]
    return found


def last_level_caches() -> int:
    """How many caches of the highest level the usable processors have between them; 1 where unknown."""
    found = set()
    for number in usable() or ():
        indices = (_CPU / f"cpu{number}/cache").glob("index*")
        levels = {i: read(i / "level") or "" for i in indices}
        shared = [(int(level), read(i / "shared_cpu_list") or "") for i, level in levels.items() if level.isdecimal()]
        found |= {max(shared)} if shared else set()
    return len(found) or 1


def speed_settings() -> Json:
    """What sets the first processor's clock, and whether its cores are shared by threads."""
    frequency = read(_CPU / "cpu0/cpufreq/scaling_max_freq")
    return {
        "governor": read(_CPU / "cpu0/cpufreq/scaling_governor"),
        "max_frequency_mhz": int(frequency) // 1000 if frequency and frequency.isdecimal() else None,
        "smt": read(_CPU / "smt/control"),
        "turbo_off": _turbo_off(),
    }


def _turbo_off() -> bool | None:
    """Intel's own driver says whether turbo is off, every other driver whether its boost is on."""
    off, boost = read(_CPU / "intel_pstate/no_turbo"), read(_CPU / "cpufreq/boost")
    if off is not None:
        return off == "1"
    return None if boost is None else boost == "0"


def read(path: Path) -> str | None:
    """The text of a file under /proc or /sys, stripped; None where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
