"""Which networks learn better, preset by preset; and whether a network is ever found to learn better than itself.

python bench/learning.py shuffle-mini --save  # on a quiet machine, 30 minutes at most; also the other presets
python bench/learning.py --same --save        # 20 comparisons of a network with itself, some 10 minutes
"""

import statistics
import tempfile
from collections import Counter
from pathlib import Path

import evidence
import numpy as np

import grouped_bench as gb
from grouped_bench.analyse.learning import verdicts
from grouped_bench.analyse.learning.published import besides
from grouped_bench.analyse.learning.summary import Summary, filters, summaries
from grouped_bench.analyse.statistics.stats import Interval
from grouped_bench.harness.learning.examples import made
from grouped_bench.harness.learning.workers import Asked, training_request
from grouped_bench.measure.models.learning.training import Recipe
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.studies import STUDIES

_SAME, _SEEDS, _EPOCHS, _RATE = 20, 6, 10, 0.1
_SIMULATED, _GAIN = 2000, 0.02
_MINUTES = 30.0


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("preset", nargs="?", choices=list(STUDIES), default="shuffle-mini")
    parser.add_argument("--same", action="store_true", help="a network beside itself")
    parser.add_argument("--data", help="examples, in place of the preset's")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="of a preset's run")
    given = evidence.parse(parser)
    found: evidence.Findings = {}
    with evidence.as_far_as_it_goes(found):
        found |= same(given.smoke) if given.same else preset(given.preset, given.data, given.minutes, smoke=given.smoke)
    found.setdefault("targets", [])
    evidence.conclude("learning-same" if given.same else f"learning-{given.preset}", found, given)


def preset(name: str, data: str | None, minutes: float, *, smoke: bool) -> evidence.Findings:
    """The table of a preset, and how likely its spread lets 20 seeds see a difference of two points."""
    start = read_clock()
    with tempfile.TemporaryDirectory() as out:
        limits = (
            {"epochs": 1, "data": "digits", "budget": "20s", "backend": "tensorflow"}
            if smoke
            else {"data": data, "budget": 60 * minutes}
        )
        run = gb.learn(name, out=out, quiet=smoke, **limits)
    spreads = {one.comparison.key: _spread(run, one) for one in run.comparisons}
    known = [one for one in spreads.values() if one is not None]
    power = min((_power(one, len(spreads)) for one in known), default=None)
    return {
        "question": run.study.question,
        "data": run.metadata["data"]["name"],
        "epochs": run.study.epochs,
        "stopped_by": run.metadata["stopped_by"],
        "trainings": len(run.trainings),
        "failed": sum(one.accuracy is None for one in run.trainings),
        "seconds": read_clock() - start,
        "networks": [_network(one) for one in summaries(*run.rows)],
        "comparisons": [{**_compared(one), "spread": spreads[one.comparison.key]} for one in run.comparisons],
        "published": [
            {"name": one.judged.comparison.published, "points": one.figure.points, "direction": one.direction}
            for one in besides(run.comparisons)
        ],
        "filters": [
            {"network": one.network, "growth": one.growth, "by_chance": one.by_chance, "largest": one.after.largest}
            for one in filters(run.metadata)
        ],
        "findings": list(run.findings),
        "targets": [
            evidence.target("minutes of the preset", (read_clock() - start) / 60, 30, "min"),
            evidence.target("two points found with 20 seeds, simulated", power, 0.95, "%", at_least=True),
        ],
    }


def same(smoke: bool) -> evidence.Findings:
    """Verdicts on one network from two sets of seeds, as often as 20 times."""
    study = STUDIES["shuffle-mini"]
    pairs, epochs = (1, 1) if smoke else (_SAME, _EPOCHS)
    network = study.network("dense")
    accuracies: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Asked("tensorflow") as ask:
        path = Path(folder) / "examples.npz"
        made("digits", study.examples, 0).write(path)
        for seed in range(2 * _SEEDS * pairs):
            recipe = Recipe(str(path), epochs, study.batch_size, _RATE, seed)
            accuracies.append(ask(training_request(network, recipe, {}), held="network")[-1]["accuracy"])
            if not seed % _SEEDS:
                evidence.say(f"{seed} of {2 * _SEEDS * pairs} trainings")
    differences = np.diff(np.reshape(accuracies, (pairs, 2, _SEEDS)), axis=1)[:, 0]
    told = Counter(verdicts.verdict(verdicts.interval(list(one), 1)) for one in differences)
    wrong = told[verdicts.BETTER] + told[verdicts.WORSE]
    return {
        "pairs": pairs,
        "epochs": epochs,
        "accuracy": statistics.fmean(accuracies),
        "spread": float(np.std(differences, ddof=1)),
        "verdicts": dict(told),
        "wrong": evidence.proportion(wrong, pairs),
        "targets": [evidence.target("wrong verdicts on a network beside itself", wrong / pairs, 0.05, "%")],
    }


def _spread(run: gb.Learning, one: verdicts.Judged) -> float | None:
    """Standard deviation of the differences of a comparison; None below three seeds."""
    found = verdicts.accuracies(run.trainings)
    network, beside = found.get(one.comparison.network, {}), found.get(one.comparison.beside, {})
    differences = [network[seed] - beside[seed] for seed in network.keys() & beside.keys()]
    return statistics.stdev(differences) if len(differences) > 2 else None


def _power(spread: float, comparisons: int) -> float:
    """How often two points are found with as many seeds as there may be, where differences spread as measured."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(_SIMULATED):
        drawn = rng.normal(_GAIN, spread, verdicts.MOST_SEEDS)
        looks = (verdicts.verdict(verdicts.interval(drawn[:count].tolist(), comparisons)) for count in verdicts.LOOKS)
        hits += next((one for one in looks if one != verdicts.UNDECIDED), "") == verdicts.BETTER
    return hits / _SIMULATED


def _network(one: Summary) -> evidence.Findings:
    names = ("name", "params", "macs", "training_s", "peak_memory_bytes", "learning_rate", "seeds", "failed")
    return {**{name: getattr(one, name) for name in names}, **_ends("accuracy", one.accuracy)}


def _compared(one: verdicts.Judged) -> evidence.Findings:
    return {
        **{"design": one.comparison.design, "network": one.comparison.network, "beside": one.comparison.beside},
        **{"verdict": one.verdict, "seeds": one.seeds, "why": one.why, **_ends("points", one.difference)},
    }


def _ends(name: str, found: Interval | None) -> evidence.Findings:
    if found is None:
        return {name: None, "low": None, "high": None}
    return {name: found.estimate, "low": found.low, "high": found.high}


if __name__ == "__main__":
    main()
