"""Base against head, found by name and judged by thresholds; behind `grouped-bench compare`."""

import dataclasses
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench.api.runs import Run, load
from grouped_bench.errors import RunError, SpaceError, UnavailableError
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.units import parse_share

if TYPE_CHECKING:
    from grouped_bench.analyse.compare.measurements import Side
    from grouped_bench.analyse.compare.side_selection import Judgement, Taken

OFF = "off"
# What two interpreters measure where nothing else is asked for, and for how long whatever they measure.
PRESET = "ci"
_LARGEST = 10.0
_BENCHMARKS = ".json"
_REMEDY = "Write 5%, memory=10% or memory=off"


@dataclasses.dataclass(frozen=True)
class _File:
    """A file that may stand for a side: its run, which copies of it share, and the run-wide facts.

    `benchmarks` are those of pytest-benchmark's JSON, which names no run: there each file is one.
    """

    path: Path
    run: str
    facts: "Facts"
    benchmarks: list[Json] | None = None

    @property
    def rounds(self) -> float:
        """How many rounds of a visit it keeps at most."""
        return self.facts.get("thinned") or math.inf


def compare(
    base: str | Path,
    head: str | Path,
    *,
    out: str | Path = DEFAULT_OUT,
    thresholds: Mapping[str, Any] | None = None,
) -> "Judgement":
    """Base against head, task by task and metric by metric.

    Args:
        base, head: each a run (a Parquet file, a journal, a run id or `latest`), a folder of runs, of which those of
            the newest commit are taken together, or pytest-benchmark's JSON, one file or a folder of them. Of a folder
            as base, what is of head's commit, or head itself, is left out.
        out: folder of run ids and `latest`.
        thresholds: allowed worsening by metric, as `"5%"` or 0.05; `"off"` or None reports a metric without judging
            it. Metrics that are not named keep their own (`analyse.compare.DEFAULTS`).

    Raises:
        RunError: a run or file that cannot be found or read, a folder as base that holds nothing else than head and
            its commit, two files of one run that differ, or a run on one side and benchmarks on the other.
        SpaceError: no such metric, or no share.
    """
    from grouped_bench.analyse.compare.apart import apart, judged_apart
    from grouped_bench.analyse.compare.compare import compare as compared
    from grouped_bench.analyse.compare.side_selection import Judgement, are_partners
    from grouped_bench.analyse.environment.differences import shared_changes
    from grouped_bench.analyse.environment.machines import are_alike

    limits = _limits(thresholds or {})
    kinds = {_is_benchmarks(Path(name)) for name in (base, head)}
    if len(kinds) > 1:
        raise RunError(
            "Base and head must both be runs, or both be JSON files of pytest-benchmark",
            received=f"{base} and {head}",
            remedy="Name two of one kind",
        )
    find = _benchmarks if kinds == {True} else _runs
    # Head first: base is of its machine, where it can be, and of another commit.
    of_head = find(str(head), Path(out))
    new = _newest(of_head)
    of_base = find(str(base), Path(out))
    others = _others(of_base, new, base) if Path(base).is_dir() else of_base
    old = _newest(others, new[-1].facts)
    taken = _taken(old, of_base), _taken(new, of_head)
    paired = are_partners(*(one.runs for one in taken))
    changed = shared_changes([one.runs[-1] for one in taken])
    last = [one.runs[-1] for one in taken]
    # A run made before identities were recorded may be of head's machine under another name.
    machine = last[1].get("machine") if are_alike(*last) else None
    found = compared(_measured(old, machine), _measured(new), limits, paired=paired, changed=changed)
    return Judgement(judged_apart(found, apart(*last)), *taken)


def run_both(
    base_python: str | Path, head_python: str | Path, space: Space | None = None, **options: Any
) -> tuple[Run, Run]:
    """Measure `space` in two interpreters, in alternating visits, and return the runs of base and head.

    Each computes with its own backends, by this package's code. `compare` pairs the visits of the two. The runs record
    no commit: the folder at hand is that of neither interpreter.

    Args:
        base_python, head_python: interpreters, such as `venv/bin/python`, with NumPy and the backends of the space.
        space: what to sweep, the preset `ci` unless given.
        **options: as of `run`. Controls that neither they nor the space set are those of the preset `ci`.

    Raises:
        UnavailableError: no such interpreter; the others of `run`.
    """
    from grouped_bench.harness.request import RunRequest
    from grouped_bench.harness.side_by_side import carry_out_both

    pythons = _interpreter(base_python), _interpreter(head_python)
    usual = Space.preset(PRESET)
    space = usual if space is None else space
    base, head = carry_out_both(RunRequest.of(space, {**usual.control, **space.control, **options}), pythons)
    return Run(base.frame, base.metadata, base.path), Run(head.frame, head.metadata, head.path)


def _interpreter(path: str | Path) -> str:
    """The path of a program, absolute but not resolved: a virtual environment's link is what makes it one."""
    found = shutil.which(str(path))
    if found is None:
        raise UnavailableError(
            "An interpreter must be an executable program", received=path, remedy="Name one, such as venv/bin/python"
        )
    return os.path.abspath(found)  # noqa: PTH100 - Path.resolve would follow the link


def thresholds_of(texts: Iterable[str]) -> dict[str, str]:
    """Thresholds by metric, as `compare` takes them, from `5%` (the latency's), `memory=10%` or a comma list of such.

    Raises:
        SpaceError: not of this form, no such metric, or no share.
    """
    found = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        metric, sign, share = part.rpartition("=")
        if not share or (sign and not metric):
            raise SpaceError("A threshold must be a share, or METRIC=SHARE", received=part, remedy=_REMEDY)
        found[metric.strip() if sign else "latency"] = share.strip()
    _limits(found)
    return found


def _limits(thresholds: Mapping[str, Any]) -> dict[str, float | None]:
    """The share by which each metric may become worse, from what `compare` takes. Raises SpaceError."""
    from grouped_bench.analyse.compare.compare import DEFAULTS

    limits = {metric: _limit(metric, value) for metric, value in thresholds.items()}
    if all(limit is None for limit in {**DEFAULTS, **limits}.values()):
        raise SpaceError("At least one metric must be judged", received="every threshold off", remedy=_REMEDY)
    return limits


def _limit(metric: str, value: Any) -> float | None:
    """The share by which a metric may become worse; None where it is reported and not judged."""
    from grouped_bench.analyse.compare.compare import METRICS

    if metric not in METRICS:
        raise SpaceError(
            f"A threshold must name one of {', '.join(METRICS)}", received=metric, remedy="Choose one of them"
        )
    if value is None or value == OFF:
        return None
    try:
        share = parse_share(value)
    except ValueError:
        share = -1.0
    # 5 is 500 % to parse_share, a gate that nobody means.
    bare = not (isinstance(value, str) and value.endswith("%"))
    if not 0 <= share <= _LARGEST or (bare and share >= 1):
        raise SpaceError(
            f"The threshold of {metric} must be a share such as 5% or 0.05, at most {_LARGEST:.0%}, or {OFF}",
            received=value,
            remedy=_REMEDY,
        )
    if metric == "status" and share:
        raise SpaceError(
            f"The threshold of status must be 0% or {OFF}: a task that worked and now fails is a regression",
            received=value,
            remedy=f"Write status={OFF} to report failures without judging them",
        )
    return share


def _runs(name: str, out: Path) -> list[_File]:
    """The runs that a name stands for."""
    from grouped_bench.store.runs import find_runs

    told = [(path, _facts(path)) for path in find_runs(name, out)]
    return _each_once([_File(path, str(facts.get("run_id") or path.resolve()), facts) for path, facts in told])


def _benchmarks(name: str, _: Path) -> list[_File]:
    """The files of benchmarks that a name stands for."""
    from grouped_bench.store.benchmarks import read_benchmarks

    path = Path(name)
    found = sorted(path.rglob(f"*{_BENCHMARKS}")) if path.is_dir() else [path]
    read = [(one, *read_benchmarks(one)) for one in found]
    return [_File(one, str(one.resolve()), facts, benchmarks) for one, benchmarks, facts in read]


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


def _others(files: Sequence[_File], head: Sequence[_File], folder: str | Path) -> list[_File]:
    """Those of a folder that head can be compared with: neither its runs nor others of its commit. Raises RunError."""
    from grouped_bench.analyse.compare.side_selection import commit_of

    runs, commits = {file.run for file in head}, {commit_of(file.facts) for file in head} - {None}
    found = [file for file in files if file.run not in runs and commit_of(file.facts) not in commits]
    if not found:
        raise RunError(
            "The base folder must contain a run of a commit other than head's",
            received=f"{folder}, which contains only head and runs of its commit",
            remedy="Measure another commit into it, or name a run's file",
        )
    return found


def _newest(files: Sequence[_File], beside: "Facts | None" = None) -> list[_File]:
    """Those of the files that stand for a side: the repetitions of the newest commit."""
    from grouped_bench.analyse.compare.side_selection import repetitions

    return [files[place] for place in repetitions([file.facts for file in files], beside)]


def _taken(files: Sequence[_File], found: Sequence[_File]) -> "Taken":
    """What to say about the files that form a side, among all that were found."""
    from grouped_bench.analyse.compare.side_selection import Taken

    return Taken(tuple(file.facts for file in files), len(found) - len(files))


def _measured(files: Sequence[_File], machine: str | None = None) -> "Side":
    """What the files of a side measured, together, on the machine of that name if given."""
    from grouped_bench.analyse.compare.measurements import of_benchmarks, of_frames

    benchmarks = [file.benchmarks for file in files if file.benchmarks is not None]
    if benchmarks:
        return of_benchmarks(benchmarks, [name for file in files for name in file.facts["errors"]])
    frames = [load(file.path).frame for file in files]
    return of_frames([frame.assign(machine=machine) for frame in frames] if machine else frames)


def _facts(path: Path) -> Facts:
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import read_facts

    return load(path).metadata if path.suffix == SUFFIX else read_facts(path)


def _is_benchmarks(path: Path) -> bool:
    """Whether a name is of pytest-benchmark's JSON: a file, or a folder that holds nothing else to read."""
    from grouped_bench.store.journal import SUFFIX

    try:
        if not path.is_dir():
            return path.suffix == _BENCHMARKS
        kinds = {file.suffix for file in path.rglob("*")}
    except OSError:
        return False
    return _BENCHMARKS in kinds and not kinds & {SUFFIX, ".parquet"}
