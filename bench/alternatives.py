"""A network as it is, optimised, and by what a user would try instead: a compiler, or splitting every grouped layer.

Each way runs in fresh processes, which take turns. `jit_compile` is what Keras' argument of that name does; blind
splitting makes a Keras convolution for each group. PyTorch is Keras' backend of that name.

python bench/alternatives.py ResNeXt50 --save  # on a quiet machine, some 30 minutes
"""

import dataclasses
import statistics
import tempfile
from pathlib import Path
from typing import Any

import evidence
from optimized import ASKED, build

import grouped_bench as gb
from grouped_bench.harness.inspect.whole_model import Workers
from grouped_bench.space.case import HostKey

_BLIND = """
from grouped_bench.backends.code import define
from grouped_bench.variants.models import built_in
from grouped_bench.variants.models.replacing import define_traits

traits = define((define_traits,))

def replace_layers(model):
    grouped = [layer for layer in model._flatten_layers() if getattr(layer, "groups", 1) > 1]
    forms = [(traits(layer), tuple(layer.input.shape[1:-1]), built_in.SPLIT) for layer in grouped]
    return built_in.replacer(forms)(model)
"""


@dataclasses.dataclass(frozen=True)
class Way:
    """How a network is run: its backend, what compiles a step, and the module that makes the copy which is timed."""

    name: str
    backend: str
    execution: str
    making: str = ""


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("network", nargs="?", choices=list(ASKED), default="ResNeXt50")
    parser.add_argument("--processes", type=int, default=3, help="for each way")
    parser.add_argument("--pass", dest="pass_", choices=("training", "inference"), default="training")
    given = evidence.parse(parser)
    name = "small" if given.smoke else given.network
    found: evidence.Findings = {"network": name, "pass": given.pass_, "ways": []}
    with evidence.as_far_as_it_goes(found), tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.keras"
        build(name).save(file)
        batch = 2 if given.smoke else ASKED[name]["batch"]
        how: dict[str, Any] = {"batch_size": batch, "passes": given.pass_, "only_layers": True}
        made = gb.optimize(file, budget="5s" if given.smoke else "4m", out=Path(folder) / "runs", quiet=False, **how)
        subject = {"file": str(file), "batch_size": batch, "pass_": given.pass_}
        found["ways"] = timed(ways(made._making), subject, 1 if given.smoke else given.processes)
    found["targets"] = [lead(found["ways"])]
    evidence.conclude(f"alternatives-{given.network}", found, given)


def ways(making: str) -> list[Way]:
    """Those to compare; without a copy the network as it is stands for it."""
    return [
        Way("as it is", "tensorflow", "graph"),
        Way("optimised", "tensorflow", "graph", making),
        Way("jit_compile", "tensorflow", "xla"),
        Way("optimised and jit_compile", "tensorflow", "xla", making),
        Way("blind splitting", "tensorflow", "graph", _BLIND),
        Way("PyTorch", "torch", "eager"),
        Way("torch.compile", "torch", "compile"),
    ]


def lead(found: list[evidence.Findings]) -> evidence.Findings:
    """How many times as fast ours is as the best of the others."""
    known = {one["way"]: one["median_s"] for one in found if one["median_s"]}
    ours = [seconds for name, seconds in known.items() if name.startswith("optimised")]
    others = [seconds for name, seconds in known.items() if not name.startswith("optimised")]
    ratio = min(others) / min(ours) if ours and others else None
    return evidence.target("optimised: times as fast as the best of the others", ratio, 1.0, "×", at_least=True)


def timed(each: list[Way], subject: evidence.Findings, processes: int) -> list[evidence.Findings]:
    """Seconds of a step of each way, a median a process; or why it failed."""
    found: list[evidence.Findings] = [
        {"way": way.name, "backend": way.backend, "execution": way.execution, "seconds": [], "first_calls_s": [],
         "reason": None} for way in each
    ]  # fmt: skip
    expected: dict[str, dict[str, float]] = {}
    with Workers() as workers:
        for number in range(processes):
            for way, told in zip(each, found, strict=True):
                evidence.say(f"{way.name}, process {number + 1} of {processes}")
                asked = {**subject, "making": way.making, "execution": way.execution, "seed": number}
                answer = workers.ask(HostKey(way.backend), "visit", asked, expected_s=expected.get(way.name, {}))
                if "status" in answer:
                    told["reason"] = answer["reason"]
                    continue
                side = "faster" if way.making else "original"
                told["seconds"].append(statistics.median(one for one in answer["samples"][side] if one is not None))
                told["first_calls_s"].append(answer["first_calls_s"][side])
                expected[way.name] = {
                    name: min(one for one in some if one is not None) for name, some in answer["samples"].items()
                }
    return [{**one, "median_s": statistics.median(one["seconds"]) if one["seconds"] else None} for one in found]


if __name__ == "__main__":
    main()
