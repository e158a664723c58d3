"""Looks into tasks, as `explain` gives them, for tests of what is made of them."""

from cases import make_case

from grouped_bench.harness.plan import Cohort
from grouped_bench.space.case import Setting


def cohort(*, groups=32, pass_="training", variants=("grouped",), channels=(128, 128), size=28, batch_size=8):
    case = make_case(groups=groups, channels=channels, size=size, batch_size=batch_size, pass_=pass_)
    return Cohort(case, Setting("tensorflow", "graph", "cpu"), tuple(variants))


def primitive(kind="convolution", implementation="jit:avx512_core", *, count=1, seconds=0.001, propagation=""):
    return {
        "kind": kind,
        "implementation": implementation,
        "propagation": propagation,
        "formats": "src:f32::blocked:acdb::f0",
        "algorithm": "convolution_direct",
        "problem": "g32mb8_ic128oc128_ih28oh28kh3sh1dh0ph1_iw28ow28kw3sw1dw0pw1",
        "count": count,
        "seconds": seconds,
    }


def instruction(kind="convolution", *, lhs_dilate="", macs=28_901_376, count=1):
    return {
        "kind": kind,
        "shape": "f32[4,3,3,32,4]",
        "window": f"size=28x28x32 lhs_dilate={lhs_dilate}" if lhs_dilate else "size=3x3 pad=1_1x1_1",
        "lhs_dilate": lhs_dilate,
        "feature_groups": 32,
        "batch_groups": 1,
        "macs": macs,
        "count": count,
    }


def look(*, of=None, primitives=(), instructions=(), kernels=(), **facts):
    """An ok look of a call of 10 ms, on a machine whose peaks are far away."""
    of = of or cohort()
    counts, seconds = {}, {}
    for one in primitives:
        counts[one["kind"]] = counts.get(one["kind"], 0) + one["count"]
        family = "ref" if one["implementation"].startswith("ref") else one["kind"]
        seconds[family] = seconds.get(family, 0.0) + one["seconds"]
    return {
        "task": of.to_columns(of.variants[0]),
        "variant": of.variants[0],
        "case": of.case.title(),
        "setting": of.setting.title(),
        "status": "ok",
        "reason": None,
        "latency_s": 0.01,
        "call_s": 0.0002,
        "logged_s": 0.01,
        "cache_bytes": 2**25,
        "macs": of.counts(of.variants[0]).macs,
        "min_bytes": of.counts(of.variants[0]).min_bytes,
        "flops_per_s": 1.7e10,
        "bytes_per_s": 1.3e9,
        "peak": {"flops_per_s": 1.8e11, "bytes_per_s": 2e10},
        "share_of_peak": 0.094,
        "share_of_bandwidth": 0.065,
        "primitives": list(primitives),
        "primitive_counts": counts,
        "primitive_seconds": seconds,
        "instructions": list(instructions),
        "kernels": list(kernels),
        "causes": [],
        **facts,
    }
