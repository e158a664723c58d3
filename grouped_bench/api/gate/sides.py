"""The two sides of a comparison: the files that a name stands for, those that are taken, and why others are not."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grouped_bench.api.runs import load
from grouped_bench.errors import RunError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.files.object_store import LATEST, Location, in_store, is_url, local_folder
from grouped_bench.store.gate import steps
from grouped_bench.store.gate.steps import StepRow

if TYPE_CHECKING:
    from grouped_bench.analyse.compare.measurements import Side
    from grouped_bench.analyse.compare.side_selection import LeftOut, Taken

_BENCHMARKS = ".json"


@dataclasses.dataclass(frozen=True)
class _File:
    """A file that may stand for a side: its name there, its run, which copies of it share, and the run-wide facts.

    `benchmarks` are those of pytest-benchmark's JSON, which names no run: there each content is one. `steps` are those
    of a project.
    """

    path: Path
    name: str
    run: str
    facts: Facts
    benchmarks: list[Json] | None = None
    steps: list[StepRow] | None = None

    @property
    def rounds(self) -> float:
        """How many rounds of a visit it keeps at most."""
        return self.facts.get("thinned") or math.inf


@dataclasses.dataclass(frozen=True)
class SideFiles:
    """Files that stand for a side, and what was found besides."""

    files: tuple[_File, ...]
    others: tuple["LeftOut", ...] = ()

    @property
    def runs(self) -> set[str]:
        """What tells each of their runs from others."""
        return {file.run for file in self.files}

    @property
    def are_steps(self) -> bool:
        """Whether they hold steps of a project."""
        return any(file.steps is not None for file in self.files)

    @property
    def taken(self) -> "Taken":
        """What to say of the side."""
        from grouped_bench.analyse.compare.side_selection import Taken

        return Taken(tuple(file.facts for file in self.files), self.others)

    def shares(self, other: "SideFiles") -> bool:
        """Whether a run stands for both."""
        return not self.runs.isdisjoint(other.runs)

    def without(self, why: Callable[[_File], str | None]) -> "SideFiles":
        """Those for which there is no reason to leave them out; the others with the reason."""
        return self._split([why(file) for file in self.files])

    def repetitions(self, beside: Facts | None = None, *, as_one: bool = False) -> "SideFiles":
        """Those that repeat the newest, in the order in which they began; see `analyse.compare.side_selection`."""
        from grouped_bench.analyse.compare.side_selection import began, why_left_out

        found = self._split(why_left_out([file.facts for file in self.files], beside, as_one=as_one))
        return dataclasses.replace(found, files=tuple(sorted(found.files, key=lambda file: began(file.facts))))

    def measured(self, machine: str | None = None) -> "Side":
        """What they measured, together, on the machine of that name if given."""
        from grouped_bench.analyse.compare.measurements import of_benchmarks, of_frames, of_steps

        benchmarks = [file.benchmarks for file in self.files if file.benchmarks is not None]
        if benchmarks:
            return of_benchmarks(benchmarks, [name for file in self.files for name in file.facts["errors"]])
        rows = [file.steps for file in self.files if file.steps is not None]
        if rows:
            return of_steps(rows, [machine or file.facts.get("machine") for file in self.files])
        frames = [load(file.path).frame for file in self.files]
        return of_frames([frame.assign(machine=machine) for frame in frames] if machine else frames)

    def _split(self, reasons: Iterable[str | None]) -> "SideFiles":
        """Those without a reason; the others with theirs."""
        from grouped_bench.analyse.compare.side_selection import LeftOut

        told = list(zip(self.files, reasons, strict=True))
        others = [LeftOut(file.name, why) for file, why in told if why is not None]
        return SideFiles(tuple(file for file, why in told if why is None), (*self.others, *others))


Names = str | Path | Sequence[str | Path]


def sides_of(base: Names, head: Names, out: Location, *, as_one: bool = False) -> tuple[SideFiles, SideFiles]:
    """The files of base and of head.

    Args:
        base, head, as_one: as of `compare`.
        out: folder of run ids and `latest`.

    Raises:
        RunError: see `compare`.
    """
    from grouped_bench.analyse.compare.side_selection import BASE_ITSELF

    names = [[side] if isinstance(side, str | Path) else list(side) for side in (base, head)]
    finders = {_finder(str(name), out) for side in names for name in side}
    if len(finders) > 1:
        raise RunError(
            f"Base and head must both be runs, both be files of steps ({steps.SUFFIX}), or both be JSON of "
            "pytest-benchmark",
            received=" and ".join(str(name) for side in names for name in side),
            remedy="Name two of one kind",
        )
    (find,) = finders
    old, new = (_together([find(str(name), out) for name in side]) for side in names)
    is_folder = len(names[0]) == 1 and _is_folder(names[0][0])
    as_one = as_one or max(map(len, names)) > 1
    if not is_folder:
        rest = new.without(lambda file: BASE_ITSELF if file.run in old.runs else None)
        # Where there is nothing else, base is compared with itself, and the answer says so.
        new = rest if rest.files else new
    # Head first: base is of its machine, where it can be, and of another commit.
    new = new.repetitions(as_one=as_one)
    if is_folder:
        old = _others(old, new, names[0][0], as_one=as_one)
    return old.repetitions(new.files[-1].facts, as_one=as_one), new


def _together(parts: Sequence[SideFiles]) -> SideFiles:
    return SideFiles(
        tuple(file for part in parts for file in part.files), tuple(one for p in parts for one in p.others)
    )


def _others(files: SideFiles, head: SideFiles, folder: str | Path, *, as_one: bool) -> SideFiles:
    """Those of a folder that head can be compared with: neither its runs nor, unless `as_one`, others of its commit.

    Raises:
        RunError: there are none.
    """
    from grouped_bench.analyse.compare.side_selection import HEAD_ITSELF, OF_HEAD, state_of

    states = set() if as_one else {state_of(file.facts) for file in head.files} - {None}

    def why(file: _File) -> str | None:
        if file.run in head.runs:
            return HEAD_ITSELF
        return OF_HEAD if state_of(file.facts) in states else None

    found = files.without(why)
    if not found.files:
        raise RunError(
            "The base folder must contain a run of a commit other than head's",
            received=f"{folder}, which contains only head and runs of its commit",
            remedy="Measure another commit into it, or name a run's file",
        )
    return found


def _is_folder(name: str | Path) -> bool:
    """Whether a name stands for a folder, here or in an object store."""
    return Path(name).is_dir() or (is_url(name) and not str(name).endswith((".parquet", f"/{LATEST}")))


def _runs(name: str, out: Location) -> SideFiles:
    """The runs that a name stands for; a run and its baseline are one."""
    from grouped_bench.store.runs import find_runs

    told = [(path, _facts(path)) for path in find_runs(name, out)]
    files = [_File(path, _name(path, name), str(facts.get("run_id") or path.resolve()), facts) for path, facts in told]
    return SideFiles(tuple(_each_once(files)))


def _benchmarks(name: str, _: Location) -> SideFiles:
    """The files of benchmarks that a name stands for; a copy of one of them is not taken."""
    from grouped_bench.store.gate.benchmarks import read_benchmarks

    path = Path(name)
    files = []
    for one in sorted(path.rglob(f"*{_BENCHMARKS}")) if path.is_dir() else [path]:
        benchmarks, facts = read_benchmarks(one)
        files.append(_File(one, _name(one, name), hashlib.sha256(one.read_bytes()).hexdigest(), facts, benchmarks))
    return _without_copies(files)


def _of_id(name: str, out: Location) -> list[Path]:
    """The file of steps of the run with this id under `out`, if there is one and the name is no path."""
    if Path(name).exists():
        return []
    return [path for path in local_folder(out).rglob(f"*{steps.SUFFIX}") if path.name == f"{name}{steps.SUFFIX}"]


def _steps(name: str, out: Location) -> SideFiles:
    """The files of a project's steps that a name stands for: a file, a folder, or the id of a run under `out`."""
    path = Path(name)
    files = []
    for one in sorted(path.rglob(f"*{steps.SUFFIX}")) if path.is_dir() else _of_id(name, out) or [path]:
        rows, facts = steps.read_steps(one)
        files.append(_File(one, _name(one, name), str(facts.get("run_id") or one.resolve()), facts, steps=rows))
    return _without_copies(files)


def _without_copies(files: Sequence[_File]) -> SideFiles:
    from grouped_bench.analyse.compare.side_selection import COPY

    first = {file.run: file for file in reversed(files)}
    return SideFiles(tuple(files)).without(lambda file: None if first[file.run] is file else COPY)


def _name(path: Path, asked: str) -> str:
    """What the answer calls a file: its path in the folder that was asked for, or its name."""
    return str(path.relative_to(asked)) if path.is_relative_to(asked) and path != Path(asked) else path.name


def _each_once(files: Sequence[_File]) -> list[_File]:
    """Of each run one file, the one with the most rounds of a visit: a folder may hold a run and its baseline.

    Raises:
        RunError: two of them that differ.
    """
    found: dict[str, _File] = {}
    for file in files:
        there = found.setdefault(file.run, file)
        if file is not there and file.rounds == there.rounds and not _is_copy(file.path, there.path):
            raise RunError(
                "Files of one run must be identical",
                received=f"{there.path} and {file.path}, which differ",
                remedy="Remove the one that should not be compared",
            )
        found[file.run] = max(there, file, key=lambda one: one.rounds)
    return list(found.values())


def _is_copy(path: Path, other: Path) -> bool:
    """Whether two files hold the same run."""
    from grouped_bench.store.runs import are_same

    one, two = load(path), load(other)
    return are_same((one.frame, one.metadata), (two.frame, two.metadata))


def _facts(path: Path) -> Facts:
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import read_facts

    return load(path).metadata if path.suffix == SUFFIX else read_facts(path)


def _finder(name: str, out: Location) -> Callable[[str, Location], SideFiles]:
    """What finds the files that a name stands for: of JSON, where it is a file of such or a folder without runs."""
    from grouped_bench.store.journal import SUFFIX

    if in_store(name, out):
        return _runs
    path = Path(name)
    try:
        if _of_id(name, out):
            return _steps
        names = [file.name for file in path.rglob("*")] if path.is_dir() else [path.name]
    except OSError:
        return _runs
    if any(name.endswith((SUFFIX, ".parquet")) for name in names):
        return _runs
    if any(name.endswith(steps.SUFFIX) for name in names):
        return _steps
    return _benchmarks if any(name.endswith(_BENCHMARKS) for name in names) else _runs
