"""pytest-benchmark over every variant of the registry, each verified before it is timed.

Figures of one process at one moment: good for a trend on one machine. For a verdict use `grouped-bench run`.
"""

import pytest

from grouped_bench.measure.workbench import Workbench
from grouped_bench.plan import make_plan
from grouped_bench.space.space import Space

SPACE = Space(
    cases=[{"groups": 8}, {"scope": "block", "cardinality": 8}],
    channels=64,
    size=14,
    batch_size=2,
    passes=["inference", "training"],
    variant="all",
)
TASKS = [
    pytest.param(name, cohort, id=f"{name}-{cohort.case.pass_}")
    for cohort in make_plan(SPACE).cohorts
    for name in cohort.variants
]


@pytest.mark.parametrize(("name", "cohort"), TASKS)
def test_variant(benchmark, backend, cohort, name):
    bench = Workbench(cohort.case, cohort.setting, 0, backend, mark=lambda turn: None)
    answer = bench.build([name], {}, check=True)
    if answer["failed"] and answer["failed"][name]["status"] == "unsupported":
        pytest.skip(answer["failed"][name]["reason"])
    assert answer["failed"] == {}
    benchmark.group = cohort.case.title()
    benchmark.extra_info.update(cohort.to_columns(name))
    outputs = benchmark(bench.steps[name])
    assert tuple(outputs[0].shape) == cohort.case.output_shape
