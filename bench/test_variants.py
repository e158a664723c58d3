"""pytest-benchmark over every variant of the registry, each verified before it is timed.

Figures of one process at one moment: good for a trend on one machine. For a verdict use `grouped-bench run`.
"""

import pytest

from grouped_bench import variants
from grouped_bench.measure.workbench import Workbench
from grouped_bench.plan import make_plan
from grouped_bench.space.space import Space

SPACE = Space(groups=8, channels=64, size=14, batch_size=2, passes=["inference", "training"], variant="all")
COHORTS = make_plan(SPACE).cohorts


@pytest.mark.parametrize("cohort", COHORTS, ids=lambda cohort: cohort.case.pass_)
@pytest.mark.parametrize("name", variants.names())
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
