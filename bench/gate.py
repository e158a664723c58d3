"""A gate at 5 % between runs under different load: false alarms of the same code, and slow-downs of 10 % found.

Every run measures three variants and, beside each, the same made 10 % slower. Any two runs under different loads are a
base and a head: the same variants must pass, and with the slower ones in the head's place all must be found.

python bench/gate.py --save     # 10 runs, some 20 minutes on two cores
"""

import dataclasses
import itertools
import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence

import evidence
import injected
import loads
import numpy as np
import pandas as pd

import grouped_bench as gb
from grouped_bench.analyse.compare import compare, measurements
from grouped_bench.analyse.compare.measurements import Side
from grouped_bench.harness.progress import Progress

CASES = [
    {"groups": 8, "channels": 64, "size": 14, "batch_size": 4},
    {"groups": 8, "channels": 64, "size": 14, "batch_size": 4, "pass": "training"},
    {"groups": 32, "channels": 128, "size": 28, "batch_size": 1},
    {"groups": 4, "channels": 32, "size": 28, "batch_size": 4},
]
# As preset `ci` measures.
CONTROL = {"visits": 10, "least_visits": 10, "visit_time": "100ms", "reference": "case"}
ORDER = (
    *(loads.QUIET, loads.BURSTS, loads.QUIET, loads.FIFTH, loads.QUIET, loads.STREAM),
    *(loads.FIFTH, loads.QUIET, loads.BURSTS, loads.STREAM),
)
THRESHOLD, LEAST_COMPARISONS = 0.05, 200
MOST_ALARMS, LEAST_FOUND, MOST_SECONDS = 0.01, 0.99, 5.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the gate said of one task of two runs, which stood beside `loads`; `ratio` is head over base."""

    loads: str
    variant: str
    verdict: str
    ratio: float | None


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = measure(smoke=given.smoke)
    print(f"{found['runs']} runs, {found['pairs']} pairs, {found['seconds_a_task']:.1f} s a task and side")
    for name in ("same", "same_raw", "slower"):
        print(f"  {name:10} {found[name]['verdicts']}")
    evidence.conclude("gate", found, given)


def measure(*, smoke: bool = False) -> evidence.Findings:
    """All runs, and what the gate says between those under different loads."""
    order = ORDER[:2] if smoke else ORDER
    control = {**CONTROL, "visits": 4, "least_visits": 4} if smoke else CONTROL
    names = [name for base, slower in injected.GATED.values() for name in (base.name, slower)]
    space = gb.Space(cases=CASES[:1] if smoke else CASES, variant=names)
    found: evidence.Findings = {
        "threshold": THRESHOLD,
        "slow_down": injected.GATED_SHARE,
        "about": loads.ABOUT,
        "tasks": len(names) * len(space.tables),
    }
    made: list[tuple[str, pd.DataFrame]] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder, evidence.as_far_as_it_goes(found), Progress(False) as progress:
        for number, kind in enumerate(order):
            progress.tell(f"run {number + 1} of {len(order)}, beside {kind}")
            with loads.beside(kind, number):
                run = gb.run(
                    space, out=folder, memory=False, page=False, quiet=False, files=(injected.PATH,), **control
                )
            made.append((kind, run.frame))
            seconds.append(run.metadata["time"]["total_s"] / len(run.frame))
    told = summary(made)
    return {**found, **told, "seconds_a_task": statistics.mean(seconds), "targets": targets(told, max(seconds))}


def summary(made: Sequence[tuple[str, pd.DataFrame]]) -> evidence.Findings:
    """Verdicts on latency over every pair of runs under different loads."""
    told: dict[str, list[Answer]] = {"same": [], "same_raw": [], "slower": []}
    pairs = [(one, two) for one, two in itertools.combinations(made, 2) if one[0] != two[0]]
    for (before, base), (after, head) in pairs:
        loads_of_pair = " and ".join(sorted((before, after)))
        plain, again = side(base, slower=False), side(head, slower=False)
        for name, one, two in (
            ("same", plain, again),
            ("same_raw", without_reference(plain), without_reference(again)),
            ("slower", plain, side(head, slower=True)),
        ):
            told[name] += answers(one, two, loads_of_pair)
    return {
        "runs": len(made),
        "loads": [kind for kind, _ in made],
        "pairs": len(pairs),
        "slowed_by": _ends([ratio for _, frame in made for ratio in slowed_by(frame)]),
        **{name: counted(found) for name, found in told.items()},
    }


def side(frame: pd.DataFrame, *, slower: bool) -> Side:
    """The plain variants of a run, or under their names those that are slower."""
    names = {(slow if slower else base.name): base.name for base, slow in injected.GATED.values()}
    rows = frame[frame["variant"].isin(list(names))]
    return measurements.of_frames([rows.assign(variant=rows["variant"].map(names))])


def slowed_by(frame: pd.DataFrame) -> Iterator[float]:
    """Of each slower task its latency over the plain one's, paired in the rounds of the run that both were timed in."""
    keys = ["groups", "batch_size", "pass", "size"]
    names = {slow: base.name for base, slow in injected.GATED.values()}
    rows = {(*(str(row[key]) for key in keys), row["variant"]): row["samples_s"] for row in frame.to_dict("records")}
    for (*case, name), samples in rows.items():
        if name in names and samples is not None:
            plain = rows[(*case, names[name])]
            logs = [np.log(np.array([one, other], float)) for one, other in zip(samples, plain, strict=True)]
            yield math.exp(statistics.mean(float(np.nanmedian(one - other)) for one, other in logs))


def without_reference(one: Side) -> Side:
    """The same as if nothing had been timed beside it."""
    return {key: dataclasses.replace(task, relative=()) for key, task in one.items()}


def answers(base: Side, head: Side, loads_of_pair: str) -> Iterator[Answer]:
    """The verdict on the latency of each task."""
    for task in compare.compare(base, head, {"latency": THRESHOLD}).tasks:
        change = next(change for change in task.changes if change.metric == "latency")
        ratio = getattr(change.ratio, "estimate", change.ratio)
        yield Answer(loads_of_pair, str(task.head.columns["variant"]), change.verdict, ratio)


def counted(found: Sequence[Answer]) -> evidence.Findings:
    """How often each verdict fell: in all, by variant, and by the loads of the two runs."""
    ratios = [one.ratio for one in found if one.ratio is not None]
    return {
        **_counts(found),
        "regressions": evidence.proportion(sum(one.verdict == compare.REGRESSION for one in found), len(found)),
        "ratio": _ends(ratios),
        **{
            f"by_{field}": {
                value: _counts([one for one in found if getattr(one, field) == value])
                for value in sorted({getattr(one, field) for one in found})
            }
            for field in ("variant", "loads")
        },
    }


def _ends(ratios: Sequence[float]) -> list[float] | None:
    """The least, the median and the most."""
    return [min(ratios), statistics.median(ratios), max(ratios)] if ratios else None


def _counts(found: Sequence[Answer]) -> evidence.Findings:
    verdicts = {verdict: sum(one.verdict == verdict for one in found) for verdict in compare.VERDICTS}
    return {"of": len(found), "verdicts": verdicts}


def targets(found: evidence.Findings, seconds: float) -> list[evidence.Findings]:
    """What the project asks of the gate."""
    enough = found["same"]["of"] >= LEAST_COMPARISONS
    alarms = found["same"]["regressions"]["share"] if enough else None
    hits = found["slower"]["regressions"]["share"] if enough else None
    return [
        evidence.target(
            f"false alarms in at most 1 % of {LEAST_COMPARISONS} comparisons or more", alarms, MOST_ALARMS, "%"
        ),
        evidence.target("a slow-down of 10 % found in at least 99 %", hits, LEAST_FOUND, "%", at_least=True),
        evidence.target("at most 5 s a task and side", seconds, MOST_SECONDS, "s"),
    ]


if __name__ == "__main__":
    main()
