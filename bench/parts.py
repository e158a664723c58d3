"""Where the time of the framework's own grouped convolution goes, on TensorFlow and on PyTorch: oneDNN's log tells.

Both hand it to oneDNN. A call is parted into its convolutions, its reorders (oneDNN's word for changes of layout) and
the rest: the call itself, memory, handing work to threads. Latencies come from processes that keep no log.

python bench/parts.py --save              # some five minutes each, on a quiet machine
python bench/parts.py --save --threads 1   # without handing work to threads
"""

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import across
import evidence

from grouped_bench import backends
from grouped_bench.measure.explain.onednn import Primitive, parse
from grouped_bench.measure.rounds import read_clock
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Case, Setting

SIDES = ("tensorflow", "torch")
PASSES = ("inference", "training")
PARTS = ("convolutions_s", "reorders_s", "rest_s")
VISITS, WARM_UP, CALLS = 5, 20, 40
_LOG = {"ONEDNN_VERBOSE": "profile_exec"}


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--of", metavar="BACKEND", help="answer for one backend, in this process")
    parser.add_argument("--threads", type=int, help="have both compute in so many")
    given = evidence.parse(parser)
    if given.of:
        answer(given.of, given.threads)
        return
    found = summary(measure(given))
    for one in found["cases"]:
        print(f"{one['case']}: {', '.join(_told(one, name) for name in SIDES)}")
    name = f"parts-{given.threads}" if given.threads else "parts"
    evidence.conclude(name, found, given)


def measure(given: argparse.Namespace) -> list[evidence.Findings]:
    """The parts of every grouped case of the presets, side by side."""
    cases = list(_cases(smoke=given.smoke))
    found: list[dict[str, list[evidence.Findings]]] = [{name: [] for name in SIDES} for _ in cases]
    for visit in range(1 if given.smoke else VISITS):
        with contextlib.ExitStack() as stack:
            asked = {
                (name, logged): stack.enter_context(_process(name, logged, given.threads))
                for name in SIDES
                for logged in (0, 1)
            }
            for place, (_, case) in enumerate(cases):
                evidence.say(f"visit {visit + 1}, case {place + 1} of {len(cases)}")
                for name in SIDES:
                    told = [_asked(asked[name, logged], case) for logged in (0, 1)]
                    found[place][name].append({**told[0], **told[1]})
    return [
        {"preset": preset, "case": case.title(), "pass": case.pass_, **{name: _medians(sides[name]) for name in SIDES}}
        for (preset, case), sides in zip(cases, found, strict=True)
    ]


def summary(cases: Sequence[evidence.Findings]) -> evidence.Findings:
    """In how many cases both ran the same kernels, and for each pass what TensorFlow's parts take beside PyTorch's.

    Primitives of a training step overlap where the framework runs two at once, so that its parts add up to more than
    the call.
    """
    whole = [one for one in cases if None not in (*_values(one[SIDES[0]]), *_values(one[SIDES[1]]))]
    return {
        "cases": sorted(cases, key=lambda one: str(one["case"])),
        "whole": len(whole),
        "same_kernels": sum(one[SIDES[0]]["kernels"] == one[SIDES[1]]["kernels"] for one in whole),
        "passes": [_of_pass([one for one in whole if one["pass"] == name], name) for name in PASSES],
        "targets": [],
    }


def _of_pass(cases: Sequence[evidence.Findings], name: str) -> evidence.Findings:
    """Medians over cases: of the differences in seconds, and of the ratio of the convolutions' times."""
    ours, theirs = ([one[side] for one in cases] for side in SIDES)
    gaps = {
        part: statistics.median(a[part] - b[part] for a, b in zip(ours, theirs, strict=True)) if cases else None
        for part in ("latency_s", *PARTS)
    }
    ratios = [a["convolutions_s"] / b["convolutions_s"] for a, b in zip(ours, theirs, strict=True)]
    return {"pass": name, "cases": len(cases), **gaps, "convolutions": statistics.median(ratios) if ratios else None}


def answer(name: str, threads: int | None) -> None:
    """Cases on stdin, a line each; answers on a copy of stdout, which oneDNN's log takes."""
    with os.fdopen(os.dup(1), "w") as out:
        backend = backends.load(name, threads)
        for line in sys.stdin:
            case = Case.from_columns(json.loads(line))
            setting = Setting(name, backend.executions[0], "cpu", "hot")
            bench = Workbench(case, setting, 0, backend)
            with tempfile.TemporaryFile() as log:
                os.dup2(log.fileno(), 1)
                told = bench.build([across.OWN], {}, check=False)["failed"]
                print(json.dumps(told.get(across.OWN) or _parts(bench, log)), file=out, flush=True)


def _parts(bench: Workbench, log: Any) -> evidence.Findings:
    """The latency of a call, or what the log says of it."""
    step, flush = bench.steps[across.OWN], ctypes.CDLL(None).fflush
    with bench.backend.on("cpu"):
        for _ in range(WARM_UP):
            step()
        flush(None)
        start, taken = os.fstat(log.fileno()).st_size, []
        for _ in range(CALLS):
            began = read_clock()
            step()
            taken.append(read_clock() - began)
        flush(None)
    if "ONEDNN_VERBOSE" not in os.environ:
        return {"latency_s": statistics.median(taken)}
    primitives = parse(os.pread(log.fileno(), os.fstat(log.fileno()).st_size - start, start).decode())
    return of_calls(primitives, CALLS)


def of_calls(primitives: Sequence[Primitive], calls: int) -> evidence.Findings:
    """Seconds a call in convolutions and in reorders, and the kernels; nulls where oneDNN ran no convolution."""
    each, rest = divmod(len(primitives), calls)
    by_call = [primitives[place : place + each] for place in range(0, len(primitives), each or 1)]
    if rest or not any(one.kind == "convolution" for one in primitives):
        return {"convolutions_s": None, "reorders_s": None, "kernels": []}
    return {
        "convolutions_s": statistics.median(_seconds(call, "convolution") for call in by_call),
        "reorders_s": statistics.median(_seconds(call, "reorder") for call in by_call),
        "kernels": sorted(f"{p.propagation} {p.implementation}" for p in by_call[-1] if p.kind == "convolution"),
    }


def _seconds(primitives: Iterable[Primitive], kind: str) -> float:
    return sum(one.seconds for one in primitives if one.kind == kind)


def _medians(visits: Sequence[evidence.Findings]) -> evidence.Findings:
    """Medians over visits; null where a visit has none."""
    told: evidence.Findings = {"kernels": visits[-1].get("kernels", [])}
    for name in ("latency_s", "convolutions_s", "reorders_s"):
        values = [visit.get(name) for visit in visits]
        told[name] = None if None in values else statistics.median(values)
    known = None not in (told["latency_s"], told["convolutions_s"])
    told["rest_s"] = told["latency_s"] - told["convolutions_s"] - told["reorders_s"] if known else None
    return told


def _values(side: evidence.Findings) -> list[float | None]:
    return [side["latency_s"], *(side[part] for part in PARTS)]


def _cases(*, smoke: bool) -> Iterator[tuple[str, Case]]:
    """Grouped layers of the presets whose convolution TensorFlow has, inference and training, each once."""
    names = ["smoke"] if smoke else list(across.PRESETS)
    seen = set()
    for name in names:
        for point in across.points(name):
            for pass_ in PASSES:
                case = Case.from_columns(point.case.to_columns() | {"pass": pass_})
                if case.groups > 1 and case.scope == "layer" and case not in seen:
                    seen.add(case)
                    yield name, case


@contextlib.contextmanager
def _process(name: str, logged: int, threads: int | None) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, **(_LOG if logged else {})}
    command = [sys.executable, __file__, "--of", name, *(["--threads", str(threads)] if threads else [])]
    with subprocess.Popen(
        command, env=environment, text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield process
        process.stdin and process.stdin.close()


def _asked(process: "subprocess.Popen[str]", case: Case) -> evidence.Findings:
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(case.to_columns()) + "\n")
    told: evidence.Findings = json.loads(process.stdout.readline())
    return told


def _told(one: evidence.Findings, name: str) -> str:
    latency, *parts = (evidence.shown(value, "s") for value in _values(one[name]))
    return f"{name} {latency} ({' + '.join(parts)})"


if __name__ == "__main__":
    main()
