"""What `optimize` makes of networks of keras.applications, and whether one that it calls faster is slower.

Each is built without weights, at the batch and size given, and optimised once for each pass, backend and, on
TensorFlow, value of oneDNN's variable. Then original and copy are timed again in further fresh processes: what was said
to be faster must not be slower by more than 3%.

python bench/applications.py --save                      # those below, some 2 hours on a quiet machine
python bench/applications.py MobileNetV3Small --backend jax
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

import evidence
from optimized import VARIABLE

import grouped_bench as gb
from grouped_bench.errors import GroupedBenchError
from grouped_bench.harness.inspect.whole_model import Workers
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import HostKey

# The smallest of each family that has convolutions.
NAMES = (
    *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3", "InceptionResNetV2"),
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "Xception"),
)
PASSES = ("training", "inference")
MOST_SLOWER = 0.03
_AGAIN = 3


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--backend", choices=("tensorflow", "jax", "torch"), default="tensorflow")
    parser.add_argument("--size", type=int, default=96, help="extents of an image")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=240, help="no network is begun later than that")
    given = evidence.parse(parser)
    names = ["MobileNetV3Small"] if given.smoke else given.names
    size, batch, budget = (32, 1, "5s") if given.smoke else (given.size, given.batch, "4m")
    found: evidence.Findings = {"backend": given.backend, "size": size, "batch": batch, "trials": []}
    values = ("0", "1") if given.backend == "tensorflow" and not given.smoke else (None,)
    trials = [(name, pass_, env) for name in names for pass_ in PASSES[: 1 if given.smoke else 2] for env in values]
    with evidence.as_far_as_it_goes(found), tempfile.TemporaryDirectory() as folder:
        for _, trial in evidence.in_time(trials, given.minutes, read_clock(), "trials"):
            evidence.say(" ".join(map(str, trial)))
            found["trials"].append(one(*trial, given.backend, Path(folder), size, batch, budget))
    found["targets"] = targets(found["trials"])
    evidence.conclude(f"applications-{given.backend}", found, given)


def one(
    name: str, pass_: str, value: str | None, backend: str, folder: Path, size: int, batch: int, budget: str
) -> evidence.Findings:
    """One optimisation, and the ratio of both networks in further processes."""
    path = folder / f"{name}.keras"
    if not path.exists():
        import keras

        keras.applications.__dict__[name](weights=None, input_shape=(size, size, 3), include_top=False).save(path)
    env = {} if value is None else {"env": {VARIABLE: [value]}}
    told: evidence.Findings = {"network": name, "pass": pass_, "onednn": value, "verdict": None, "reason": None}
    start = read_clock()
    how: dict[str, Any] = {"batch_size": batch, "passes": pass_, "backend": backend, "only_layers": True}
    try:
        made = gb.optimize(path, budget=budget, out=folder / f"{name}-{backend}-{value}", quiet=False, **how, **env)
    except GroupedBenchError as error:
        return {**told, "reason": str(error)}
    whole = made.whole
    told |= {"seconds": read_clock() - start, "reason": made.refusal, "layers": len(made.changes)}
    if whole is None:
        return told
    forms = sorted({str(change.replacement.variant) for change in made.changes if change.is_made})
    told |= {"verdict": whole.verdict, "speedup": whole.speedup.value, "low": whole.speedup.low, "forms": forms}
    return {**told, "high": whole.speedup.high, "again": again(made, path, batch, pass_, backend)}


def again(made: gb.Optimized, path: Path, batch: int, pass_: str, backend: str) -> float | None:
    """How many times as fast the copy is in processes that `optimize` has not seen; None where one failed."""
    ratios = []
    setting = made.setting
    assert setting is not None, "it was timed"
    asked = {"file": str(path), "making": made._making, "batch_size": batch, "pass_": pass_, "device": "cpu"}
    with Workers() as workers:
        for number in range(_AGAIN):
            subject = {**asked, "execution": setting.execution, "seed": 100 + number}
            told = workers.ask(HostKey(backend, setting.env), "visit", subject, expected_s={})
            if "status" in told:
                return None
            sides = (told["samples"][name] for name in ("original", "faster"))
            before, after = (statistics.median(one for one in side if one is not None) for side in sides)
            ratios.append(before / after)
    return statistics.median(ratios)


def targets(trials: list[evidence.Findings]) -> list[evidence.Findings]:
    """What was asked of all trials."""
    faster = [one for one in trials if one["verdict"] == "faster" and one.get("again")]
    slowest = max((1 / one["again"] - 1 for one in faster), default=None)
    wrong = [one for one in faster if one["again"] < 1]
    share = len(wrong) / len(faster) if faster else None
    return [
        evidence.target("trials", float(len(trials)), 200.0, "", at_least=True),
        evidence.target("an optimised network is slower by at most", slowest, MOST_SLOWER, "%"),
        evidence.target("called faster and slower again", share, 0.01, "%"),
    ]


if __name__ == "__main__":
    main()
