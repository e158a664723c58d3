"""What `run` would measure, and what that will take; behind `grouped-bench plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.space.space import Space


def plan(space: "Space", *, out: str | Path = DEFAULT_OUT, first_calls: bool = False, **options: Any) -> Json:
    """The tasks that `run` would measure with the same arguments, what is left out, and what the run will take.

    Time and memory are those of tasks that runs under `out` measured on this machine. Of the others they are reckoned
    from counts, which know no slow implementation, or by a first call.

    Args:
        space: what to sweep.
        out: folder of the runs.
        first_calls: whether to call each task once of which no run tells.
        **options: as of `run`.

    Returns:
        The object that `grouped-bench plan --format json` prints.

    Raises:
        The errors of `run`; without `first_calls` nothing is started.
    """
    from grouped_bench.harness.inspect.estimate import estimate, known_of, to_dict
    from grouped_bench.harness.inspect.first_calls import first_calls as called
    from grouped_bench.harness.request import RunRequest
    from grouped_bench.layers.choice import runs_here

    request = RunRequest.of(space, {"seed": 0, "out": out, **options})
    known = known_of(runs_here(str(out)))
    if first_calls:
        known |= called(request, known)
    return to_dict(request.plan, estimate(request.plan, request.control, known))
