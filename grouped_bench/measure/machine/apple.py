"""Facts of the processor from macOS, which has no /proc/cpuinfo; none on other systems."""

import functools
import os
import platform
import subprocess

# Its kernel's own names, of Intel's processors and of Apple's.
_NUMBERS = {
    "vendor": ("machdep.cpu.vendor",),
    "family": ("machdep.cpu.family", "hw.cpufamily"),
    "model_number": ("machdep.cpu.model", "hw.cpusubfamily"),
    "stepping": ("machdep.cpu.stepping",),
}
_SYSTEM, _VENDOR = "Darwin", "Apple"
_CACHES = {2: "hw.l2cachesize", 3: "hw.l3cachesize"}
_OPTIONAL = "hw.optional."
_ARM = {"feat_bf16": "bf16", "feat_i8mm": "i8mm", "feat_sme": "sme", "feat_sme2": "sme2", "feat_dotprod": "asimddp"}
_ALWAYS_ON_ARM = "asimd"


def parse(text: str) -> dict[str, str]:
    """Values by name, from the lines that `sysctl` prints."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def model() -> str | None:
    """The processor's name."""
    return _told().get("machdep.cpu.brand_string")


def numbers() -> dict[str, str | None]:
    """Vendor, family, model and stepping."""
    told = _told()
    found = {key: next((told[name] for name in names if name in told), None) for key, names in _NUMBERS.items()}
    if found["vendor"] is None and (model() or "").startswith(_VENDOR):
        found["vendor"] = _VENDOR
    return found


def cache_bytes(level: int) -> int | None:
    """Bytes of the cache of a level; None where there is none, which macOS reports as 0."""
    size = _told().get(_CACHES.get(level, ""), "")
    return int(size) or None if size.isdecimal() else None


def flags() -> list[str] | None:
    """The instruction sets by the names that Linux has for them."""
    told = _told()
    found = {
        name.removeprefix(_OPTIONAL).lower() for name, on in told.items() if name.startswith(_OPTIONAL) and on == "1"
    }
    if "arm64" in found:
        features = {name.removeprefix("arm.") for name in found}
        return [_ALWAYS_ON_ARM, *sorted(_ARM[name] for name in features if name in _ARM)]
    x86 = " ".join(told.get(name, "") for name in ("machdep.cpu.features", "machdep.cpu.leaf7_features"))
    named = x86.lower().replace("avx1.0", "avx").split()
    return named or None


def usable() -> int | None:
    """Processors: macOS lets a process use all of them."""
    return os.cpu_count() if platform.system() == _SYSTEM else None


@functools.cache
def _told() -> dict[str, str]:
    if platform.system() != _SYSTEM:
        return {}
    try:
        asked = subprocess.run(["/usr/sbin/sysctl", "hw", "machdep.cpu"], capture_output=True, text=True, check=False)
    except OSError:
        return {}
    return parse(asked.stdout)
