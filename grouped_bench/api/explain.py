"""What runs inside the variants of a case: what `grouped-bench explain` stands for."""

from typing import TYPE_CHECKING, Any

from grouped_bench import variants
from grouped_bench.plan import make_plan, resolved
from grouped_bench.space.facts import Json
from grouped_bench.space.space import Space
from grouped_bench.variants.plugins import refuse_unknown

if TYPE_CHECKING:
    from grouped_bench.variants import Files


def explain(space: Space, *, seed: int = 0, files: "Files" = (), quiet: bool = True, **options: Any) -> list[Json]:
    """What ran inside each variant of the one case in `space`, and why it takes its time, where that is known.

    A dict a task, as `grouped-bench explain --format json` gives them; arguments and errors as of `run`.
    """
    from grouped_bench.harness.inspect.looking import look_at

    paths = variants.import_files(files)
    space, control = resolved(space, options)
    planned = make_plan(space)
    refuse_unknown(planned.variants, paths)
    return look_at(planned, control, seed=seed, files=paths, quiet=quiet)
