"""One convolution and its identical twin, and each peer's comparison of the two, in a process of its own.

A process is `python bench/peer_steps.py TOOL`, or `pytest bench/peer_steps.py` for pytest-benchmark, whose tests these
are. TOOL is `ours`, `ours-smoke` or `torch`, and prints one JSON object: log ratio of the twin's time to the other's,
the verdict where the tool gives one, and the seconds that imports took.
"""

import json
import math
import statistics
import sys
import tempfile
import time
from typing import Any

import injected
import pytest

TWIN = injected.TWINS[0]
CASE = {"channels": 64, "size": 14, "batch_size": 8, "variant": ["regular", TWIN]}


def make_steps() -> tuple[dict[str, Any], float]:
    """The very steps that a run of ours times, built and warmed up, and the seconds that importing TensorFlow took."""
    from grouped_bench import backends
    from grouped_bench.harness.plan import make_plan
    from grouped_bench.measure.workbench import Workbench
    from grouped_bench.space.space import Space

    start = time.perf_counter()
    backend = backends.load("tensorflow")
    import_s = time.perf_counter() - start
    cohort = make_plan(Space(**CASE)).cohorts[0]
    bench = Workbench(cohort.case, cohort.setting, 0, backend)
    bench.build(list(cohort.variants), {}, check=False)
    return bench.steps, import_s


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, Any], float]:
    return make_steps()


@pytest.mark.parametrize("name", CASE["variant"])
def test_step(benchmark: Any, made: tuple[dict[str, Any], float], name: str) -> None:
    steps, benchmark.extra_info["import_s"] = made
    assert benchmark(steps[name])


def ours(**limits: Any) -> dict[str, Any]:
    """One run of one pair, as a user would make it where there are no `limits`."""
    start = time.perf_counter()
    import grouped_bench as gb
    from grouped_bench.harness import session  # noqa: F401  (what a run imports when it is called)

    import_s = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        run = gb.run(gb.Space(**CASE), out=folder, memory=False, page=False, files=(injected.PATH,), **limits)
    row = run.frame.set_index("variant").loc[TWIN]
    return {
        "log_ratio": -math.log(row["speedup"]),
        "verdict": row["verdict"],
        "import_s": import_s + run.metadata["time"]["import_s"],
    }


def torch() -> dict[str, Any]:
    """`Timer.blocked_autorange` with its defaults on one step after the other."""
    start = time.perf_counter()
    from torch.utils.benchmark import Timer

    import_s = time.perf_counter() - start
    steps, more_s = make_steps()
    first, twin = (
        Timer("step()", globals={"step": steps[name]}).blocked_autorange().median for name in CASE["variant"]
    )
    return {"log_ratio": math.log(twin / first), "verdict": None, "import_s": import_s + more_s}


def from_report(report: dict[str, Any]) -> dict[str, Any]:
    """The same of pytest-benchmark's JSON: the ratio of its medians."""
    found = {one["params"]["name"]: one for one in report["benchmarks"]}
    first, twin = (found[name]["stats"]["median"] for name in CASE["variant"])
    imports = statistics.mean(one["extra_info"]["import_s"] for one in found.values())
    return {"log_ratio": math.log(twin / first), "verdict": None, "import_s": imports}


if __name__ == "__main__":
    TOOLS = {"ours": ours, "ours-smoke": lambda: ours(visits=3), "torch": torch}
    print(json.dumps(TOOLS[sys.argv[1]]()))
