"""Who computes a layer: what was measured on this machine, else a rule that holds for its class."""

import contextlib
import dataclasses
import functools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grouped_bench import backends, variants
from grouped_bench.errors import RunError
from grouped_bench.space.case import Case
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE
from grouped_bench.store import DEFAULT_OUT

if TYPE_CHECKING:
    from grouped_bench.space.facts import Facts
    from grouped_bench.store.schema import Task

AUTO = "auto"
# Names the folder of runs to ask, where that is not the usual one.
VARIABLE = "GROUPED_BENCH_RESULTS"
_OWN = "grouped"
_TEXT = re.compile(r"(?P<variant>\S+) \((?P<choice>.+)\)")
# In what a cohort may differ from the layer, the most telling first, and in what it may not.
_NEAR = ("pass", "size", "batch_size")
_SHAPE = (
    *("backend", "rank", "in_channels", "out_channels", "groups", "kernel_size", "stride", "dilation"),
    *("padding", "dtype", "data_format"),
)


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A variant, and its own choice where it leaves something open."""

    variant: str
    choice: str | None = None

    def __str__(self) -> str:
        return f"{self.variant} ({self.choice})" if self.choice else self.variant

    @classmethod
    def of(cls, text: str) -> "Chosen":
        """What `str` made a text of: `merged_groups (m=4)`, or the name of a variant."""
        found = _TEXT.fullmatch(text)
        return cls(found["variant"], found["choice"]) if found else cls(text)


def chosen(case: Case, implementation: str) -> Chosen:
    """Who computes a layer.

    Args:
        case: what it computes; batch, size and pass are those that were known.
        implementation: `auto`, or the name of a variant, with its own choice as `str(Chosen)` writes it or without.
    """
    if implementation != AUTO:
        found = Chosen.of(implementation)
        choices = variants.get(found.variant).choices(case)
        return found if found.choice or not choices else Chosen(found.variant, choices[0])
    if case.groups == 1:
        return Chosen(_OWN)
    import keras

    backend = keras.backend.backend()
    onednn, is_gpu = _onednn(backend), _has_gpu(backend)
    rows = () if is_gpu else rows_here(_folder())
    return measured(case, backend, onednn, rows) or by_rule(case, backend, onednn, is_gpu=is_gpu)


def by_rule(case: Case, backend: str, onednn: bool | None, *, is_gpu: bool) -> Chosen:
    """The choice for a class of machines, of forms that run everywhere in it.

    Args:
        case: what is computed.
        backend: Keras' backend.
        onednn: whether TensorFlow uses oneDNN on the processor; None on other backends.
        is_gpu: whether layers run on a GPU.
    """
    if is_gpu or backend == "torch":
        return Chosen(NATIVE)
    if backend == "tensorflow" and case.data_format == "channels_first":
        return Chosen(_OWN)  # XLA computes it, which TensorFlow's own operations on a processor do not
    if backend == "tensorflow" and case.in_channels == case.groups and case.rank < 3 and len(set(case.stride)) == 1:
        return Chosen(DEPTHWISE)
    # Without AVX-512 oneDNN has no gradients in other dtypes.
    if onednn and case.dtype == "float32" and case.rank < 3:
        return Chosen(NATIVE)
    return always(case)


def always(case: Case) -> Chosen:
    """What every machine computes, gradients included."""
    return Chosen(MERGED, variants.get(MERGED).choices(case)[0])


def measured(case: Case, backend: str, onednn: bool | None, rows: "Sequence[Task]") -> Chosen | None:
    """The fastest form that keeps the weights and trains, in the nearest cohort of the layer, the newest of several.

    Args:
        case: what is computed; pass, size and batch need not agree, and count in this order where they do.
        backend, onednn: as of `by_rule`.
        rows: of this machine's processor.
    """
    from grouped_bench.analyse.leads import is_clearly_faster
    from grouped_bench.analyse.rows import gathered, is_timed
    from grouped_bench.store.schema import COHORT_KEY

    columns = {**case.to_columns(), "backend": backend}
    same = [row for row in rows if all(row[name] == columns[name] for name in _SHAPE) and _is_usual(row, onednn)]

    def nearness(cohort: "Sequence[Task]") -> tuple[list[bool], str]:
        return [cohort[0][name] == columns[name] for name in _NEAR], str(cohort[0].started_at)

    # It has no gradients there, and a layer may be trained whatever was measured.
    refused = {NATIVE} if onednn is False else set()
    for cohort in sorted(gathered(same, ("run_id", *COHORT_KEY)), key=nearness, reverse=True):
        known = [row for row in cohort if is_timed(row) and row.computes == _OWN and row.variant not in refused]
        timed = [row for row in known if _keeps(row.variant)]
        if len(timed) > 1:
            best = min(timed, key=lambda row: row.seconds)
            own = next((row for row in timed if row.variant == _OWN), best)
            taken = best if is_clearly_faster(best, own) else own
            return Chosen(taken.variant, taken.choice)
    return None


def _is_usual(row: "Task", onednn: bool | None) -> bool:
    """Whether it was measured as a layer is called: on the processor, by all threads, as its backend executes it."""
    from grouped_bench.analyse.reasons.reasons import onednn_of

    is_hot = row.cache in (None, "hot") and row.execution == backends.get(row.backend).executions[0]
    return (
        is_hot
        and row.layout is None
        and str(row.device).startswith("cpu")
        and row.threads is None
        and onednn_of(row.in_force) == onednn
    )


@functools.cache
def rows_here(folder: str) -> "tuple[Task, ...]":
    """What was measured on this machine, as the runs in a folder have it; nothing where there is none.

    They are read once in a process.
    """
    return tuple(row for rows, _ in runs_here(folder) for row in rows)


def runs_here(folder: str) -> "Iterator[tuple[list[Task], Facts]]":
    """Rows and facts of each run in a folder that measured on this machine's processor."""
    from grouped_bench.analyse.advise.advise import sensible
    from grouped_bench.analyse.environment.machines import machine_differences
    from grouped_bench.analyse.rows import plain
    from grouped_bench.analyse.statistics.derive import by_present_rules
    from grouped_bench.measure.machine import environment
    from grouped_bench.store.identity import identity_of, of_processor
    from grouped_bench.store.runs import find_runs, read_run

    here = of_processor(environment.describe([]))
    paths: list[Path] = []
    # What is no run, or none any more, is no reason to build no layer.
    with contextlib.suppress(RunError):
        paths = find_runs(folder, folder)
    for path in paths:
        try:
            frame, metadata = read_run(path)
            if machine_differences(identity_of(metadata), here):
                continue
            rows = sensible(plain(by_present_rules(frame, metadata, path)[0]))
        except RunError:
            continue
        yield rows, metadata


def _folder() -> str:
    return os.environ.get(VARIABLE) or str(DEFAULT_OUT)


def _keeps(name: str) -> bool:
    found = variants.find(name)
    return found is not None and found.keeps_weights


def _onednn(backend: str) -> bool | None:
    from grouped_bench.backends import onednn

    return onednn.is_on() if backend == "tensorflow" else None


@functools.cache
def _has_gpu(backend: str) -> bool:
    return any(device.name.startswith("gpu") for device in backends.get(backend).devices())
