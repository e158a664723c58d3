"""Findings of every measuring script in the shape in which they are kept, small and made up."""

from dataclasses import replace

import across
import alternatives
import applications
import baselines
import budget
import design
import dispatch
import evidence
import fleet
import fooled
import forms
import gate
import history
import hog
import injected
import loads
import memory
import optimized
import pages
import pandas as pd
import parts
import peers
import power
import project
import repeats
import simulated
import truth
import twins
from cases import make_case
from drawn import drawn

from grouped_bench.analyse.rows import extended, task_of

CASE = "Conv2D 8→8 k3x3 on 7x7 groups 1 batch 1 inference"


def twins_run(*, hog=False, broken=False, wrong=0):
    found = {
        **{"hog": hog, "broken": broken, "stopped_by": "settled", "cohorts": 75, "pairs": 300},
        **{"pairs_corrected_for": 300, "verdicts": {"equivalent": 300 - wrong, "faster": wrong}},
        **{"wrong": evidence.proportion(wrong, 300), "decided": evidence.proportion(300, 300)},
        "wrong_cohorts_at_most": evidence.upper_bound(wrong, 75),
        "equivalent": evidence.proportion(300 - wrong, 300),
        **{"sd_log_ratio": 0.0047, "largest_log_ratio": 0.013, "total_s": 900.0, "seconds_a_pair": 3.0},
        **{"visits": [6, 8, 20], "latency_s": [2e-4, 3e-3], "hog_spans_s": (0.5, 3.0)},
        **{"unstable": evidence.proportion(3, 375), "disturbed_visits": evidence.proportion(9, 600)},
        **{"spoilt_by": 0.05, "spoilt": {"slower": 74, "undecided": 1} if broken else {}},
    }
    return {**found, "targets": twins.targets(found)}


def power_run():
    times = {0.01: [None, 20.0], 0.02: [9.0, 12.0], 0.05: [3.0, 4.0], 0.1: []}
    trials = [
        {"case": CASE, "slow_down": share, "found_s": seconds, "followed_s": seconds or 30.0, "estimate": share * 1.1,
         "verdict": "slower" if seconds else "undecided", "default_verdict": "equivalent"}
        for share, found in times.items() for seconds in found
    ]  # fmt: skip
    levels = [power.level(share, [t for t in trials if t["slow_down"] == share]) for share in times]
    found = {"trials": trials, "levels": levels, "followed_s": 30.0, "margin": 0.005, "default_margin": 0.03}
    return {**found, "targets": power.targets(found)}


def peers_run(*, hog=False):
    results = [{"log_ratio": log, "verdict": "undecided", "process_s": 9.0, "import_s": 4.0} for log in (0.01, -0.2)]
    tools = {peers.TOOLS[tool]: peers.summary(tool, results) for tool in ("ours", "pytest")}
    return {"hog": hog, "claim": 0.05, "tools": tools, "targets": []}


def truth_run():
    steps = [truth.told("busy wait of 1 ms", 1e-3, 1.02e-3), truth.told("empty step", 0.0, 4e-8)]
    return {"visits": 12, "steps": steps, "targets": [evidence.target("recovered within 0.5 %", 0.02, 0.005, "%")]}


def design_run():
    pairs = [
        {"case": CASE, "variant": "split_concat", "width": 0.01, "fixed_s": 20.0, "ours_s": 5.0, "visits": 8,
         "reached": reached, "ratio": 0.25} for reached in (True, False)
    ]  # fmt: skip
    made_of = {"processes": design.PROCESSES, "values_a_process": design.VALUES, "value_s": design.VALUE_S}
    return {"pairs": pairs, **made_of, "allowed_s": 25.0, "least_visits": 6, "targets": []}


def budget_run():
    spread = {
        "cohorts": {"settled": 20, "undecided": 0, "not reached": 0},
        "visits": {"settled": [6, 8, 11], "undecided": None},
    }
    run = {"budget_s": 60, "process_s": 58.0, "measured_s": 55.0, "tasks": 100, "statuses": {"ok": 100}, **spread}
    return {"runs": [{**run, "verdicts": {"faster": 80}}], "axes": budget.AXES, "targets": []}


def cache_run():
    way = {"verdict": "faster", "speedup": 1.2}
    pair = {"variant": "split_concat", "changed": True, "hot": way, "cold": {**way, "verdict": "slower"}}
    shares = dict.fromkeys(("verdicts", "decided", "best", "clearly_best"), evidence.proportion(1, 4))
    cases = [{"case": CASE, "cold_over_hot": {"regular": 1.3}, "pairs": [pair]}]
    return {"cases": cases, "changed": shares, "targets": []}


def overhead_run():
    shares = {"samples_s": 0.6, "first_calls_s": 0.3, "other_s": 0.1}
    spent = {"total_s": 60.0, "import_s": 4.0, "memory_s": 3.0}
    return {**spent, "shares": shares, "workers": 20, "worker_start_s": [0.05, 0.06, 0.08], "targets": []}


def memory_run():
    common = {
        "class": "PyTorch",
        "shape": "quick",
        "case": CASE,
        "rank": 2,
        "pass": "training",
        "variant": "regular",
        "source": "allocator",
    }
    tasks = [
        {**common, "status": "ok", "reason": None, **memory.judged(peaks, 4 * 2**20)}
        for peaks in ([5 * 2**20] * 5, [2**20, 9 * 2**20], [None] * 5)
    ]
    tasks.append({**common, "status": "unsupported", "reason": "no kernel", **memory.judged([], 4 * 2**20)})
    rules = {"readings": 5, "repeatable": memory.REPEATABLE, "repeatable_bytes": memory.REPEATABLE_BYTES}
    return {**rules, "tasks": tasks, **memory.summary(tasks)}


def simulated_run():
    runs = [[(1.0, "equivalent", None), (1.1, "faster", None), (1.1, "equivalent", None), (1.02, "undecided", None)]]
    worlds = [simulated.outcome("drift", runs), simulated.outcome("step", runs)]
    total = {key: sum(world[key] for world in worlds) for key in ("pairs", "decided", "wrong", "runs", "wrong_runs")}
    asked = [evidence.target("wrong verdicts in at most 1 % of pairs", 0.25, 0.01, "%")]
    return {"worlds": worlds, "pairs_a_run": 4, "total": total, "targets": asked}


def across_rows():
    """Two cases: TensorFlow's best is 1.2 times as slow as the others' in one, and 0.5 times in the other."""
    seconds = {
        ("tensorflow", "grouped"): (0.8, 0.02),
        ("tensorflow", "grouped_native"): (0.012, 0.01),
        ("tensorflow", "split_concat"): (0.04, 0.005),
        ("jax", "grouped_native"): (0.5, 0.01),
        ("torch", "grouped_native"): (0.01, 0.02),
    }
    return [
        extended(
            across.PresetTask,
            replace(
                task_of(make_case(groups=groups).to_columns()),
                **{"backend": backend, "execution": "x", "device": "cpu", "cache": "hot"},
                **{"variant": variant, "computes": "grouped", "status": "ok", "latency_s": both[place]},
            ),
            preset="quick",
        )
        for (backend, variant), both in seconds.items()
        for place, groups in enumerate((2, 4))
    ]


def parts_run():
    """TensorFlow takes 0.2 ms more, half of it in convolutions; a second case has no convolution of oneDNN's there."""
    torch = {"kernels": ["forward_training jit:x"], "latency_s": 3e-4, "convolutions_s": 1e-4}
    torch |= {"reorders_s": 0.0, "rest_s": 2e-4}
    ours = torch | {"latency_s": 5e-4, "convolutions_s": 2e-4, "reorders_s": 5e-5, "rest_s": 2.5e-4}
    none = {"kernels": [], **dict.fromkeys(("latency_s", "convolutions_s", "reorders_s", "rest_s"))}
    common = {"preset": "quick", "pass": "inference", "torch": torch}
    return parts.summary([{**common, "case": "a", "tensorflow": ours}, {**common, "case": "b", "tensorflow": none}])


def pages_run():
    page = {"tasks": 1_000, "report_s": 4.0, "peak_bytes": 300 * 2**20, "bytes": 1_600_000, "usable_s": None}
    return {"pages": [page], "browser": False, "targets": pages.targets({1_000: page})}


def calls_run():
    return {"calls": [{"backend": "torch", "execution": "eager", "call_s": 3.7e-5}], "targets": []}


def architectures_run():
    known = {"calls": 53, "distinct": 24, "left_out": [], "macs": 4228431872, "params": 22911680}
    counted = {"counted_macs": 4228431872, "counted_params": 22911680, "same": True, "uncounted": None}
    uncounted = {"counted_macs": None, "counted_params": None, "same": False, "uncounted": "not built on torch"}
    networks = [
        {"name": "timm:resnext50_32x4d", **known, **counted},
        {"name": "timm:other", **known, **counted, "counted_macs": 1, "same": False},
        {"name": "keras.applications:NASNetMobile", **known, **uncounted},
    ]
    targets = [evidence.target("networks whose MACs differ from another counter's", 1, 0, "networks")]
    return {"networks": networks, "unread": [{"name": "timm:odd", "reason": "no shape"}], "targets": targets}


def plans_run():
    told = {"seconds": 70.0, "peak_bytes": 2**24, "measured": 0, "tried": 30, "failed": 0}
    run = {"options": ["--preset", "quick"], "run_s": 81.0, "peak_bytes": 2**24}
    targets = [evidence.target("the time of --preset quick, off by a factor of at most 1.5", 1.2, 1.5, "×")]
    return {"runs": [{**run, "counted": told, "tried": told, "recorded": told}], "targets": targets}


def fleet_run():
    found = {
        "verdicts": {"pairs": 400, "agreed": 0.99, "agreed_on_one": 0.99, "spread": 1.1},
        "throughput": [{"places": places, "share": 0.95, "visit_s": 0.1} for places in (2, 4, 8)],
        "overlaps": {"visits": 10_000, "most": 1},
        "kills": {
            "killed": {"actor": 60, "raylet": 30, "head": 10},
            "runs": 40,
            "resumed": 12,
            "wrong": 0,
            "engine": 0.001,
        },
    }
    return {**found, "targets": fleet.targets(found)}


def queries_run():
    asked = [{"what": "best variant", "seconds": 4.0, "peak_bytes": 2**30, "rows": 1200}]
    told = {"tasks": 10**7, "files": 100, "runs": 10**4, "queries": asked, "disk_bytes": 2**30, "listed_s": 0.9}
    return {**told, "targets": [evidence.target("seconds to list 10,000 runs", 0.9, 1.0, "s")]}


def advice_run():
    def found(worst):
        return {"cases": 9, "failed": 1, "unsure": 1, "median": 0.01, "ninety": 0.2, "worst": worst}

    return {
        **{"cases": 20, "inside": 10, "backends_inside": ["tensorflow"], "abstained": evidence.proportion(1, 10)},
        **{"advice": found(0.3), "not_left_out": found(0.0)},
        "rules": {"always grouped_native": {"inside": found(0.4), "all": found(70.0)}},
        "targets": [evidence.target("median regret at most 5 %", 0.01, 0.05, "%")],
    }


def history_run():
    counts = {"false": 0.1, "false_steps": 2, "of_runs": 20_000}
    counts |= dict.fromkeys(("found", "beside", "held"), evidence.proportion(19, 20))
    world = {"name": "even", **counts, "among": {"found": counts["found"], "false": 0.0}}
    constants = {"step": 0.05, "runs": 200, "steps": 3, "spread": (0.01, 0.02), "odd": 0.03, "odd_by": (0.05, 0.1)}
    constants |= {"apart": 20, "histories": 50, "together": 40, "near": 1, "beside": 5}
    constants |= {"sides": (3, 4), "sides_noise": 0.01, "sides_histories": 200, "short_lengths": (6, 12)}
    tables = {"worlds": [world], "costs": [{"name": "squares", **counts}], "since": [{"runs": 3, "1": 0.4, "40": 0.3}]}
    tables["power"] = [{"step": 1.0, "together": together, "found": [0.98, 1.0]} for together in (1, 40)]
    tables["short"] = [{"name": "even", "together": together, "false": [0.0, 0.2]} for together in (1, 40)]
    found = {**constants, **tables, "short_runs": 1200}
    return {**found, "targets": history.targets(found)}


def gate_run():
    """Two runs beside different programs, the second slower throughout or not."""

    def beside(kind, seed, slower):
        names = {base.name: (base.name, slow) for base, slow in injected.GATED.values()}
        known = [name for name in names if name != "split_concat"]
        made = drawn(seed, groups=[4], variants=known)
        slow = drawn(seed + 9, groups=[4], variants=known, slower=dict.fromkeys(known, slower))
        slow = slow.assign(variant=[names[name][1] for name in slow["variant"]])
        return kind, pd.concat([made, slow], ignore_index=True)

    found = gate.summary([beside(loads.QUIET, 1, 1.1), beside(loads.BURSTS, 2, 1.1)])
    constants = {"threshold": 0.05, "slow_down": 0.1, "about": loads.ABOUT, "tasks": 4, "seconds_a_task": 4.2}
    return {**constants, **found, "targets": gate.targets(found, 4.5)}


def baselines_run():
    run = {"run": "20260101-000000-0000", "tasks": 30, "bytes": 120_000, "baseline_bytes": 15_000}
    told = {"draws": 2, "factors": baselines.FACTORS, "noise": 0.01, "compared": 1200, "different": 0}
    return {**told, "runs": [run], "targets": [evidence.target("no verdict differs", 0.0, 0.0, "%")]}


def forms_rows():
    """JAX twice PyTorch's own operation, and a choice."""
    kept = [row for row in across_rows() if row["variant"] in ("grouped_native", "split_concat")]
    sides = {"tensorflow": "oneDNN on", "jax": "jax", "torch": "torch"}
    return [
        extended(forms.FormTask, replace(row, choice="m=2"), preset=row.preset, side=sides[row.backend]) for row in kept
    ]


def env_axis_run():
    """Two twins, of which nothing is decided, and a layer that oneDNN makes five times as fast."""
    names = (
        "variant",
        "env",
        "status",
        "latency_s",
        "env_speedup",
        "env_speedup_low",
        "env_speedup_high",
        "env_verdict",
    )
    tasks = [
        dict(zip(names, ("grouped_native", "TF_ENABLE_ONEDNN_OPTS=0", "unsupported", *[None] * 5), strict=True)),
        dict(zip(names, ("regular", "TF_ENABLE_ONEDNN_OPTS=1", "ok", 0.01, 5.0, 4.0, 6.4, "faster"), strict=True)),
    ]
    verdicts = {"equivalent": 0, "undecided": 2, "faster": 0, "slower": 0}
    twins = {"comparisons": 2, "verdicts": verdicts, "wrong": evidence.proportion(0, 2)}
    twins |= {"wrong_at_most": evidence.upper_bound(0, 2), "unread": {}, "total_s": 12.0}
    asked = [evidence.target("no environment differs from its twin", 0.0, 0.0, "")]
    return {"twins": twins, "onednn": {"tasks": tasks, "decided": 1, "total_s": 29.0, "case": {}}, "targets": asked}


def hog_run():
    """One pair of each ratio, and one that the hog moved."""
    columns = [{"verdict": "slower" if true > 1 else "undecided", "speedup_high": 1.2 / true} for true in (1, 3, 30)]
    told = [hog.summary(true, [task_of(one)]) for true, one in zip((1.0, 3.0, 30.0), columns, strict=True)]
    moved = {"variant": "grouped", "quiet": 0.5, "loaded": 0.55, "moved": 0.095, "allowed": 0.2, "holds": True}
    return {"hog_spans_s": evidence.HOG_SPANS_S, "known": told, "moved": [moved], "targets": hog.targets(told)}


def optimized_run():
    """A network that is faster, and one without anything to gain."""
    whole = {
        **{"verdict": "faster", "speedup": 14.9, "low": 14.1, "high": 15.7, "error": 1e-6, "as_promised": True},
        **{"before_s": 15.0, "after_s": 1.0, "first_before_s": 20.0, "first_after_s": 9.0, "promised_s": 13.5},
        **{"peak_before": 10**9, "peak_after": None},
    }
    layers = [{"layer": "a", "times": 3, "to": "merged_groups", "choice": "m=4"}]
    common = {"pass": "training", "seconds": [200.0, 20.0], "layers": layers}
    found = [
        {"network": "ResNeXt50", "onednn": False, "refusal": None, "whole": whole, **common},
        {"network": "ConvNeXtTiny", "onednn": True, "refusal": "nothing is faster", "whole": None, **common},
    ]
    return {"optimised": found, "targets": optimized.targets(found)}


def alternatives_run():
    """Ours, one that is slower, and one that cannot."""
    known = {"optimised": [0.5, 0.6], "as it is": [7.0, 7.1], "jit_compile": []}
    ways = [
        {"way": name, "backend": "tensorflow", "execution": "graph", "seconds": seconds, "first_calls_s": seconds,
         "reason": None if seconds else "it failed", "median_s": seconds[0] if seconds else None}
        for name, seconds in known.items()
    ]  # fmt: skip
    return {"network": "ResNeXt50", "pass": "training", "ways": ways, "targets": [alternatives.lead(ways)]}


def repeats_run():
    forms = {"conv2d_1": {"form": "grouped_native", "leads": True}, "conv2d_2": {"form": "grouped", "leads": False}}
    optimised = [{"forms": forms, "after_s": seconds, "verdict": "faster"} for seconds in (0.1, 0.102, 0.099)]
    found = {"optimised": optimised, "same": [{"verdict": "equivalent", "speedup": 1.0}] * 3}
    return {**found, "targets": repeats.targets(found)}


def dispatch_run():
    call = {"form": "grouped", "size": 4, "channels": 32, "groups": 8, "call_s": 4e-4}
    return {
        "calls": [{**call, "share": 0.002, "share_low": -0.001, "share_high": 0.005}],
        "targets": [evidence.target("share of an eager call", 0.005, dispatch.MOST_SHARE, "%", at_least=False)],
    }


def learning_run():
    """A network that is better, and one of which nothing is known."""
    network = {
        **{"name": "g4", "params": 15590, "macs": 246240, "training_s": 8.0, "peak_memory_bytes": None},
        **{"learning_rate": 0.1, "seeds": 9, "failed": 0, "accuracy": 0.9, "low": 0.89, "high": 0.91},
    }
    pair = {"design": "shuffle", "network": "g4 shuffled", "beside": "g4", "spread": 0.01}
    return {
        **{"question": "Do groups learn better?", "data": "mnist1d", "epochs": 20, "stopped_by": "settled"},
        **{"trainings": 60, "failed": 1, "seconds": 900.0, "filters": [], "findings": []},
        "networks": [network, {**network, "accuracy": None, "low": None, "high": None, "training_s": None}],
        "comparisons": [
            {**pair, "verdict": "better", "seeds": 9, "why": "", "points": 0.012, "low": 0.004, "high": 0.02},
            {
                **pair,
                "verdict": "undecided",
                "seeds": 2,
                "why": "2 of at least 6 seeds",
                **dict.fromkeys(("points", "low", "high")),
            },
        ],
        "published": [{"name": "ShuffleNet, g=3", "points": None, "direction": "same direction"}],
        "targets": [evidence.target("minutes of the preset", 15.0, 30, "min")],
    }


def learning_same():
    return {
        **{"pairs": 20, "epochs": 10, "accuracy": 0.9, "spread": 0.011, "verdicts": {"undecided": 20}},
        "wrong": evidence.proportion(0, 20),
        "targets": [evidence.target("wrong verdicts on a network beside itself", 0.0, 0.05, "%")],
    }


def applications_run():
    """One that is faster, one that is not, and one with nothing to change."""
    common = {"pass": "training", "onednn": "0", "seconds": 90.0, "layers": 9, "reason": None, "verdict": None}
    timed = {"speedup": 1.3, "low": 1.2, "high": 1.4, "again": 1.31, "forms": ["merged_groups"]}
    trials = [
        {**common, **timed, "network": "MobileNetV2", "verdict": "faster"},
        {**common, **timed, "network": "MobileNet", "verdict": "undecided", "again": None},
        {**common, "network": "VGG16", "reason": "nothing has other forms"},
    ]
    found = {"backend": "jax", "size": 96, "batch": 4, "trials": trials}
    return {**found, "targets": applications.targets(trials)}


def fooled_run():
    found = {
        "parts": [{"name": "one of 512 output channels is zero", "caught": evidence.proportion(60, 60)}],
        "honest": [{"backend": "jax", "checks": 700, "refused": 3, "wrong": ["grouped, Conv2D: output: off"]}],
        "cost": {"verify_s": 2.0, "total_s": 60.0, "share": 2 / 60},
    }
    return {**found, "targets": fooled.targets(found)}


def duet_run():
    told = {"of": 6, "regressions": 0, "open": 1, "ratio": [0.9, 1.0, 1.1], "width": 0.08}
    one = {"nothing, same": told, "nothing, slower": {**told, "regressions": 5}}
    return {"repeats": 1, "about": loads.ABOUT, "in turn": one, "duet": one,
            "seconds": {"in turn": 500.0, "duet": 300.0}, "targets": []}  # fmt: skip


def project_run():
    told = {"tasks": 8, "regressions": 0, "open": 1, "whole_regressions": 0, "wholes": 2, "ratio": 1.0, "width": 0.04,
            "seconds": 150.0}  # fmt: skip
    found = {"repeats": 1, "slower": 0.1, "same model": told, "slower step": {**told, "tasks": 1, "regressions": 1},
             "groups": {**told, "whole_regressions": 1, "wholes": 1}}  # fmt: skip
    return {**found, "targets": project.targets(found)}


def everything():
    return {
        "baselines": baselines_run(),
        "gate": gate_run(),
        "advice": advice_run(),
        "across": across.summary(across_rows()),
        "across-1": across.summary(across_rows()),
        "architectures": architectures_run(),
        "plans": plans_run(),
        "queries": queries_run(),
        "fleet": fleet_run(),
        "calls": calls_run(),
        "history": history_run(),
        "pages": pages_run(),
        "parts": parts_run(),
        "parts-1": parts_run(),
        "simulated": simulated_run(),
        "hog": hog_run(),
        "fooled": fooled_run(),
        "duet": duet_run(),
        "project": project_run(),
        "optimized-ConvNeXtTiny": optimized_run(),
        "optimized-ResNeXt50": optimized_run(),
        "optimized-ResNeXt50-224": optimized_run(),
        "alternatives-ResNeXt50": alternatives_run(),
        "alternatives-ConvNeXtTiny": alternatives_run(),
        "repeats": repeats_run(),
        "dispatch": dispatch_run(),
        **{f"learning-{name}": learning_run() for name in ("shuffle-mini", "resnext-mini", "deep-roots-mini")},
        "learning-same": learning_same(),
        "applications-tensorflow": applications_run(),
        "applications-jax": applications_run(),
        "twins": twins_run(wrong=6),
        "twins-hog": twins_run(hog=True),
        "twins-broken": twins_run(broken=True),
        "peers": peers_run(),
        "peers-hog": peers_run(hog=True),
        "power": power_run(),
        "truth": truth_run(),
        "design": design_run(),
        "budget": budget_run(),
        "cache": cache_run(),
        "env-axis": env_axis_run(),
        "forms": forms.summary(forms_rows()),
        "forms-inference": forms.summary(forms_rows()),
        "overhead": overhead_run(),
        "memory": memory_run(),
    }
