"""pytest-benchmark of every variant of the registry in the cases of preset `ci`, each verified before it is timed.

A file tells of one process at one moment: good for a trend on one machine. `grouped-bench compare` wants a folder of
three files or more a side, each of its own process. The reference workload is timed once a round, and its median stands
in `extra_info` beside the analytic columns, so that a machine that is slower today does not show.
"""

import re

import pytest

from grouped_bench.harness.plan import make_plan, resolved
from grouped_bench.measure import rounds
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.space import Space

SPACE, CONTROL = resolved(Space.preset("ci"), {"variant": "all"})
TASKS = [
    pytest.param(cohort, name, id=re.sub(r"[^\w.]+", "-", f"{name} {cohort.case.title()}", flags=re.ASCII))
    for cohort in make_plan(SPACE).cohorts
    for name in cohort.variants
]


@pytest.fixture(scope="module")
def workbench(request, backend):
    """The workloads of one cohort, whose inputs and reference weights are drawn once."""
    return Workbench(request.param.case, request.param.setting, 0, backend)


@pytest.mark.parametrize(("workbench", "name"), TASKS, indirect=["workbench"])
def test_variant(benchmark, beside, request, workbench, name):
    answer = workbench.build([name], {}, check=True)
    if answer["failed"] and answer["failed"][name]["status"] == "unsupported":
        pytest.skip(answer["failed"][name]["reason"])
    assert answer["failed"] == {}
    cohort = request.node.callspec.params["workbench"]
    benchmark.group = cohort.case.title()
    benchmark.extra_info.update(cohort.to_columns(name))
    synchronise, step = workbench.synchronise, workbench.steps[name]
    reference = next(iter(workbench.references.of_variants([name], CONTROL.reference).values()), None)

    def sample():
        seconds = None
        if reference is not None:
            work = workbench.steps[reference]
            synchronise(work())  # untimed, as is that of the step below: the first call after another's is slower
            seconds = rounds.time_sample(work, synchronise, workbench.iterations[reference])
        synchronise(step())
        return seconds

    beside(lambda: synchronise(step()), sample)
