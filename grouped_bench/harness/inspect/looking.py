"""One look at a case, without a run: hosts, peaks, and what runs inside each variant."""

from collections.abc import Sequence

from grouped_bench.errors import SpaceError
from grouped_bench.harness.inspect.explain import Explainer
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes.peaks import read_peaks
from grouped_bench.harness.processes.probing import hosts_of, probed
from grouped_bench.harness.progress import Progress
from grouped_bench.plan import Plan
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Json
from grouped_bench.units import counted


def look_at(plan: Plan, control: Control, *, seed: int, files: Sequence[str], quiet: bool) -> list[Json]:
    """A look at every variant of the plan's one case, in each of its settings.

    Raises:
        SpaceError: the plan has more than one case.
        UnavailableError: a device is not there, or a run is measuring.
        HostError: a backend cannot start.
    """
    cases = dict.fromkeys(cohort.case.title() for cohort in plan.cohorts)
    if len(cases) > 1:
        raise SpaceError(
            "`explain` takes one case",
            received=f"{counted(len(cases), 'case')}: {'; '.join(cases)}",
            remedy="Give one value to each axis except variant, backend, execution, device and cache",
        )
    with (
        Progress(quiet) as progress,
        alone(progress.tell, wait=False),
        hosts_of(plan, control, files, progress) as hosts,
    ):
        probed(plan, control, hosts)
        progress.say("measuring the machine's peaks")
        explainer = Explainer(hosts, control, seed, read_peaks(plan, hosts, control))
        looks: list[Json] = []
        for cohort in plan.cohorts:
            progress.say(f"explaining {cohort.title()}")
            looks += explainer.cohort(cohort)
        return looks
