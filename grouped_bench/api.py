"""The library's front door: `run`, `plan`, `load`, `report`, and the `Run` that they give."""

import dataclasses
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench.plan import Plan, make_plan
from grouped_bench.space.axes import Control, validate
from grouped_bench.space.space import Space

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_OUT = Path("results")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as its file holds it.

    `frame` has a row a task under the columns of `grouped-bench list columns`; `metadata` is what holds for all
    rows: environment, space, controls, skips, where the time went.
    """

    frame: "pd.DataFrame"
    metadata: dict[str, Any]
    path: Path

    def report(self, path: str | Path, figures: str | Path | None = None) -> Path:
        """Write the HTML page to `path` and, where asked, the figures as SVG and PNG into the folder `figures`."""
        return report([self], path, figures)


def plan(space: Space, **options: Any) -> tuple[Plan, Control]:
    """What `run` would measure with the same arguments, and its controls; measures nothing."""
    space, control = _resolved(space, options)
    return make_plan(space), control


def _resolved(space: Space, options: dict[str, Any]) -> tuple[Space, Control]:
    """The space with the axes among `options` in place of its own, and the controls."""
    controls = {key: value for key, value in options.items() if key in Control.model_fields}
    axes = {key: value for key, value in options.items() if key not in controls}
    space = space.replace(**axes) if axes else space
    return space, validate(Control, {**space.control, **controls}, "options")


def run(
    space: Space,
    *,
    out: str | Path = DEFAULT_OUT,
    seed: int | None = None,
    memory: bool = True,
    page: bool = True,
    quiet: bool = True,
    command: list[str] | None = None,
    files: tuple[str, ...] = (),
    **options: Any,
) -> Run:
    """Measure `space`, write the Parquet file and the page, and return the run.

    Args:
        space: what to sweep.
        out: folder; the file is `OUT/<machine>/<run_id>.parquet`, the page beside it.
        seed: of inputs, weights and orders; drawn when not given.
        memory: whether to read each task's peak memory, in a pass of its own.
        page: whether to write the HTML page.
        quiet: whether to show no progress on stderr.
        command: the command line to record, this process' own when not given.
        files: Python files that register variants, run in every host.
        **options: axes that replace those of the space (`device="cpu"`) and controls (`budget="10m"`).

    Raises:
        SpaceError: an argument breaks a rule, or no legal case is left.
        UnavailableError: a device, backend or variant is not there.
        OutputError: the folder cannot be written, or the disk refused a record.
        HostError: a backend cannot start or has died. What was measured stays in the run's journal.
    """
    from grouped_bench.harness.progress import Progress
    from grouped_bench.harness.running import Order, carry_out

    space, control = _resolved(space, options)
    order = Order(
        plan=make_plan(space),
        control=control,
        space=space.to_dict(),
        out=Path(out),
        seed=secrets.randbelow(2**31) if seed is None else seed,
        memory=memory,
        quiet=quiet,
        command=sys.argv if command is None else command,
        files=files,
    )
    result = load(carry_out(order))
    if page:
        with Progress(quiet) as progress:
            progress.say("writing the page")
            result.report(result.path.with_suffix(".html"))
    return result


def load(name: str | Path, out: str | Path = DEFAULT_OUT) -> Run:
    """The newest run that `name` stands for: a file, a folder of runs, a run id, or `latest`.

    Raises:
        RunError: there is no such run, or its file cannot be read as one.
    """
    return load_all([str(name)], out)[-1]


def load_all(names: list[str], out: str | Path = DEFAULT_OUT) -> list[Run]:
    """Every run that `names` stand for, each once, in their order."""
    from grouped_bench.store.runs import find_runs, read_run

    paths = dict.fromkeys(path for name in names for path in find_runs(name, Path(out)))
    return [Run(*read_run(path), path) for path in paths]


def report(runs: list[Run], path: str | Path, figures: str | Path | None = None) -> Path:
    """Write one page for all `runs`; see `Run.report`."""
    from grouped_bench.report import figures as drawing
    from grouped_bench.report import html
    from grouped_bench.store.runs import check_writable

    path, frame = Path(path), joined(runs)
    check_writable(path.parent)
    if figures is not None:
        drawing.save(frame, Path(figures))
    return html.write(frame, [run.metadata for run in runs], path)


def joined(runs: list[Run]) -> "pd.DataFrame":
    """The frames of all `runs` as one."""
    import pandas as pd

    return pd.concat([run.frame for run in runs], ignore_index=True)
