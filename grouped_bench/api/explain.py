"""What runs inside the variants of a case; behind `grouped-bench explain`."""

from typing import Any

from grouped_bench.space.facts import Json
from grouped_bench.space.space import Space


def explain(space: Space, **options: Any) -> list[Json]:
    """What ran inside each variant of the one case in `space`, and why it takes its time, where that is known.

    One object per task, as `grouped-bench explain --format json` gives them.

    Args:
        space: a single case.
        **options: `seed`, `files`, `quiet` and `wait`, axes and controls as of `run`, whose errors these are too.
    """
    from grouped_bench.harness.inspect.looking import look_at
    from grouped_bench.harness.request import RunRequest

    return look_at(RunRequest.of(space, {"seed": 0, **options}))
