"""The microarchitecture of a processor, from its vendor, family and model, or from its instruction sets."""

from collections.abc import Collection

# Models of a family, as Linux distinguishes them (arch/x86/kernel/cpu/amd.c); the first range that holds one names it.
_AMD: dict[int, tuple[tuple[range, str], ...]] = {
    0x17: (
        (range(0x30), "zen1"),
        (range(0x50, 0x60), "zen1"),
        (range(0x30, 0xB0), "zen2"),
    ),
    0x18: ((range(0x10), "zen1"),),  # Hygon's
    0x19: (
        (range(0x10), "zen3"),
        (range(0x20, 0x60), "zen3"),
        (range(0x10, 0xB0), "zen4"),
    ),
    0x1A: (
        (range(0x50, 0x60), "zen6"),
        (range(0x80, 0xD0), "zen6"),
        (range(0x80), "zen5"),
    ),
}
# Of family 6 (arch/x86/include/asm/intel-family.h).
_INTEL = {
    **dict.fromkeys((0x2A, 0x2D), "sandybridge"),
    **dict.fromkeys((0x3A, 0x3E), "ivybridge"),
    **dict.fromkeys((0x3C, 0x3F, 0x45, 0x46), "haswell"),
    **dict.fromkeys((0x3D, 0x47, 0x4F, 0x56), "broadwell"),
    **dict.fromkeys((0x4E, 0x5E), "skylake"),
    **dict.fromkeys((0x8E, 0x9E), "kabylake"),
    **dict.fromkeys((0xA5, 0xA6), "cometlake"),
    **dict.fromkeys((0x6A, 0x6C, 0x7D, 0x7E), "icelake"),
    **dict.fromkeys((0x8C, 0x8D), "tigerlake"),
    0xA7: "rocketlake",
    **dict.fromkeys((0x97, 0x9A), "alderlake"),
    **dict.fromkeys((0xB7, 0xBA, 0xBF), "raptorlake"),
    **dict.fromkeys((0xAA, 0xAC), "meteorlake"),
    **dict.fromkeys((0xC5, 0xC6), "arrowlake"),
    0xBD: "lunarlake",
    0x8F: "sapphirerapids",
    0xCF: "emeraldrapids",
    **dict.fromkeys((0xAD, 0xAE), "graniterapids"),
}
# One model number for three, which their instruction sets distinguish.
_INTEL_SERVER = 0x55
# Arm's own parts, by the number that /proc/cpuinfo has.
_ARM = {
    **{0xD08: "cortex-a72", 0xD0B: "cortex-a76", 0xD0C: "neoverse-n1", 0xD40: "neoverse-v1"},
    **{0xD49: "neoverse-n2", 0xD4F: "neoverse-v2", 0xD84: "neoverse-v3", 0xD8E: "neoverse-n3"},
}
_ARM_LIMITED = "0x41"


def by_number(vendor: str, family: str, model: str, sets: Collection[str]) -> str | None:
    """The microarchitecture by a processor's numbers, as texts from its system; None where they are not in the tables.

    Args:
        vendor: `GenuineIntel`, `AuthenticAMD`, `HygonGenuine`, or `0x41` for Arm.
        family: decimal or hexadecimal; Arm has none that matters.
        model: decimal or hexadecimal; for Arm the part.
        sets: instruction sets, which separate three that share a number.
    """
    if vendor == _ARM_LIMITED:
        return _ARM.get(_number(model))
    if vendor in ("AuthenticAMD", "HygonGenuine"):
        ranges = _AMD.get(_number(family), ())
        return next((name for models, name in ranges if _number(model) in models), None)
    if vendor == "GenuineIntel" and _number(family) == 6:
        return _server(sets) if _number(model) == _INTEL_SERVER else _INTEL.get(_number(model))
    return None


def by_sets(vendor: str, sets: Collection[str]) -> str | None:
    """The microarchitecture that the instruction sets alone decide; None where several have the same ones."""
    if vendor == "AuthenticAMD":
        if "avx512_fp16" in sets or "avx512_bf16" not in sets:
            return None  # what came after, or what Zen 1 to 3 and every hypervisor that hides AVX-512 show
        return "zen5" if {"avx_vnni", "avx512_vp2intersect"} & set(sets) else "zen4"
    if vendor == "GenuineIntel" and "avx512f" in sets:
        if "amx_tile" in sets:
            return "graniterapids" if "amx_fp16" in sets else None
        if "avx512_vp2intersect" in sets:
            return "tigerlake"
        return None if "avx512_vbmi2" in sets or "avx512vbmi" in sets else _server(sets)
    return None


def _server(sets: Collection[str]) -> str:
    if "avx512_bf16" in sets:
        return "cooperlake"
    return "cascadelake" if "avx512_vnni" in sets else "skylake-avx512"


def _number(text: str) -> int:
    """`26` and `0xd40` as numbers; -1 for what is none."""
    try:
        return int(text, 0)
    except ValueError:
        return -1
