"""Are differences between environments seen, and only where there are some?

A run of small cases under two values, of unlike length, of a variable that nothing reads: 300 comparisons of a thing
with itself. Then one grouped layer in training, with oneDNN off and on, for half a minute.

python bench/env_axis.py --save   # some twenty minutes
"""

import tempfile
from typing import Any

import evidence

import grouped_bench as gb
from grouped_bench.analyse.rows import plain
from grouped_bench.store.schema import COHORT_KEY, Task

NOBODY = "GROUPED_BENCH_NOBODY_READS_THIS"
VALUES = ["1", "a value that is a good deal longer than the other one, as a path would be"]
VARIANTS = ("regular", "grouped_native", "split_concat")
COMPARISONS, FOUND_WITHIN_S = 300, 30.0
_SIZES = range(4, 29)
_CHANNELS = (8, 16, 24, 32)
ONEDNN = {"groups": 32, "channels": 128, "size": 28, "batch_size": 8, "passes": "training"}


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found = {"twins": twins(smoke=given.smoke), "onednn": onednn(smoke=given.smoke)}
    wrong, seen = found["twins"]["wrong"]["hits"], found["onednn"]["decided"]
    found["targets"] = [
        evidence.target("no environment differs from its twin", float(wrong), 0.0, ""),
        evidence.target(f"oneDNN's difference found within {FOUND_WITHIN_S:g} s", float(seen), 1.0, "", at_least=True),
    ]
    print(f"twins: {found['twins']['verdicts']}, {wrong} wrong")
    print(f"oneDNN: {found['onednn']['tasks']}")
    evidence.conclude("env-axis", found, given)


def twins(*, smoke: bool) -> evidence.Findings:
    """Verdicts between two environments that differ in nothing that is read."""
    shapes = [{"size": size, "channels": channels} for channels in _CHANNELS for size in _SIZES]
    cases = shapes[:1] if smoke else shapes[: COMPARISONS // len(VARIANTS)]
    space = gb.Space(cases=cases, groups=2, variant=VARIANTS, batch_size=2, env={NOBODY: VALUES})
    limits: dict[str, Any] = evidence.IN_A_SMOKE if smoke else {"visits": 6, "visit_time": "30ms"}
    rows, facts = _run(space, **limits)
    compared = [row for row in rows if row.env_verdict is not None]
    verdicts = [row.env_verdict for row in compared]
    wrong = sum(verdict in ("faster", "slower") for verdict in verdicts)
    return {
        "comparisons": len(compared),
        "verdicts": {name: verdicts.count(name) for name in evidence.VERDICTS},
        "wrong": evidence.proportion(wrong, len(compared)),
        "wrong_at_most": evidence.upper_bound(wrong, len(compared)),
        "unread": facts["environment"].get("unread", {}),
        "total_s": facts["time"]["total_s"],
    }


def onednn(*, smoke: bool) -> evidence.Findings:
    """What half a minute tells of oneDNN at a grouped layer in training."""
    space = gb.Space(**ONEDNN, variant=VARIANTS, env={"TF_ENABLE_ONEDNN_OPTS": ["0", "1"]})
    limits: dict[str, Any] = evidence.IN_A_SMOKE if smoke else {"budget": FOUND_WITHIN_S}
    rows, facts = _run(space, **limits)
    return {
        "tasks": [_task(row) for row in rows],
        "decided": sum(row.env_verdict in ("faster", "slower") for row in rows),
        "total_s": facts["time"]["total_s"],
        "case": {name: rows[0][name] for name in COHORT_KEY if name not in ("env", "threads")},
    }


def _task(row: Task) -> dict[str, Any]:
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
    return {name: row[name] for name in names}


def _run(space: gb.Space, **limits: Any) -> tuple[list[Task], dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        run = gb.run(space, out=folder, memory=False, page=False, quiet=False, **limits)
    return plain(run.frame), run.metadata


if __name__ == "__main__":
    main()
