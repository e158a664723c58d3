"""Hosts: processes that hold an imported backend and fork workers from it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grouped_bench
from grouped_bench import backends
from grouped_bench.errors import HostError
from grouped_bench.harness.processes.ipc import Channel, scratch, tail
from grouped_bench.harness.processes.workers import Limits, TaskFailedError, Worker
from grouped_bench.space import variables
from grouped_bench.space.facts import Json
from grouped_bench.store.files.temporary import TemporaryFolder
from grouped_bench.variants.plugins import refuse_while_importing

_PACKAGE = Path(grouped_bench.__file__).resolve().parent
_START_TIMEOUT_S = 300.0
_REAP_TIMEOUT_S = 30.0
_FIRST_MISSING = (
    "import sys; from importlib.util import find_spec; "
    "print(next((name for name in sys.argv[1:] if find_spec(name) is None), ''))"
)


class Host:
    """A process that holds one imported backend and forks workers from it.

    Args:
        backend: name of the backend.
        env: values of environment variables, as `variables.described` writes them; those at hand unless given.
        padding: bytes by which its environment is made longer.
        files: Python files that register variants, run once after the import.
        threads: in how many the backend is to compute; it chooses unless given.
        tf32: `on` or `off`: whether a GPU may round float32 operands to TF32; the backend chooses unless given.
        python: interpreter to run, the current one unless given; another one runs this package with its own backend.
    """

    def __init__(
        self,
        backend: str,
        files: Sequence[str] = (),
        *,
        env: str | None = None,
        padding: int = 0,
        threads: int | None = None,
        tf32: str | None = None,
        python: str = sys.executable,
    ) -> None:
        refuse_while_importing()
        backends.get(backend)  # what is not installed is refused here, in words
        self._choices = [str(threads or 0), tf32 or "own"]
        self._backend, self._files, self._python = backend, files, python
        self._env, self._padding = env, padding
        self._workers: set[Worker] = set()
        self._start()

    def _start(self) -> None:
        with allowed("start"):
            self._begin()
        try:
            self._wait_until_ready()
        except HostError:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        try:
            ready = self._answered(_START_TIMEOUT_S, f"The backend {self._backend} must start")
        except HostError as error:
            raise (error if self._python == sys.executable else self._without_start(error)) from None
        if refused := ready.get("refused"):
            raise HostError.of_words(refused)
        self.import_s, self.version = float(ready["import_s"]), str(ready["version"])

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._printed = scratch()
        # TensorFlow leaves a file for every function that it rewrites, and a worker is killed before it can clear up.
        self._folder = TemporaryFolder()
        arguments = [self._backend, str(theirs.fileno()), *self._choices, *self._files]
        with theirs:
            self._process = subprocess.Popen(
                [self._python, "-u", "-m", "grouped_bench.measure.worker", *arguments],
                env={**self._environment(), "TMPDIR": self._folder.name, **self._foreign()},
                pass_fds=[theirs.fileno(), self._folder.descriptor],  # it may outlive this process for a moment
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=self._printed,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        padding = {variables.PADDING: "x" * self._padding} if self._padding else {}
        return variables.applied(os.environ, self._env) | padding

    def _foreign(self) -> dict[str, str]:
        """Variables by which another interpreter finds this package, and nothing else of this one's."""
        return {} if self._python == sys.executable else only_this_package(Path(self._folder.name))

    def _without_start(self, error: HostError) -> HostError:
        """Which interpreter could not start its backend, and what it lacks."""
        if missing := self._missing():
            return HostError(
                "An interpreter that measures must have its backend, Keras and NumPy",
                received=f"{self._python} has no {missing}",
                remedy=f"Install it with `{self._python} -m pip install {missing}`",
            )
        return HostError(
            f"The backend {self._backend} must start in {self._python}",
            received=error.received,
            remedy=f"Try `KERAS_BACKEND={self._backend} {self._python} -c 'import keras'`",
        )

    def _missing(self) -> str | None:
        """The first module that another interpreter needs and does not find; None where it has all, or cannot say."""
        needed = (backends.named(self._backend).module, "keras", "numpy")
        command = [self._python, "-c", _FIRST_MISSING, *needed]
        given = {**self._environment(), "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
        try:
            told = subprocess.run(
                command, env=given, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
                timeout=_REAP_TIMEOUT_S,
            )  # fmt: skip
        except (OSError, ValueError, subprocess.SubprocessError):
            return None
        return told.stdout.strip() or None

    def restart(self) -> None:
        """Start again, with what is left of an earlier process and its workers ended. Raises HostError."""
        self.close()
        self._start()

    def fork(self, limits: Limits) -> Worker:
        """A new worker, whose tasks must keep to `limits`."""
        with allowed("fork a worker"):
            ours, theirs = socket.socketpair()
            printed, marks = scratch(), scratch()
        with theirs:
            self._say({"op": "fork"}, [theirs.fileno(), printed.fileno(), marks.fileno()])
        pid = self._answered(_REAP_TIMEOUT_S, "A host must fork a worker")["pid"]
        worker = Worker(self, int(pid), Channel(ours), printed, marks, limits)
        self._workers.add(worker)
        return worker

    def reap(self, worker: Worker) -> int:
        """Exit code of a worker that has ended, or minus its signal."""
        self._workers.discard(worker)
        self._say({"op": "reap", "pid": worker.pid})
        return int(self._answered(_REAP_TIMEOUT_S, "A host must report how a worker ended")["exit"])

    def close(self) -> None:
        """End the host and with it what is left of its workers."""
        for worker in self._workers:
            worker.release()
        self._workers.clear()
        self._channel.connection.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._printed.close()
        self._folder.cleanup()

    def _say(self, message: Json, descriptors: Sequence[int] = ()) -> None:
        # A host that has died is noticed where its answer is missed.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.send(message, descriptors)

    def _answered(self, seconds: float, rule: str) -> Json:
        try:
            message = self._channel.receive(seconds)
        except EOFError:
            message = None
        if message is None:
            with contextlib.suppress(ProcessLookupError):  # a late answer would be taken for another's
                os.killpg(self._process.pid, signal.SIGKILL)
            said = tail(self._printed).rpartition(" | ")[2]
            raise HostError(
                rule,
                received=said or "no answer",
                remedy="Try `python -c 'import keras'` in this environment, with KERAS_BACKEND set",
            )
        return message


def only_this_package(folder: Path) -> dict[str, str]:
    """Variables by which another interpreter finds this package, and nothing else of this one's.

    Args:
        folder: an empty one, for a link that stands where no other module does.
    """
    link = folder / "package" / _PACKAGE.name
    link.parent.mkdir()
    link.symlink_to(_PACKAGE)
    # Without the folder of the user, where another version of this package may lie.
    return {"PYTHONPATH": str(link.parent), "PYTHONSAFEPATH": "1"}


class RefusedHost:
    """In the place of a host that cannot start under the values that its environment is given.

    Args:
        reason: why it cannot.
    """

    import_s = 0.0

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def fork(self, limits: Limits) -> Worker:
        """Raises TaskFailedError: none of its tasks can be measured."""
        raise TaskFailedError(None, "unsupported", self._reason)

    def restart(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to end."""


@contextlib.contextmanager
def allowed(what: str) -> Iterator[None]:
    """HostError where the machine lacks memory, descriptors or processes."""
    try:
        yield
    except OSError as error:
        raise HostError(
            f"The machine must allow a host to {what}",
            received=error.strerror or error,
            remedy="Free memory, processes or open files, or raise their limits",
        ) from None
