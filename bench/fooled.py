"""What slips through the check of results, what it stops although it is right, and what it costs.

Parts of correct results are made wrong under many seeds. Every variant is built and checked, and checked again after it
was timed, in every backend, dtype and rank, until there are 2,000 checks. `quick` says which share of a run's time goes
into checks. What else was tried is in tests/measure/test_cheats.py.

python bench/fooled.py --save   # some 20 minutes
"""

import itertools
import tempfile
from collections.abc import Iterator
from typing import Any

import evidence
import numpy as np
import visits

import grouped_bench as gb
from grouped_bench import variants
from grouped_bench.harness.plan import Cohort, make_plan
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.workers import TaskFailedError
from grouped_bench.measure import verify
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.space import Space
from grouped_bench.variants.reference.convolution import Weights

SEEDS, CHECKS = 60, 2000
COST = 0.05
BACKENDS = ("tensorflow", "jax", "torch")
DTYPES = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
PARTS = {
    "one of 512 output channels is zero": ({"channels": [[8, 512]], "groups": 2, "size": 8}, ("output", 3)),
    "one of 224 rows is zero": ({"channels": 4, "groups": 2, "size": 224}, ("output", 1)),
    "one of 64 examples is zero": ({"channels": 4, "groups": 2, "size": 8, "batch_size": 64}, ("output", 0)),
    "one of 64 channels of the kernel has no gradient": (
        {"channels": 64, "groups": 2, "size": 8, "pass": "training"},
        ("kernel gradient", 3),
    ),
    "bfloat16 inputs in a float16 case": ({"channels": 64, "groups": 2, "size": 14, "dtype": "float16"}, None),
}


class Arrays:
    """Results that are NumPy arrays already."""

    def to_numpy(self, tensor: np.ndarray) -> np.ndarray:
        """`tensor` in float64."""
        return tensor.astype(np.float64)


def main() -> None:
    parser = evidence.make_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="no check of what is right begins later than that")
    given = evidence.parse(parser)
    found: evidence.Findings = {"parts": [], "honest": []}
    with evidence.as_far_as_it_goes(found):
        for name, (axes, place) in PARTS.items():
            evidence.say(name)
            found["parts"].append({"name": name, **seen(axes, place, 2 if given.smoke else SEEDS)})
        for backend in BACKENDS[: 1 if given.smoke else None]:
            found["honest"].append(honest(backend, given.minutes / len(BACKENDS), smoke=given.smoke))
        found["cost"] = cost(smoke=given.smoke)
    found["targets"] = targets(found)
    evidence.conclude("fooled", found, given)


def seen(axes: dict[str, Any], place: tuple[str, int] | None, seeds: int) -> evidence.Findings:
    """In how many draws a part of a result that is wrong is seen, the rest of it being computed in float32."""
    (cohort,) = make_plan(Space(**axes, variant="grouped_native")).cohorts
    case, variant = cohort.case, variants.get("grouped_native")
    caught = 0
    for seed in range(seeds):
        problem = verify.make_problem(case, seed)
        weights = problem.weights(variant.function(case))
        results = exact(case, problem, weights, coarse=place is None)
        if place is not None:
            name, axis = place
            values = results[name]
            np.moveaxis(values, axis, 0)[seed * 37 % values.shape[axis]] = 0
        _, wrong = verify.Judge(problem, Arrays()).judged(list(results.values()), variant)
        caught += wrong is not None
    return {"caught": evidence.proportion(caught, seeds)}


def exact(case: Any, problem: verify.Problem, weights: Weights, *, coarse: bool) -> dict[str, np.ndarray]:
    """Output and gradients as PyTorch computes them in float32, rounded to the case's dtype."""
    import torch

    def taken(values: np.ndarray) -> Any:
        return torch.tensor(verify.rounded(values, "bfloat16") if coarse else np.asarray(values, np.float32))

    x = taken(np.moveaxis(problem.x, -1, 1)).requires_grad_()
    kernel = taken(np.moveaxis(weights["kernel"], (-1, -2), (0, 1))).requires_grad_()
    y = torch.nn.functional.conv2d(x, kernel, padding=1, groups=case.groups)
    found = {"output": np.moveaxis(y.detach().numpy(), 1, -1)}
    if problem.upstream is not None:
        dx, dk = torch.autograd.grad(y, [x, kernel], torch.tensor(np.moveaxis(problem.upstream, -1, 1).copy()))
        found["input gradient"] = np.moveaxis(dx.numpy(), 1, -1)
        found["kernel gradient"] = np.moveaxis(dk.numpy(), (0, 1), (-1, -2))
    return {name: verify.rounded(values.copy(), case.compute_dtype) for name, values in found.items()}


def honest(backend: str, minutes: float, *, smoke: bool) -> evidence.Findings:
    """Checks of every variant on a backend, and those that called a result wrong."""
    checks, wrong, failed, start = 0, [], 0, read_clock()
    host = Host(backend)
    wanted = 1 if smoke else CHECKS / len(BACKENDS)
    for number, cohort in enumerate(cohorts(backend)):
        if checks >= wanted or read_clock() - start > 60 * minutes:
            break
        evidence.say(f"{backend}: {checks} checks, {cohort.title()}")
        outcomes = checked(host, cohort, number)
        checks += sum(one != "refused" for one in outcomes.values())
        failed += sum(one == "refused" for one in outcomes.values())
        wrong += [
            f"{name}, {cohort.title()}: {one}" for name, one in outcomes.items() if one not in ("right", "refused")
        ]
    host.close()
    return {"backend": backend, "checks": checks, "refused": failed, "wrong": wrong}


def cohorts(backend: str) -> Iterator[Cohort]:
    """Cases of every rank, dtype and pass, the seeds of which go on for ever."""
    shapes = [
        {"rank": rank, "groups": groups, "channels": channels, "size": size, "batch_size": 4, "bias": bias}
        for rank, size in ((1, 64), (2, 12), (3, 5))
        for groups, channels in ((2, 32), (8, 64), (1, 16))
        for bias in (False, True)
    ]
    asked = itertools.product(("training", "inference"), DTYPES)
    spaces = [
        Space(cases=shapes, variant=variants.names(), backend=backend, dtype=dtype, **{"pass": pass_})
        for pass_, dtype in asked
    ]
    each = [make_plan(space).cohorts for space in spaces]
    for row in itertools.cycle(itertools.zip_longest(*each)):
        yield from (cohort for cohort in row if cohort is not None)


def checked(host: Host, cohort: Cohort, seed: int) -> dict[str, str]:
    """Of each check `right`, the reason why it was called wrong, or `refused` where nothing was computed."""
    worker = host.fork(visits.LIMITS)
    request = cohort.request(list(cohort.variants), seed)
    found: dict[str, str] = {}
    try:
        built = worker.ask({"op": "build", **request, "iterations": {}, "check": True})
        found |= {name: _said(one) for name, one in built["failed"].items()} | dict.fromkeys(built["built"], "right")
        names = list(built["built"])
        if names and not built["spoilt"]:
            timed = worker.ask({"op": "visit", "variants": names, "seed": seed, "rounds": 1})
            failed = timed.get("failed", {})
            found |= {f"{name}, timed": _said(failed[name]) if name in failed else "right" for name in names}
    except TaskFailedError:
        pass
    worker.close()
    return found


def _said(failure: dict[str, Any]) -> str:
    return str(failure["reason"]) if failure["status"] == "incorrect" else "refused"


def cost(*, smoke: bool) -> evidence.Findings:
    """Seconds of a run of `quick` that go into checks, and all its seconds."""
    space = Space(groups=2, channels=8, size=5) if smoke else Space.preset("quick")
    limits: dict[str, Any] = evidence.IN_A_SMOKE if smoke else {}
    with tempfile.TemporaryDirectory() as folder:
        time = gb.run(space, out=folder, page=False, **limits).metadata["time"]
    return {"verify_s": time["verify_s"], "total_s": time["total_s"], "share": time["verify_s"] / time["total_s"]}


def targets(found: evidence.Findings) -> list[evidence.Findings]:
    """What was asked of all three."""
    least = min((one["caught"]["share"] for one in found["parts"]), default=None)
    checks = sum(one["checks"] for one in found["honest"]) or None
    wrong = sum(len(one["wrong"]) for one in found["honest"]) if checks else None
    share = found.get("cost", {}).get("share")
    return [
        evidence.target("draws in which a wrong part is seen", least, 1.0, "%", at_least=True),
        evidence.target("checks of what is right", checks, CHECKS, "", at_least=True),
        evidence.target("of these called wrong", wrong, 0, ""),
        evidence.target("share of a run's time that checks take", share, COST, "%"),
    ]


if __name__ == "__main__":
    main()
