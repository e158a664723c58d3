"""What ran inside calls of a step, from oneDNN's log, XLA's dump and a GPU's profiler."""

import dataclasses
import math
import os
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import BinaryIO

from grouped_bench.backends.base import Step
from grouped_bench.measure import rounds
from grouped_bench.measure.explain import hlo, onednn
from grouped_bench.measure.explain.printed import flush, printed
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.facts import Json

# The quickest of them counts: no other program held it up, as one may hold up any part of another.
_MOST_CALLS, _CALLS_S = 7, 0.5
_MOST_PARTS = 12
_OPTIMISED = "*after_optimizations.txt"


def explain(bench: Workbench, name: str) -> Json:
    """Primitives, instructions and kernels of the quickest of some calls, each kind once with how often it ran.

    Must be asked in a process that has computed nothing yet: the libraries read what they are to log when they start.
    """
    with tempfile.TemporaryDirectory() as folder, printed() as log_file:
        os.environ["ONEDNN_VERBOSE"] = "profile_exec"
        dump = f"--xla_dump_to={folder} --xla_dump_hlo_as_text"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {dump}"
        with bench.backend.on(bench.setting.device):
            step = bench.hot_step(name)
            bench.synchronise(step())
            calls = rounds.calls_within(_CALLS_S, step, bench.synchronise, most=_MOST_CALLS)
            logged_s, log = min(_logged_call(bench, step, log_file) for _ in range(calls))
            kernels = bench.backend.kernels(step, bench.setting.device)
        modules = [path.read_text(errors="replace") for path in sorted(Path(folder).glob(_OPTIMISED))]
    return {
        "logged_s": logged_s,
        **_primitives(onednn.parse(log)),
        "instructions": _instructions([one for module in modules for one in hlo.parse(module)]),
        "kernels": _largest([dataclasses.asdict(kernel) for kernel in kernels]),
    }


def empty_call_s(bench: Workbench) -> float:
    """Seconds of a call of a step that computes nothing: what every call costs here."""
    with bench.backend.on(bench.setting.device):
        step = bench.empty_step()
        iterations, sample_s, _ = rounds.calibrate(step, bench.synchronise)
        return min(sample_s / iterations, *(rounds.time_sample(step, bench.synchronise, iterations) for _ in range(5)))


def _logged_call(bench: Workbench, step: Step, log_file: BinaryIO) -> tuple[float, str]:
    """Seconds of a call, with the log's own cost, and what it printed."""
    flush()
    start = os.fstat(log_file.fileno()).st_size
    seconds = rounds.time_sample(step, bench.synchronise, 1)
    flush()
    log_file.seek(start)
    return seconds, log_file.read().decode(errors="replace")


def _primitives(made: list[onednn.Primitive]) -> Json:
    """Primitives of a call that differ in more than their time, the longest first, and the sums over all of them."""
    times: dict[onednn.Primitive, list[float]] = defaultdict(list)
    sums: dict[str, float] = defaultdict(float)
    for primitive in made:
        times[dataclasses.replace(primitive, seconds=0.0)].append(primitive.seconds)
        sums[_family(primitive)] += primitive.seconds
    parts = [
        {**dataclasses.asdict(kind), "count": len(found), "seconds": math.fsum(found)} for kind, found in times.items()
    ]
    counts = Counter(primitive.kind for primitive in made)
    return {"primitives": _largest(parts), "primitive_counts": dict(counts), "primitive_seconds": dict(sums)}


def _family(primitive: onednn.Primitive) -> str:
    """`ref` for what oneDNN has no optimised kernel for, else the kind."""
    return "ref" if primitive.implementation.startswith("ref") else primitive.kind


def _instructions(made: list[hlo.Instruction]) -> list[Json]:
    counted = Counter(made)
    parts = [{**dataclasses.asdict(kind), "count": count} for kind, count in counted.items()]
    return sorted(parts, key=lambda part: -(part["macs"] or 0) * part["count"])[:_MOST_PARTS]


def _largest(parts: list[Json]) -> list[Json]:
    return sorted(parts, key=lambda part: -float(part["seconds"]))[:_MOST_PARTS]
