"""What of a project is timed, and what its code must offer: a step of its own, or a model, are two such."""

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from grouped_bench.measure import rounds
from grouped_bench.measure.models.reading.functions import imported
from grouped_bench.space.facts import Json

WHOLE = "whole step"
SETTLING_CALLS, MEMORY_CALLS = 3, 8


@dataclasses.dataclass(frozen=True)
class ProjectSubject:
    """What of a project is timed.

    Args:
        name: `MODULE:FUNCTION`.
        backend: of a model, which the function returns; None where the function is the step itself.
        execution, device: how and where a model runs.
        passes: of a model.
        batch_size: examples a call of a model.
        input_shape: extents of an example; None for the model's own.
    """

    name: str
    backend: str | None = None
    execution: str = ""
    device: str = "cpu"
    passes: tuple[str, ...] = ()
    batch_size: int = 1
    input_shape: tuple[int, ...] | None = None

    @property
    def title(self) -> str:
        """One line that names it to a person."""
        if self.backend is None:
            return self.name
        return f"{self.name}, batch {self.batch_size}, {self.backend} {self.execution} on {self.device}"

    @classmethod
    def of(cls, told: Json) -> "ProjectSubject":
        """What a request says."""
        shape = told["input_shape"]
        passes = tuple(told["passes"])
        return cls(**{**told, "passes": passes, "input_shape": None if shape is None else tuple(shape)})


@dataclasses.dataclass(frozen=True)
class ProjectPart:
    """Something that is timed: what makes its step, how many parameters it has, how often the whole has the like."""

    make: Callable[[], rounds.Workload]
    params: int | None = None
    count: int = 1
    is_whole: bool = True
    label: str | None = None


class Project(ABC):
    """The project's code, imported, and what of it is timed."""

    @abstractmethod
    def parts(self) -> dict[str, ProjectPart]:
        """By name, the whole before its layers. Raises RefusedError."""

    def try_out(self) -> None:  # noqa: B027  # most have nothing to try
        """Refuse what cannot be timed and shows only when it is called. Raises RefusedError."""

    def on(self) -> AbstractContextManager[Any]:
        """A context in which parts are made and called."""
        return contextlib.nullcontext()

    @abstractmethod
    def wait(self, result: Any) -> None:
        """Return when what a step returned has been computed."""

    @abstractmethod
    def status_of(self, error: Exception) -> str:
        """The status that an exception stands for."""

    @abstractmethod
    def peak_bytes(self, step: Any) -> tuple[int, str] | tuple[None, None]:
        """Peak memory of a call of a step in bytes, and its source."""

    @property
    def left_out(self) -> list[str]:
        """Layers that are not timed, and why."""
        return []

    @property
    def facts(self) -> Json:
        """The backend's set-up, where there is one."""
        return {}


def imported_by(name: str) -> Callable[[], Any]:
    """The function that `MODULE:FUNCTION` names on one side. Raises RefusedError."""
    return imported(
        name,
        "MODULE must be importable in the interpreter and folder of each side",
        "Install the project there, or name the folder that holds MODULE with --base-path and --head-path",
    )
