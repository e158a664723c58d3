"""Base and head at the same moment, a processor and a thread each, or in turn with all processors: which tells more?

Both ways measure the same interpreter on both sides, beside five kinds of load. Of three variants each has a twin that
is 10 % slower: the plain ones of both sides must pass, and the slower ones in head's place must be found.

python bench/duet.py --save     # some 15 minutes on two processors; --repeats makes it as many times as long
"""

import concurrent.futures
import contextlib
import dataclasses
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import evidence
import gate
import injected
import loads
import numpy as np

import grouped_bench as gb
from grouped_bench.analyse.compare import compare
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.harness.side_by_side import runs

CASES = gate.CASES[1:3]
CONTROL = {"visits": 8, "visit_time": "100ms", "reference": "case"}
IN_TURN, DUET = WAYS = ("in turn", "duet")


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=1, help="how often every load is tried")
    given = evidence.parse(parser)
    found = measure(given.repeats, smoke=given.smoke)
    for way in WAYS:
        for kind, told in found[way].items():
            print(f"{way:8} beside {kind:14} {told}")
    evidence.conclude("duet", found, given)


def measure(repeats: int, *, smoke: bool = False) -> evidence.Findings:
    """What the gate says of either way, by load."""
    kinds = loads.KINDS[:1] if smoke else loads.KINDS
    control = {**CONTROL, "visits": 4} if smoke else CONTROL
    names = [name for base, slower in injected.GATED.values() for name in (base.name, slower)]
    answers: dict[tuple[str, str], list[Told]] = {}
    seconds: dict[str, float] = dict.fromkeys(WAYS, 0.0)
    found: evidence.Findings = {"repeats": repeats, "about": loads.ABOUT}
    with tempfile.TemporaryDirectory() as folder, evidence.as_far_as_it_goes(found):
        for number, (kind, way) in enumerate((kind, way) for _ in range(repeats) for kind in kinds for way in WAYS):
            evidence.say(f"{way}, beside {kind}")
            space = gb.Space(cases=CASES[:1] if smoke else CASES, variant=names, threads=1 if way == DUET else None)
            with loads.beside(kind, number), _in_the_way(way):
                base, head = gb.run_both(
                    sys.executable, sys.executable, space, out=Path(folder), memory=False, files=(injected.PATH,),
                    seed=number, **control,
                )  # fmt: skip
            seconds[way] += base.metadata["time"]["total_s"]
            for what, slower in (("same", False), ("slower", True)):
                told = _answers(gate.side(base.frame, slower=False), gate.side(head.frame, slower=slower))
                answers.setdefault((way, f"{kind}, {what}"), []).extend(told)
    for way in WAYS:
        found[way] = {key: _counted(told) for (way_of, key), told in answers.items() if way_of == way}
    return {**found, "seconds": seconds, "targets": []}


@dataclasses.dataclass(frozen=True)
class Told(gate.Answer):
    """An answer, and the width of its interval as a logarithm."""

    width: float


def _answers(base: Any, head: Any) -> Iterator[Told]:
    for task in compare.compare(base, head, {"latency": gate.THRESHOLD}, paired=True).tasks:
        change = next(change for change in task.changes if change.metric == "latency")
        interval = change.ratio if isinstance(change.ratio, Interval) else None
        width = math.log(interval.high / interval.low) if interval else math.inf
        ratio = interval.estimate if interval else None
        yield Told("", str(task.head.columns["variant"]), change.verdict, ratio, width)


def _counted(told: Sequence[Told]) -> evidence.Findings:
    ratios = [one.ratio for one in told if one.ratio is not None]
    return {
        "of": len(told),
        "regressions": sum(one.verdict == compare.REGRESSION for one in told),
        "open": sum(one.verdict == compare.INCONCLUSIVE for one in told),
        "ratio": [min(ratios), statistics.median(ratios), max(ratios)] if ratios else None,
        "width": math.expm1(statistics.median(one.width for one in told)),
    }


def _in_the_way(way: str) -> Any:
    """Both sides measured so within the block."""
    return mock.patch.object(runs, "_take_turns", _at_once) if way == DUET else contextlib.nullcontext()


def _at_once(halves: Sequence[Any], session: Any, stop: Callable[[], bool]) -> str:
    """All visits, those of both sides at the same moment, each on a processor of its own, drawn for every turn."""
    plan, visits = session.request.plan, session.request.control.visits
    rng, processors = np.random.default_rng(session.request.seed), sorted(os.sched_getaffinity(0))[:2]
    with concurrent.futures.ThreadPoolExecutor(len(halves)) as pool:
        for number, cohort in runs._turns(rng, len(plan.cohorts), visits):
            for side, processor in zip(session.sides, rng.permutation(processors), strict=True):
                for host in side.hosts.values():
                    os.sched_setaffinity(host._process.pid, {int(processor)})  # which its workers inherit
            for done in [pool.submit(half.sweep.visit, cohort, number) for half in halves]:
                done.result()
            runs._agree([half.sweep.standings[cohort] for half in halves])
    return "visits"


if __name__ == "__main__":
    main()
