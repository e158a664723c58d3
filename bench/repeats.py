"""Whether `optimize` decides alike each time, and how often it calls an identical copy faster.

One network, a stage of ResNeXt-50, is optimised from nothing again and again: the forms of its layers should be the
same, and the whole network should take the same time. Then a small network is compared with a copy of itself, again
and again, by what decides whether a file is written.

python bench/repeats.py --save  # 20 optimisations and 60 comparisons, some 60 minutes on a quiet machine
"""

import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import evidence
from optimized import build

import grouped_bench as gb
from grouped_bench.analyse.advise.optimized import PROCESSES, judged
from grouped_bench.harness.inspect.whole_model import Workers
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import HostKey

ALIKE, SPREAD, WRONG = 0.95, 0.03, 0.01
_LEAD, _MARGIN = 0.03, 0.03
_SAME = "import keras\ndef replace_layers(model):\n    copy = keras.models.clone_model(model)\n"
_SAME += "    copy.set_weights(model.get_weights())\n    return copy\n"


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--times", type=int, default=20, help="optimisations")
    parser.add_argument("--pairs", type=int, default=60, help="comparisons of a network with itself")
    parser.add_argument("--minutes", type=float, default=120, help="nothing is begun later than that")
    given = evidence.parse(parser)
    times, pairs = (1, 1) if given.smoke else (given.times, given.pairs)
    found: evidence.Findings = {"optimised": [], "same": []}
    start = read_clock()
    with evidence.as_far_as_it_goes(found), tempfile.TemporaryDirectory() as folder, Workers() as workers:
        name = "small" if given.smoke else "stage"
        build(name).save(Path(folder) / "network.keras")
        build("small").save(Path(folder) / "small.keras")
        for number, _ in evidence.in_time(range(times), given.minutes, start, "optimisations"):
            evidence.say(f"optimisation {number + 1} of {times}")
            found["optimised"].append(one(Path(folder), number, "5s" if given.smoke else "60s"))
        for number, _ in evidence.in_time(range(pairs), given.minutes, start, "comparisons"):
            evidence.say(f"comparison {number + 1} of {pairs}")
            found["same"].append(same(workers, Path(folder) / "small.keras", number))
    found["targets"] = targets(found)
    evidence.conclude("repeats", found, given)


def one(folder: Path, number: int, budget: str) -> evidence.Findings:
    """The forms of the layers whose lead is no tie, and the seconds of a step."""
    how: dict[str, Any] = {"passes": "training", "batch_size": 8, "budget": budget, "only_layers": True}
    made = gb.optimize(folder / "network.keras", out=folder / f"runs-{number}", **how)
    forms = {}
    for change in made.changes:
        options = change.replacement.advice.options if change.replacement.advice else ()
        seconds = sorted(option.latency.value for option in options)
        leads = len(seconds) > 1 and seconds[1] / seconds[0] > 1 + _LEAD
        forms[str(change.replacement.question.label)] = {"form": change.replacement.variant, "leads": leads}
    after = None if made.whole is None else made.whole.after.seconds.value
    return {"forms": forms, "after_s": after, "verdict": made.whole.verdict if made.whole else None}


def same(workers: Workers, file: Path, number: int) -> evidence.Findings:
    """The verdict on a network and a copy of it that differs in nothing."""
    subject = {"file": str(file), "making": _SAME, "batch_size": 2, "pass_": "training", "execution": "graph"}
    key = HostKey("tensorflow")
    visits = [
        workers.ask(key, "visit", {**subject, "seed": PROCESSES * number + place}, expected_s={})
        for place in range(PROCESSES)
    ]
    if any("status" in one for one in visits):
        return {"verdict": None, "speedup": None}
    whole = judged(visits, _MARGIN, {"error": 0.0, "gradients": True}, (None, None))
    return {"verdict": whole.verdict, "speedup": whole.speedup.value}


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """What was asked, and whether it holds."""
    by_layer: dict[str, Counter[str]] = {}
    for one in found["optimised"]:
        for label, told in one["forms"].items():
            if told["leads"]:
                by_layer.setdefault(label, Counter())[told["form"]] += 1
    of = sum(sum(counted.values()) for counted in by_layer.values())
    alike = sum(max(counted.values()) for counted in by_layer.values()) / of if of else None
    seconds = [one["after_s"] for one in found["optimised"] if one["after_s"]]
    middle = statistics.median(seconds) if seconds else 0.0
    spread = max((abs(one / middle - 1) for one in seconds), default=None)
    wrong = evidence.proportion(
        sum(one["verdict"] in ("faster", "slower") for one in found["same"]), len(found["same"])
    )
    return [
        evidence.target("layers with a lead over 3% that choose the usual form", alike, ALIKE, "%", at_least=True),
        evidence.target("farthest whole-model time from the median", spread, SPREAD, "%"),
        evidence.target("identical copies called faster or slower", wrong["share"], WRONG, "%"),
    ]


if __name__ == "__main__":
    main()
