"""Processes that time a user's project: each a fresh one, in the interpreter and folder of its side."""

import contextlib
import dataclasses
import os
import socket
import subprocess
from pathlib import Path

from grouped_bench import backends
from grouped_bench.errors import SpaceError
from grouped_bench.harness.processes.hosts import allowed, only_this_package
from grouped_bench.harness.processes.ipc import Channel, scratch
from grouped_bench.harness.processes.workers import Limits, Worker
from grouped_bench.space.facts import Json
from grouped_bench.store.files.temporary import TemporaryFolder

_REAP_S = 30.0


@dataclasses.dataclass(frozen=True)
class ProjectSide:
    """One side of a comparison: its interpreter, and the folder whose modules it imports before those installed."""

    python: str
    folder: Path | None = None


def ask(side: ProjectSide, limits: Limits, request: Json) -> Json:
    """What a new process of the side answers to a request of `measure.models.project.process`.

    Raises:
        SpaceError: the project has nothing of the kind that is to be timed.
        HostError: the machine does not allow the process to start.
        TaskFailedError: the process died, was silent for too long or held too much memory; it has been ended.
    """
    with _Process(side, limits, request["subject"]["backend"]) as worker:
        answer = worker.ask(request)
    if refused := answer.get("refused"):
        raise SpaceError.of_words(refused)
    return answer


class _Process:
    """A process and, while the block lasts, the worker that asks it."""

    def __init__(self, side: ProjectSide, limits: Limits, backend: str | None) -> None:
        self._side, self._limits, self._backend = side, limits, backend

    def __enter__(self) -> Worker:
        self._folder = TemporaryFolder()
        ours, theirs = socket.socketpair()
        printed, marks = scratch(), scratch()
        chosen = {"KERAS_BACKEND": self._backend, **backends.own_variables(self._backend)} if self._backend else {}
        paths = only_this_package(Path(self._folder.name))
        folder = [] if self._side.folder is None else [str(self._side.folder)]
        with theirs, allowed("start"):
            self._process = subprocess.Popen(
                [self._side.python, "-u", "-m", _MODULE, str(theirs.fileno()), str(marks.fileno()), *folder],
                cwd=self._side.folder,
                env={**os.environ, **chosen, **paths, "TMPDIR": self._folder.name},
                pass_fds=[theirs.fileno(), marks.fileno(), self._folder.descriptor],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        self._worker = Worker(self, self._process.pid, Channel(ours), printed, marks, self._limits)
        return self._worker

    def __exit__(self, *_: object) -> None:
        self._worker.close()
        self._folder.cleanup()

    def reap(self, worker: Worker) -> int:
        """Exit code of the process, or minus its signal."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout=_REAP_S)
        self._process.kill()
        return self._process.wait()


_MODULE = "grouped_bench.measure.models.project.process"
