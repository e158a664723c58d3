"""The steps between runs; behind `grouped-bench history`."""

from pathlib import Path
from typing import TYPE_CHECKING

from grouped_bench.api.runs import joined, load_all, selection
from grouped_bench.errors import RunError
from grouped_bench.space.facts import Facts
from grouped_bench.store.files.object_store import is_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from grouped_bench.analyse.history.history import History


def history(folder: str | Path, *, where: str | None = None) -> "History":
    """The runs of a folder in the order of their commits, and where the latency of a task steps.

    Args:
        folder: of runs, in any folder below it; may be the URL of an object store.
        where: an expression over the columns that holds for the tasks to look at, such as `groups > 1`.

    Raises:
        RunError: no such folder, no run in it, or a file that cannot be read as one.
        SpaceError: `where` cannot be read as an expression over the columns.
    """
    if not is_url(folder) and not Path(folder).is_dir():
        raise RunError(
            "The folder of runs must exist", received=folder, remedy="Name an existing folder, such as results"
        )
    runs = load_all([str(folder)])
    return history_of(joined(runs), [run.metadata for run in runs], where=where)


def history_of(frame: "pd.DataFrame", metadata: "Sequence[Facts]", *, where: str | None = None) -> "History":
    """The history of runs that are already loaded; see `history`.

    Args:
        frame: the rows of all runs.
        metadata: the run-wide facts of each run.
        where: an expression over the columns that selects tasks; None selects all.

    Raises:
        SpaceError: `where` cannot be read as an expression over the columns.
    """
    from grouped_bench.analyse.history.history import History, Unmatched, of_frame

    if where is None:
        return of_frame(frame, metadata)
    kept = selection(frame, where)
    if kept and not any(kept):
        return History((), (), unmatched=Unmatched(where, frame["run_id"].nunique()))
    return of_frame(frame[kept], metadata)
