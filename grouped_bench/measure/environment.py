"""What of the machine and its set-up may change an answer, and the slug that names the machine."""

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

VARIABLE_PREFIXES = ("TF_", "XLA_", "JAX_", "TORCH_", "OMP_", "MKL_", "ONEDNN_", "CUDA_", "KERAS_")
# Terraform's variables share TensorFlow's prefix, and may hold secrets.
FOREIGN_PREFIXES = ("TF_VAR_", "TF_CLI_", "TF_TOKEN_", "TF_LOG", "TF_INPUT", "TF_WORKSPACE", "TF_DATA_DIR", "TF_CLOUD_")
LIBRARIES = ("tensorflow", "keras", "jax", "jaxlib", "torch", "numpy", "scipy", "pandas", "pyarrow")
_CPU = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")


def processor_model() -> str:
    """The processor's model name as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def machine_slug(model: str | None = None, count: int | None = None) -> str:
    """`amd-epyc-2`: model and count of the processor (or of the GPU, when given), never a host name."""
    words = re.sub(r"\((R|TM)\)|CPU|Processor|@.*", " ", model or processor_model())
    slug = "-".join(re.findall(r"[a-z0-9.]+", words.lower()))
    return f"{slug or 'unknown'}-{count or psutil.cpu_count() or 1}"


def describe(arguments: Sequence[str]) -> dict[str, Any]:
    """Processor, memory, system, libraries and environment variables, as plain values without paths or host names."""
    return {
        "processor": {
            "model": processor_model(),
            "logical": psutil.cpu_count(),
            "physical": psutil.cpu_count(logical=False),
            "usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "flags": _processor_flags(),
            "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor"),
            "smt": _read(_CPU / "smt/control"),
            "turbo_off": _read(_CPU / "intel_pstate/no_turbo"),
            "load_average": [round(load, 2) for load in psutil.getloadavg()],
        },
        "memory": {
            "total_bytes": psutil.virtual_memory().total,
            "swap_bytes": psutil.swap_memory().total,
            "cgroup_limit": _read(_CGROUP / "memory.max"),
        },
        "limits": {"cgroup_cpu": _read(_CGROUP / "cpu.max")},
        "system": {
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "kernel": f"{platform.system()} {platform.release()}",
            "virtual": "hypervisor" in _processor_flags(),
        },
        "libraries": library_versions(),
        "variables": {name: without_paths(os.environ[name]) for name in sorted(os.environ) if _is_ours(name)},
        "command": [without_paths(argument) for argument in arguments],
    }


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that take part in a measurement."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def without_paths(text: str) -> str:
    """`text` with every path reduced to its last name."""
    return re.sub(r"(?:~|\.{1,2})?(?:/[^/\s:=,]*)+", lambda match: match[0].rstrip("/").rpartition("/")[2], text)


def _is_ours(name: str) -> bool:
    return name.startswith(VARIABLE_PREFIXES) and not name.startswith(FOREIGN_PREFIXES)


def _processor_flags() -> list[str]:
    wanted = ("avx", "avx2", "avx512", "amx", "fma", "neon", "asimd", "sve", "hypervisor", "bf16", "f16c")
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    return [flag for flag in found[1].split() if any(word in flag for word in wanted)] if found else []


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
