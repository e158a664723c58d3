"""A folder of many runs in few large files, which queries read sooner; behind `grouped-bench compact`."""

from pathlib import Path
from typing import TYPE_CHECKING

from grouped_bench.analyse.statistics.derive import RULES, RULES_NOW, by_present_rules
from grouped_bench.errors import RunError
from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import refuse_store

if TYPE_CHECKING:
    import pyarrow as pa

    from grouped_bench.store.files.compaction import Compaction


def compact(out: str | Path = DEFAULT_OUT, *, quiet: bool = True) -> "Compaction":
    """Copy the tasks of all runs under `out` into few large files beside them, with a manifest of the runs.

    The runs stay, and remain what counts: `query` reads from its own file a run that is new, and again one that has
    changed since. What was compacted before and has not changed is not written again.

    Args:
        out: folder of the runs.
        quiet: whether to show no progress on stderr.

    Raises:
        SpaceError: `out` is an object store.
        RunError: there is no run that has ended.
        OutputError: the folder cannot be written.
    """
    from grouped_bench.harness.progress import Progress
    from grouped_bench.store.files import compaction
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import find_runs, holds_runs

    refuse_store(out, "Large files")
    folder = Path(out).absolute()
    found = find_runs(str(folder), folder) if folder.is_dir() and holds_runs(folder) else []
    files = [path for path in found if path.suffix != SUFFIX]
    if not files:
        there = "is no folder" if folder.is_file() else "has none" if folder.exists() else "is not there"
        raise RunError(
            "What is compacted must be a folder with runs that have ended",
            received=f"{out}, which {there}",
            remedy="Name a folder of runs, such as results",
        )
    with Progress(quiet) as progress:

        def tell(done: int) -> None:
            progress.say(f"compacting run {done:,} of {len(files):,}")

        return compaction.compact(folder, files, RULES_NOW, _read, tell=tell)


def _read(path: Path) -> "tuple[pa.Table, Json]":
    """The tasks of a run as they are read now, and its row of the manifest."""
    from grouped_bench.store.files.compaction import run_row
    from grouped_bench.store.runs import read_facts, read_run, read_table, to_table

    facts = read_facts(path)
    if RULES in (facts.get("control") or {}) and (table := read_table(path)) is not None:
        return table, run_row(facts)
    frame, facts = by_present_rules(*read_run(path), path)
    return to_table(frame), run_row(facts)
