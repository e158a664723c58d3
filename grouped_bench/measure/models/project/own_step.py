"""A step of a project's own: any callable without arguments, of whatever framework."""

import concurrent.futures
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from grouped_bench.measure import memory
from grouped_bench.measure.models.project.subject import (
    MEMORY_CALLS,
    SETTLING_CALLS,
    WHOLE,
    Project,
    ProjectPart,
    ProjectSubject,
    imported_by,
)
from grouped_bench.measure.models.reading.refused import RefusedError


class StepProject(Project):
    """A callable without arguments: the step itself, or what prepares it and returns it."""

    def __init__(self, subject: ProjectSubject) -> None:
        self._subject = subject
        self._function = imported_by(subject.name)

    def parts(self) -> dict[str, ProjectPart]:
        """The step."""
        return {WHOLE: ProjectPart(lambda: self._function)}

    def try_out(self) -> None:
        """Call the step once. What it raises is for a visit to tell."""
        try:
            result = self._function()
            result = result() if callable(result) else result
        except (Exception, SystemExit):
            return
        if lazy := _lazy(result):
            raise RefusedError(
                "A step must return what was computed, or what can be waited for",
                f"{self._subject.name}, which returns {lazy}",
                "Make the step compute it, as by `asyncio.run` or `list`",
            )

    def wait(self, result: Any) -> None:
        """Whatever framework computes it."""
        wait_for(result)

    def status_of(self, error: Exception) -> str:
        """`oom` of what says so."""
        return "oom" if isinstance(error, MemoryError) or "out of memory" in str(error).lower() else "error"

    def peak_bytes(self, step: Any) -> tuple[int, str] | tuple[None, None]:
        """By how much a call makes the process grow: what is there before it nobody can tell from the libraries."""
        for _ in range(SETTLING_CALLS):
            result = step()
            step = result if callable(result) else step
            self.wait(result)
        del result

        def call() -> tuple[()]:
            self.wait(step())
            return ()

        readings = [memory.resident_growth(call) for _ in range(MEMORY_CALLS)]
        known = sorted(reading for reading in readings if reading is not None)
        return (known[len(known) // 2], "resident") if known else (None, None)


def wait_for(result: Any) -> None:
    """Return when every tensor in nested lists, tuples and dicts has been computed, by whichever framework."""
    for one in _leaves(result):
        if hasattr(one, "block_until_ready"):
            one.block_until_ready()
        elif isinstance(one, concurrent.futures.Future):
            one.result()
        elif getattr(one, "is_cuda", False):
            sys.modules["torch"].cuda.synchronize(one.device)
        elif "GPU" in str(getattr(one, "device", "")):  # as TensorFlow names it
            one.numpy()


def _lazy(result: Any) -> str | None:
    """What of a result has computed nothing yet, in words; None where nothing is of this kind."""
    kinds: tuple[tuple[Callable[[Any], object], str], ...] = (
        (inspect.isawaitable, "something to await"),
        (inspect.isasyncgen, "an asynchronous generator"),
        (inspect.isgenerator, "a generator"),
        (lambda one: isinstance(one, map | filter | zip), "an iterator"),
        (inspect.isroutine, "a function that returns a function"),
    )
    return next((word for one in _leaves(result) for is_one, word in kinds if is_one(one)), None)


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (list, tuple)):
        for part in tree:
            yield from _leaves(part)
    else:
        yield tree
