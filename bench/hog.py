"""What a busy machine leaves to be told: known ratios beside another program, and what it does to real ones.

200 comparisons of known ratios in a run beside the hog. Then the cases of `quick`, quiet and beside it: by how much it
moved each ratio, and whether the interval holds that of the quiet machine.

python bench/hog.py --save   # on a quiet machine, some 15 minutes
"""

import math
import tempfile
from typing import Any

import evidence
import injected

import grouped_bench as gb
from grouped_bench.analyse.rows import plain
from grouped_bench.analyse.statistics.stability import Visit, slack
from grouped_bench.store.schema import COHORT_KEY

RATIOS = {name: 1 + share for name, share in injected.KNOWN.items()}
CASES = {"channels": [16, 32, 64, 128], "size": [7, 14], "kernel_size": 3, "batch_size": [1, 2, 4, 8, 16]}
SMOKE = {"channels": 8, "size": 7, "batch_size": 1}
MARGIN = 0.03
WRONG, THIRTY, THREE = 0.02, 0.99, 0.9


def main() -> None:
    given = evidence.parse(evidence.make_parser(__doc__))
    found: evidence.Findings = {"hog_spans_s": evidence.HOG_SPANS_S}
    with evidence.as_far_as_it_goes(found):
        found["known"] = known(smoke=given.smoke)
        found["moved"] = moved(smoke=given.smoke)
    found["targets"] = targets(found.get("known", []))
    for one in found.get("known", []):
        print(f"{one['ratio']:g}: {one['verdicts']}, {one['wrong']} wrong, lowest bound {one['least_bound']}")
    evidence.conclude("hog", found, given)


def known(*, smoke: bool) -> list[evidence.Findings]:
    """Verdicts beside the hog, by the true ratio."""
    space = gb.Space(cases=[SMOKE if smoke else CASES], groups=1, variant=["regular", *RATIOS])
    limits: dict[str, Any] = evidence.IN_A_SMOKE if smoke else {"visits": 8, "visit_time": "40ms"}
    rows = _rows(space, hog_it=True, files=(injected.PATH,), **limits)
    return [summary(ratio, [row for row in rows if row.variant == name]) for name, ratio in RATIOS.items()]


def summary(ratio: float, rows: list[Any]) -> evidence.Findings:
    """Verdicts on pairs of one true ratio, and the bounds that a reader is given."""
    verdicts = [str(row.verdict) for row in rows]
    bounds = [1 / row.speedup_high for row in rows if row.speedup_high]
    return {
        "ratio": ratio,
        "pairs": len(rows),
        "verdicts": {name: verdicts.count(name) for name in evidence.VERDICTS},
        "wrong": sum(_is_wrong(ratio, verdict) for verdict in verdicts),
        "claimed_as_a_third": sum(bound >= ratio / 3 for bound in bounds),
        "least_bound": min(bounds, default=None),
        "unstable": sum("unstable" in (row.flags or ()) for row in rows),
    }


def _is_wrong(ratio: float, verdict: str) -> bool:
    """Whether the truth, that the variant takes `ratio` times as long, contradicts a verdict."""
    if verdict == "equivalent":
        return ratio > 1 + MARGIN
    return verdict == "faster" or (verdict == "slower" and ratio == 1)


def moved(*, smoke: bool) -> list[evidence.Findings]:
    """Of each pair its ratio on the quiet machine and beside the hog, and the interval there."""
    space = gb.Space(cases=[SMOKE], groups=2) if smoke else gb.Space.preset("quick")
    limits: dict[str, Any] = evidence.IN_A_SMOKE if smoke else {"budget": "4m", "visits": 8}
    quiet, loaded = (_rows(space, hog_it=hog_it, **limits) for hog_it in (False, True))
    calm = {_key(row): row for row in quiet if row.speedup}
    return [_beside(calm[_key(row)], row) for row in loaded if row.speedup and _key(row) in calm]


def _beside(quiet: Any, loaded: Any) -> evidence.Findings:
    return {
        "variant": loaded.variant,
        "quiet": quiet.speedup,
        "loaded": loaded.speedup,
        "moved": abs(math.log(loaded.speedup / quiet.speedup)),
        "allowed": max(slack(Visit(0, stolen)) for stolen in loaded.visit_stolen or (None,)),
        "holds": bool(loaded.speedup_low and loaded.speedup_low <= quiet.speedup <= loaded.speedup_high),
    }


def _rows(space: gb.Space, *, hog_it: bool, **limits: Any) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder, evidence.hogged(hog_it):
        run = gb.run(space, out=folder, memory=False, page=False, quiet=False, **limits)
    return [row for row in plain(run.frame) if row.verdict is not None]


def targets(told: list[evidence.Findings]) -> list[evidence.Findings]:
    """What was asked, and whether it holds."""
    pairs, wrong = (sum(one[name] for one in told) for name in ("pairs", "wrong"))
    by_ratio = {one["ratio"]: one for one in told}

    def share(ratio: float, of: Any) -> float | None:
        one = by_ratio.get(ratio)
        return of(one) / one["pairs"] if one and one["pairs"] else None

    return [
        evidence.target("wrong verdicts beside the hog", wrong / pairs if pairs else None, WRONG, "%"),
        evidence.target(
            "ratio 30 claimed as at least 10",
            share(30.0, lambda one: one["claimed_as_a_third"]),
            THIRTY,
            "%",
            at_least=True,
        ),
        evidence.target(
            "ratio 3 decided", share(3.0, lambda one: one["verdicts"]["slower"]), THREE, "%", at_least=True
        ),
    ]


def _key(row: Any) -> tuple[Any, ...]:
    return (row.variant, *(row[name] for name in COHORT_KEY))


if __name__ == "__main__":
    main()
