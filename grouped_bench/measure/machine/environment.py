"""Facts of the machine and its set-up that may change an answer, and those that decide its kernels."""

import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from grouped_bench.measure.machine import apple
from grouped_bench.measure.machine.cgroups import cpu_limit, memory_limit
from grouped_bench.measure.machine.memory_speed import memory_speed_mts
from grouped_bench.measure.machine.processor import (
    cache_bytes,
    last_level_cache_bytes,
    numbers,
    read,
    speed_settings,
    told,
    usable,
)
from grouped_bench.measure.machine.versions import library_versions
from grouped_bench.space.facts import Json

VARIABLE_PREFIXES = ("TF_", "XLA_", "JAX_", "TORCH_", "ATEN_", "OMP_", "MKL_", "ONEDNN_", "DNNL_", "CUDA_", "KERAS_")
# Terraform's variables share TensorFlow's prefix, and may hold secrets.
FOREIGN_PREFIXES = ("TF_VAR_", "TF_CLI_", "TF_TOKEN_", "TF_LOG", "TF_INPUT", "TF_WORKSPACE", "TF_DATA_DIR", "TF_CLOUD_")
_PATH = re.compile(r"[^/\s:=,]*(?:/[^/\s:=,]*)+")
# An argument is one word of the command line, so that a space in it is one in the path.
_PATH_IN_ARGUMENT = re.compile(r"[^/:=,]*(?:/[^/:=,]*)+")
_NODES = Path("/sys/devices/system/node")
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def processor_model() -> str:
    """The processor's model name as the system reports it."""
    return told("model name") or apple.model() or platform.processor() or platform.machine()


def describe(arguments: Sequence[str]) -> Json:
    """Processor, memory, system, libraries and environment variables, as plain values without paths or host names.

    What the system does not report is None.
    """
    return {
        "processor": {
            "model": processor_model(),
            **{key: value or apple.numbers()[key] for key, value in numbers().items()},
            "logical": psutil.cpu_count(),
            "physical": psutil.cpu_count(logical=False),
            "usable": len(usable() or ()) or apple.usable(),
            "flags": _processor_flags(),
            "l2_bytes": cache_bytes(2) or apple.cache_bytes(2),
            "l3_bytes": cache_bytes(3) or apple.cache_bytes(3),
            "last_level_cache_bytes": last_level_cache_bytes(),
            **speed_settings(),
            "load_average": [round(load, 2) for load in psutil.getloadavg()],
        },
        "memory": {
            "total_bytes": psutil.virtual_memory().total,
            "swap_bytes": psutil.swap_memory().total,
            "cgroup_limit": memory_limit(),
            "numa_nodes": len(list(_NODES.glob("node[0-9]*"))) or None,
            "transparent_huge_pages": _transparent_huge_pages(),
            "speed_mts": memory_speed_mts(),
        },
        "limits": {"cgroup_cpu": cpu_limit()},
        "system": {
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
            "kernel": f"{platform.system()} {platform.release()}",
            "virtual": _is_virtual(),
        },
        "libraries": library_versions(),
        "variables": {name: without_paths(os.environ[name]) for name in sorted(os.environ) if is_recorded(name)},
        "command": [_PATH_IN_ARGUMENT.sub(_last_name, argument) for argument in arguments],
    }


def without_paths(text: str) -> str:
    """`text` with every path reduced to its last name."""
    return _PATH.sub(_last_name, text)


def _last_name(match: re.Match[str]) -> str:
    return match[0].rstrip("/").rpartition("/")[2]


def is_recorded(name: str) -> bool:
    """Whether a variable by this name is on the allow-list of what runs record."""
    return name.startswith(VARIABLE_PREFIXES) and not name.startswith(FOREIGN_PREFIXES)


def _processor_flags() -> list[str] | None:
    wanted = ("avx", "amx", "fma", "neon", "asimd", "sve", "i8mm", "hypervisor", "bf16", "f16c")
    flags, features = told("flags") or " ".join(apple.flags() or ()) or None, told("Features")
    named = (flags or features or "").split()
    # What x86 calls sme encrypts memory.
    found = [flag for flag in named if any(word in flag for word in wanted) or (features and flag.startswith("sme"))]
    return None if flags is features is None else found


def _is_virtual() -> bool | None:
    """Whether there is a hypervisor below; None where the processor has no flag that says so, as on ARM."""
    flags = told("flags")
    return None if flags is None else "hypervisor" in flags.split()


def _transparent_huge_pages() -> str | None:
    """The choice that is in brackets among those there are: `always [madvise] never`."""
    chosen = re.search(r"\[(\w+)\]", read(_HUGE_PAGES) or "")
    return chosen[1] if chosen else None
