"""One look at a case, without a run: hosts, peaks, and what runs inside each variant."""

from grouped_bench.errors import SpaceError
from grouped_bench.harness.inspect.explain import Explainer
from grouped_bench.harness.processes.peaks import read_peaks
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.session import opened
from grouped_bench.space.facts import Json
from grouped_bench.units import counted


def look_at(request: RunRequest) -> list[Json]:
    """A look at every variant of the plan's one case, in each of its settings.

    Raises:
        SpaceError: the plan has more than one case.
        UnavailableError: a device is not there, or a run is measuring.
        HostError: a backend cannot start.
    """
    plan, control = request.plan, request.control
    cases = dict.fromkeys(cohort.case.title() for cohort in plan.cohorts)
    if len(cases) > 1:
        raise SpaceError(
            "`explain` takes one case",
            received=f"{counted(len(cases), 'case')}: {'; '.join(cases)}",
            remedy="Give one value to each axis except variant, backend, execution, device and cache",
        )
    with opened(request) as session:
        hosts = session.side.hosts
        session.progress.say("measuring the machine's peaks")
        explainer = Explainer(hosts, control, request.seed, read_peaks(plan, hosts, control))
        looks: list[Json] = []
        for cohort in plan.cohorts:
            session.progress.say(f"explaining {cohort.title()}")
            looks += explainer.cohort(cohort)
        return looks
