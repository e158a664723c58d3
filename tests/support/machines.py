"""Machines that tests make up: identities, and the run-wide facts of runs on them."""

import dataclasses

from grouped_bench.store.identity import Identity

ZEN4_SETS = ("avx", "avx2", "avx512_bf16", "avx512_vnni", "avx512bw", "avx512dq", "avx512f", "avx512vl", "f16c", "fma")
_ZEN4 = Identity(
    kind="processor",
    name="AMD EPYC",
    vendor="AuthenticAMD",
    family="25",
    model="17",
    instruction_sets=ZEN4_SETS,
    sizes=(("l2_bytes", 2**20), ("l3_bytes", 2**25)),
    count=2,
    system="Linux",
)


def machine(**changes):
    """A virtual machine of two Zen 4 processors, but for `changes`."""
    return dataclasses.replace(_ZEN4, **changes)


def recorded(found=_ZEN4):
    """What a run on it records."""
    return {"machine": found.slug, "identity": found.to_facts()}


def older(*, name="AMD EPYC", flags=ZEN4_SETS, cache=2**25, usable=2, onednn=True, **variables):
    """What a run on a machine recorded before there were identities."""
    return {
        "machine": "amd-epyc-2",
        "environment": {
            "processor": {
                **{"model": name, "logical": usable, "usable": usable},
                **{"flags": [*flags, "hypervisor"], "last_level_cache_bytes": cache},
            },
            "system": {"kernel": "Linux 6.18"},
            "variables": variables,
            "backend": {"tensorflow": {"onednn": onednn}},
        },
    }
