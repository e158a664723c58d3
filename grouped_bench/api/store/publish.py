"""A folder of runs as a data set that may be shared; behind `grouped-bench publish`."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from grouped_bench.errors import OutputError, RunError
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import refuse_store
from grouped_bench.store.files.temporary import unwritable


def publish(folder: str | Path, runs: Sequence[str] = (), *, out: str | Path = DEFAULT_OUT) -> list[Path]:
    """Write a data set of runs with its card, and return its files: `FOLDER/README.md` and `FOLDER/data/…`.

    Every run is checked first. One that names a path, a user, a host or a variable off the list of what runs record is
    refused, and nothing is written.

    Args:
        folder: that does not exist yet.
        runs: names of runs, as `load` takes them; all under `out` unless given.
        out: folder of the runs.

    Raises:
        RunError: a run cannot be found or read, has not ended, or must not be published.
        OutputError: the folder exists, or cannot be written.
        SpaceError: the folder is in an object store.
    """
    from grouped_bench.analyse.rows import plain
    from grouped_bench.harness.facts.leaks import leaks
    from grouped_bench.report.text import data_card
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import find_all_runs, read_run

    refuse_store(folder, "Data sets")
    target = Path(folder)
    if target.exists():
        raise OutputError(
            "A data set must be written to a new folder",
            received=f"{folder}, which exists",
            remedy="Name another folder",
        )
    made = []
    for path in find_all_runs(runs or [str(out)], out):
        if path.suffix == SUFFIX:
            raise RunError("A published run must have ended", received=path.name, remedy="Resume it, or leave it out")
        frame, metadata = read_run(path)
        if leak := next(leaks(frame, metadata), None):
            raise RunError(
                "A published run must name no path, user, host or variable of its machine",
                received=f"{path.name}, {leak}",
                remedy="Leave the run out, or measure it again",
            )
        made.append((path, plain(frame), metadata))
    card = data_card.render([(rows, metadata) for _, rows, metadata in made])
    with unwritable("The folder of a data set must be writable", folder, "Name another folder"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            fresh = Path(beside, "data set")
            for path, _, metadata in made:
                place = fresh / "data" / str(metadata["machine"])
                place.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place / path.name)
            (fresh / "README.md").write_text(card, encoding="utf-8")
            fresh.rename(target)
    return sorted(path for path in target.rglob("*") if path.is_file())
