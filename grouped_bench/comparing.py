"""Base against head, found by name and judged by thresholds: what `grouped-bench compare` stands for."""

import functools
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import api
from grouped_bench.errors import RunError, SpaceError, UnavailableError
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.units import parse_share

if TYPE_CHECKING:
    from grouped_bench.analyse.measurements import Side
    from grouped_bench.analyse.sides import Facts, Judgement, Taken

OFF = "off"
# What two interpreters measure where nothing else is asked for, and for how long whatever they measure.
PRESET = "ci"
_LARGEST = 10.0
_BENCHMARKS = ".json"
_REMEDY = "Write 5%, memory=10% or memory=off"


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
            the newest commit are taken together, or pytest-benchmark's JSON, one file or a folder of them.
        out: folder of run ids and `latest`.
        thresholds: by metric the share by which it may become worse, as `"5%"` or 0.05; `"off"` or None tells a
            metric without judging it. Metrics that are not named keep their own (`analyse.compare.DEFAULTS`).

    Raises:
        RunError: a run or file that cannot be found or read, or a run on one side and benchmarks on the other.
        SpaceError: no such metric, or no share.
    """
    from grouped_bench.analyse.compare import compare as compared
    from grouped_bench.analyse.environments import shared_changes
    from grouped_bench.analyse.sides import Judgement, side_by_side

    limits = limits_of(thresholds or {})
    kinds = {_is_benchmarks(Path(name)) for name in (base, head)}
    if len(kinds) > 1:
        raise RunError(
            "BASE and HEAD are both of runs, or both of pytest-benchmark's JSON files",
            received=f"{base} and {head}",
            remedy="Compare like with like",
        )
    read = _benchmarks if kinds == {True} else functools.partial(_runs, out=Path(out))
    # Head first: base is of its machine, where it can be, and leaves out what head has taken.
    new, of_head, used = read(str(head))
    machine = of_head.runs[-1].get("machine")
    old, of_base, _ = read(str(base), machine=machine, but=used)
    paired = side_by_side(of_base.runs, of_head.runs)
    changed = shared_changes([of_base.runs[-1], of_head.runs[-1]])
    return Judgement(compared(old, new, limits, paired=paired, changed=changed), of_base, of_head)


def run_both(
    base_python: str | Path,
    head_python: str | Path,
    space: Space | None = None,
    *,
    out: str | Path = DEFAULT_OUT,
    memory: bool = True,
    quiet: bool = True,
    force: bool = False,
    wait: bool = False,
    **options: Any,
) -> tuple[api.Run, api.Run]:
    """Measure `space` in two interpreters, visit beside visit, and return the runs of base and head.

    Each computes with its own backends, by this package's code. `compare` pairs the visits of the two. The runs tell
    no commit: the folder at hand is that of neither interpreter.

    Args:
        base_python, head_python: interpreters, such as `venv/bin/python`, with NumPy and the backends of the space.
        space: what to sweep, the preset `ci` unless given.
        out, memory, quiet, force, wait: as of `run`.
        **options: `seed`, `command`, `files`, axes and controls as of `run`. Controls that neither they nor the space
            set are those of the preset `ci`.

    Raises:
        UnavailableError: no such interpreter; the others of `run`.
    """
    from grouped_bench.harness.both import carry_out_both

    pythons = _interpreter(base_python), _interpreter(head_python)
    usual = Space.preset(PRESET)
    space = usual if space is None else space
    asked = {**usual.control, **space.control, **options}
    order = api.ordered(space, out=out, memory=memory, quiet=quiet, force=force, wait=wait, **asked)
    base, head = carry_out_both(order, pythons)
    return api.load(base), api.load(head)


def _interpreter(path: str | Path) -> str:
    """The path of a program, absolute but not resolved: a virtual environment's link is what makes it one."""
    found = shutil.which(str(path))
    if found is None:
        raise UnavailableError(
            "An interpreter is a program that can be run", received=path, remedy="Name one, such as venv/bin/python"
        )
    return os.path.abspath(found)  # noqa: PTH100 - Path.resolve would follow the link


def read_thresholds(texts: Iterable[str]) -> dict[str, str]:
    """Thresholds by metric from `5%`, `memory=10%` or a comma list of such; a bare one is of the latency.

    Raises:
        SpaceError: not of this form.
    """
    found = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        metric, sign, share = part.rpartition("=")
        if not share or (sign and not metric):
            raise SpaceError("A threshold is a share, or METRIC=SHARE", received=part, remedy=_REMEDY)
        found[metric.strip() if sign else "latency"] = share.strip()
    return found


def limits_of(thresholds: Mapping[str, Any]) -> dict[str, float | None]:
    """The share by which each metric may become worse, from what `compare` takes. Raises SpaceError."""
    from grouped_bench.analyse.compare import DEFAULTS

    limits = {metric: _limit(metric, value) for metric, value in thresholds.items()}
    if all(limit is None for limit in {**DEFAULTS, **limits}.values()):
        raise SpaceError("At least one metric is judged", received="every threshold off", remedy=_REMEDY)
    return limits


def _limit(metric: str, value: Any) -> float | None:
    """The share that a metric may become worse by; None where it is told and not judged."""
    from grouped_bench.analyse.compare import METRICS

    if metric not in METRICS:
        raise SpaceError(f"A threshold is of {', '.join(METRICS)}", received=metric, remedy="Choose one of them")
    if value is None or value == OFF:
        return None
    try:
        share = parse_share(value)
    except ValueError:
        share = -1.0
    # 5 is 500 % to parse_share, a gate that nobody means.
    bare = not (isinstance(value, str) and value.endswith("%"))
    if not 0 <= share <= _LARGEST or (bare and share >= 1):
        rule = f"A threshold of {metric} is a share such as 5% or 0.05, of at most {_LARGEST:.0%}, or {OFF}"
        raise SpaceError(rule, received=value, remedy=_REMEDY)
    if metric == "status" and share:
        raise SpaceError("A status has no share: what worked and now fails is a regression", received=value,
                         remedy="Write status=off to tell it only")  # fmt: skip
    return share


def _runs(
    name: str, *, out: Path, machine: str | None = None, but: Sequence[Path] = ()
) -> "tuple[Side, Taken, list[Path]]":
    from grouped_bench.analyse.measurements import of_frames
    from grouped_bench.analyse.sides import Taken
    from grouped_bench.store.runs import find_runs

    found = find_runs(name, out)
    taken = _taken(found, [_facts(path) for path in found] if len(found) > 1 else [], machine, but)
    runs = [run for path in taken for run in api.load_all([str(path)], out)]
    side = of_frames([run.frame for run in runs])
    return side, Taken(tuple(run.metadata for run in runs), len(found) - len(taken)), taken


def _benchmarks(name: str, *, machine: str | None = None, but: Sequence[Path] = ()) -> "tuple[Side, Taken, list[Path]]":
    from grouped_bench.analyse.measurements import of_benchmarks
    from grouped_bench.analyse.sides import Taken
    from grouped_bench.store.benchmarks import read_benchmarks

    path = Path(name)
    found = sorted(path.rglob(f"*{_BENCHMARKS}")) if path.is_dir() else [path]
    read = {one: read_benchmarks(one) for one in found}
    taken = _taken(found, [facts for _, facts in read.values()], machine, but)
    facts = tuple(read[one][1] for one in taken)
    side = of_benchmarks([read[one][0] for one in taken], [name for told in facts for name in told["errors"]])
    return side, Taken(facts, len(found) - len(taken)), taken


def _taken(found: list[Path], facts: "Sequence[Facts]", machine: str | None, but: Sequence[Path]) -> list[Path]:
    """Those of the files found that stand for a side: of several, the repetitions of the newest commit."""
    from grouped_bench.analyse.sides import repetitions

    if len(found) < 2:
        return found
    used = {path.resolve() for path in but}
    rest = [place for place, path in enumerate(found) if path.resolve() not in used] or list(range(len(found)))
    return [found[rest[place]] for place in repetitions([facts[place] for place in rest], machine)]


def _facts(path: Path) -> dict[str, Any]:
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import read_facts

    return api.load(path).metadata if path.suffix == SUFFIX else read_facts(path)


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
