"""Baselines: runs as small files that a repository can keep; behind `grouped-bench baseline`."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grouped_bench.errors import OutputError, RunError, SpaceError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import refuse_store

if TYPE_CHECKING:
    import datetime

    import pandas as pd

    # What a file of a run holds: the frame, and the metadata of all of it.
    _Content = tuple[pd.DataFrame, Facts]

DEFAULT_FOLDER = "baselines"
ROUNDS = 1
_MOST_ROUNDS = 2**31 - 1
_ID_DIGITS = 12
# Large, and read by none that compares.
_LEFT_OUT = ("explanations",)
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A run that a folder keeps: its file, run-wide facts, tasks and size; `rounds` is None where it keeps all."""

    path: Path
    facts: Facts
    tasks: int
    bytes: int

    @property
    def machine(self) -> str:
        """The machine that the run measured."""
        return str(self.facts.get("machine") or "unknown")

    @property
    def measured_on(self) -> tuple[str, str]:
        """What tells its machine from others: its name, which two may share, and what decides its kernels."""
        from grouped_bench.store.identity import identity_of

        return self.machine, repr(identity_of(self.facts))

    @property
    def rounds(self) -> int | None:
        """How many rounds of a visit it keeps at most; None where it is no baseline but a run with all of them."""
        return self.facts.get("thinned")

    @property
    def commit(self) -> str:
        """The commit that the run measured, whatever else was changed; the run itself where none was recorded."""
        from grouped_bench.analyse.compare.side_selection import commit_of

        return commit_of(self.facts) or str(self.path)

    @property
    def began(self) -> "datetime.datetime":
        """When the run began."""
        from grouped_bench.analyse.compare.side_selection import began

        return began(self.facts)

    def to_dict(self) -> Json:
        """The baseline under the keys of `baseline list --format json`."""
        return {
            "machine": self.machine,
            "commit": self.facts.get("commit"),
            "run_id": self.facts.get("run_id"),
            "started_at": self.facts.get("started_at"),
            "tasks": self.tasks,
            "bytes": self.bytes,
            "rounds": self.rounds,
            "file": str(self.path),
        }


def save_baselines(
    names: Sequence[str],
    to: str | Path = DEFAULT_FOLDER,
    *,
    samples: int = ROUNDS,
    out: str | Path = DEFAULT_OUT,
) -> list[Path]:
    """Write runs as baselines, `TO/<machine>/<commit>/<run_id>.parquet`; their paths.

    A run that is there already stays as it is. Nothing is written unless all can be.

    Args:
        names: runs, as `load` takes them.
        to: folder of baselines.
        samples: rounds that are kept of each visit, at most.
        out: folder of run ids and `latest`.

    Raises:
        RunError: a run that cannot be found or read, has not ended, or was measured side by side with another.
        OutputError: the folder cannot be written, or there is another run of that id, in it or among `names`.
        SpaceError: no number of rounds, or a folder in an object store.
    """
    from grouped_bench.store.runs import check_writable, find_all_runs, write_run

    if not 1 <= samples <= _MOST_ROUNDS:
        raise SpaceError(
            f"The number of samples must be between 1 and {_MOST_ROUNDS:,}",
            received=samples,
            remedy="Use 1 to keep one round of each visit",
        )
    refuse_store(to, "Baselines")
    check_writable(Path(to))
    made: dict[Path, _Content] = {}
    for path in find_all_runs(names, out):
        target, content = _made(path, Path(to), samples)
        _check_same(target, content, made.setdefault(target, content), "Name one file of that run")
    fresh = {path: content for path, content in made.items() if not _is_there(path, content)}
    for path, (frame, facts) in fresh.items():
        write_run(frame, facts, path, compact=True)
    return list(made)


def baselines(folder: str | Path) -> list[Baseline]:
    """The runs that `folder` holds, by machine and then from the oldest to the newest.

    Raises:
        RunError: no such folder, none in it, or a file that cannot be read.
    """
    from grouped_bench.store.runs import count_rows, read_facts

    if not Path(folder).is_dir():
        raise RunError("The folder of baselines must exist", received=str(folder), remedy="Name an existing folder")
    paths = sorted(Path(folder).rglob("*.parquet"))
    if not paths:
        raise RunError(
            "A folder of baselines must contain a Parquet file",
            received=folder,
            remedy="Save a baseline into it with `grouped-bench baseline save RUN`",
        )
    found = [Baseline(path, read_facts(path), count_rows(path), path.stat().st_size) for path in paths]
    return sorted(found, key=lambda one: (one.machine, one.began, one.path.name))


def prune_baselines(folder: str | Path, keep: int, *, dry: bool = False) -> list[Baseline]:
    """Remove all baselines in `folder` but those of the `keep` newest commits of each machine; what is removed.

    Machines of one name that differ in what decides their kernels are two.
    The newest commit is the one whose run began last, as `compare` takes it. A run without a commit, or with
    uncommitted changes, counts as a commit of its own.

    Args:
        folder: of baselines alone.
        keep: commits to keep of each machine.
        dry: whether to remove nothing, and only return what would be removed.

    Raises:
        RunError: as of `kept`, or the folder holds a run with all its samples, which `baseline save` did not write.
        OutputError: a file that cannot be removed.
    """
    found = baselines(folder)
    for one in found:
        if one.rounds is None:
            raise RunError(
                "A folder to prune must contain only baselines",
                received=f"{one.path}, a run with all its samples",
                remedy="Name a folder that `grouped-bench baseline save` wrote",
            )
    removed = list(_old(found, keep))
    for one in removed if not dry else ():
        _remove(one.path)
    return removed


def _made(path: Path, to: Path, samples: int) -> "tuple[Path, _Content]":
    """Where the baseline of the run at `path` goes, and its content."""
    from grouped_bench.analyse.compare.thinning import thin
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import read_run

    if path.suffix == SUFFIX:
        raise RunError("A baseline must come from a finished run", received=path, remedy="Resume the run until it ends")
    frame, metadata = read_run(path)
    if frame.empty:
        raise RunError("A baseline must come from a run with tasks", received=path, remedy="Name another run")
    if metadata.get("side_by_side"):
        raise RunError(
            "A baseline must come from a run that was measured alone",
            received=f"{path}, measured side by side with another",
            remedy="Measure one with `grouped-bench run --preset ci`",
        )
    facts = {name: value for name, value in metadata.items() if name not in _LEFT_OUT}
    facts["thinned"] = min(samples, metadata.get("thinned") or samples)
    words = [str(frame[name].iloc[0]) for name in ("machine", "run_id")]
    for word in words:
        if not _FILE_NAME.fullmatch(word):
            raise RunError(
                "The machine and the id of a run must be usable as file names",
                received=word,
                remedy="Name a file that `grouped-bench run` wrote",
            )
    machine, run_id = words
    return to / machine / _commit_folder(facts) / f"{run_id}.parquet", (_in_order(thin(frame, samples)), facts)


def _commit_folder(facts: Facts) -> str:
    """A name for what the run measured: with that of the run no two of them meet, whoever merges them."""
    told = facts.get("commit")
    if not told:
        return "no-commit"
    return f"{told['id'][:_ID_DIGITS]}{'-changed' if told['dirty'] else ''}"


def _in_order(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The rows by case, setting and variant, whatever order they were measured in."""
    from grouped_bench.analyse.compare.measurements import plain
    from grouped_bench.store.schema import COHORT_KEY

    rows = frame[[*COHORT_KEY, "variant"]].itertuples(index=False)
    keys = [tuple((value is not None, value) for value in map(plain, row)) for row in rows]
    return frame.iloc[sorted(range(len(keys)), key=keys.__getitem__)]


def _is_there(path: Path, content: "_Content") -> bool:
    """Whether the baseline stands there already. Raises OutputError where another does."""
    from grouped_bench.store.runs import read_run

    if not path.exists():
        return False
    _check_same(path, content, read_run(path), "Remove that file, or name another folder")
    return True


def _check_same(path: Path, content: "_Content", there: "_Content", remedy: str) -> None:
    """Raise OutputError where the baseline that goes to `path` is not what is there already."""
    from grouped_bench.store.runs import are_same

    if content is not there and not are_same(content, there):
        raise OutputError("A baseline must not replace another baseline of the same run", received=path, remedy=remedy)


def _old(found: Sequence[Baseline], keep: int) -> Iterator[Baseline]:
    """Those of all but the newest commits of each machine."""
    newest: dict[tuple[tuple[str, str], str], datetime.datetime] = {}
    for one in found:
        key = (one.measured_on, one.commit)
        newest[key] = max(one.began, newest.get(key, one.began))
    for one in found:
        mine = newest[one.measured_on, one.commit]
        if sum(moment > mine for (machine, _), moment in newest.items() if machine == one.measured_on) >= keep:
            yield one


def _remove(path: Path) -> None:
    """Remove a file, and the folders of its commit and machine where they are empty then."""
    try:
        path.unlink()
    except OSError as error:
        raise OutputError(
            "A baseline to prune must be removable",
            received=f"{path} ({error.strerror or error})",
            remedy="Make its folder writable",
        ) from None
    with contextlib.suppress(OSError):
        path.parent.rmdir()
