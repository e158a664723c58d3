"""What the measuring scripts share: options, a processor hog, exact bounds of shares, targets, and their JSON files."""

import argparse
import contextlib
import datetime
import json
import math
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

from grouped_bench import __version__
from grouped_bench.errors import GroupedBenchError
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.measure.machine import environment
from grouped_bench.measure.machine.environment import without_paths
from grouped_bench.measure.rounds import read_clock
from grouped_bench.store import identity
from grouped_bench.store.files.temporary import replace

SCHEMA_VERSION = 1
EVIDENCE = Path(__file__).resolve().parent.parent / "results" / "evidence"
# What a run is limited to where it only shows that its benchmark works.
IN_A_SMOKE = {"visits": 1, "visit_time": "20ms", "peaks": False}
VERDICTS = ("equivalent", "undecided", "faster", "slower")
# The hog is busy, then asleep, for spans between these, drawn anew each time.
HOG_SPANS_S = (0.5, 3.0)
_LOAD_BEFORE = psutil.getloadavg()[0]

Findings = dict[str, Any]
Thing = TypeVar("Thing")


def make_parser(about: str | None) -> argparse.ArgumentParser:
    """The options that every measuring script has."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="run once, tiny, in seconds; the figures mean nothing")
    parser.add_argument("--save", action="store_true", help="keep what was found under results/evidence")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What was given; a smoke is never kept."""
    given = parser.parse_args()
    if given.smoke and given.save:
        parser.error("--smoke measures nothing worth keeping. Leave out one of --smoke and --save.")
    return given


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def in_time(things: Sequence[Thing], minutes: float, start: float, noun: str) -> Iterator[tuple[int, Thing]]:
    """`things` with their places, none begun later than `minutes` after `start`; says how far that went."""
    for place, thing in enumerate(things):
        if read_clock() - start > 60 * minutes:
            say(f"time is up after {place} of {len(things)} {noun}")
            return
        yield place, thing


def conclude(name: str, findings: Findings, given: argparse.Namespace) -> None:
    """Tell which targets were met, keep the findings where asked, and exit; the figures of a smoke mean nothing."""
    cut_short = findings.get("cut_short")
    if given.smoke:
        sys.exit(cut_short and f"a smoke must not fail: {cut_short}")
    for one in findings["targets"]:
        print(f"{met_or_missed(one):12} {one['asked']}: {shown(one['found'], one['unit'])}")
    if given.save:
        path = save(name, findings)
        print(f"kept in {path.relative_to(EVIDENCE.parent.parent)}")
    sys.exit(cut_short and f"cut short: {cut_short}")


def target(asked: str, found: float | None, limit: float, unit: str, *, at_least: bool = False) -> Findings:
    """What the project asked of a figure and whether it holds; `met` is null where nothing was measured."""
    met = None if found is None else (found >= limit if at_least else found <= limit)
    return {"asked": asked, "found": found, "limit": limit, "unit": unit, "met": met}


def met_or_missed(one: Findings) -> str:
    """A target's outcome in a word or two."""
    return {True: "met", False: "missed", None: "not measured"}[one["met"]]


def shown(found: float | None, unit: str, digits: int = 3) -> str:
    """A figure with its unit; `%` and `×` take fractions and ratios. A null is a dash, never 0."""
    from grouped_bench.units import format_bytes, format_seconds, significant

    if found is None:
        return "—"
    if unit == "s":
        return format_seconds(found, digits) if found else "0 s"
    if unit == "B":
        return format_bytes(found, digits)
    if unit == "%":
        return f"{significant(100 * found, 2 if abs(found) < 0.995 else digits)}%"
    return f"{significant(found, 2)}×" if unit == "×" else f"{found:g} {unit}".rstrip()


def given(value: float, unit: str) -> str:
    """A figure that was set, not measured: with all its digits and no more."""
    return f"{100 * value:g}%" if unit == "%" else f"{value:g} {unit}"


def signed(found: float | None, unit: str) -> str:
    """A figure that may be of either sign, which it shows."""
    return shown(found, unit) if not found else ("+" if found > 0 else "−") + shown(abs(found), unit)


def upper_bound(hits: int, of: int, level: float = 0.95) -> float | None:
    """One-sided Clopper–Pearson bound: the true share is at most this, unless 1 − `level` bad luck was met."""
    from scipy.stats import binomtest

    return float(binomtest(hits, of, alternative="less").proportion_ci(level).high) if of else None


def proportion(hits: int, of: int) -> Findings:
    """A share with its two-sided 95% Clopper–Pearson interval; nulls where there was nothing to count."""
    from scipy.stats import binomtest

    if not of:
        return {"hits": hits, "of": of, "share": None, "low": None, "high": None}
    interval = binomtest(hits, of).proportion_ci()
    return {"hits": hits, "of": of, "share": hits / of, "low": float(interval.low), "high": float(interval.high)}


def save(name: str, findings: Findings, folder: Path = EVIDENCE) -> Path:
    """Write `folder`/<machine>/<name>.json in one step and return its path."""
    facts = environment.describe(sys.argv[1:])
    script, known, machine = Path(sys.argv[0]).name, identity.here(), identity.name_here()
    content = {
        "schema": SCHEMA_VERSION,
        "name": name,
        "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", f"bench/{script}", *facts["command"]]),
        "environment": {
            "processor": facts["processor"]["model"],
            "class": known.machine_class if known else None,
            "usable": facts["processor"]["usable"],
            "load_before": round(_LOAD_BEFORE, 2),
            "virtual": facts["system"]["virtual"],
            "kernel": facts["system"]["kernel"],
            "python": facts["system"]["python"],
            "grouped_bench": __version__,
            "libraries": facts["libraries"],
        },
        "findings": _finite(findings),
    }
    path = folder / machine / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
    return path


def load_all(folder: Path = EVIDENCE) -> list[Findings]:
    """Everything that was kept, by machine and name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/*.json"))]


def _finite(value: Any) -> Any:
    """`value` with NaN and infinities as null: JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def as_far_as_it_goes(findings: Findings) -> Iterator[None]:
    """Ctrl-C or a failure ends the block and not the script: what was found so far stands, and says so."""
    try:
        yield
    except KeyboardInterrupt:
        findings["cut_short"] = "interrupted"
    except (TaskFailedError, GroupedBenchError, subprocess.SubprocessError) as problem:
        findings["cut_short"] = without_paths(str(problem))


@contextlib.contextmanager
def hog(seed: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that keeps one processor busy, on and off; it ends with the block or with its parent."""
    process = subprocess.Popen([sys.executable, __file__, str(seed)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def hogged(hog_it: bool) -> contextlib.AbstractContextManager[Any]:
    """The hog, or nothing."""
    return hog() if hog_it else contextlib.nullcontext()


def _burn(seed: int) -> None:
    spans, parent = random.Random(seed), os.getppid()
    while os.getppid() == parent:
        end = time.perf_counter() + spans.uniform(*HOG_SPANS_S)
        while time.perf_counter() < end:
            pass
        time.sleep(spans.uniform(*HOG_SPANS_S))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _burn(int(sys.argv[1]))
