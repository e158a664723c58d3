"""The parent's end of hosts and workers: start, ask, time out, kill, and say what a dead one died of."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grouped_bench import backends
from grouped_bench.errors import HostError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.measure.worker import MARK_BYTES

_START_TIMEOUT_S = 300.0
_REAP_TIMEOUT_S = 30.0
_TICK_S = 0.5
_TAIL_BYTES = 2000


class TaskFailedError(Exception):
    """A worker that died or was killed: the variant whose turn it was, the status and the reason."""

    def __init__(self, variant: str, status: str, reason: str) -> None:
        super().__init__(f"{variant}: {status}: {reason}")
        self.variant, self.status, self.reason = variant, status, reason


class Channel:
    """One JSON object a line over a socket, with a limit on the wait."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._received = b""

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send `message` and, with it, file descriptors."""
        data = (json.dumps(message) + "\n").encode()
        if descriptors:
            socket.send_fds(self.connection, [data], list(descriptors))
        else:
            self.connection.sendall(data)

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """The next message, or None when `seconds` passed without one. Raises EOFError at the other end's end."""
        while b"\n" not in self._received:
            if not select.select([self.connection], [], [], seconds)[0]:
                return None
            try:
                data = self.connection.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


class Host:
    """A process that holds one imported backend and forks workers from it.

    Args:
        backend: name of the backend.
        files: Python files that register variants, run once after the import.
        threads: in how many the backend is to compute; it chooses unless given.
        python: interpreter to run, the current one unless given.
    """

    def __init__(
        self, backend: str, files: Sequence[str] = (), *, threads: int | None = None, python: str = sys.executable
    ) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._printed = tempfile.TemporaryFile()
        self._workers: set[Worker] = set()
        backends.get(backend)  # what is not installed is refused here, in words
        arguments = [backend, str(theirs.fileno()), str(threads or 0), *files]
        self._process = subprocess.Popen(
            [python, "-u", "-m", "grouped_bench.measure.worker", *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=self._printed,
            start_new_session=True,
        )
        theirs.close()
        ready = self._answer(_START_TIMEOUT_S, f"The backend {backend} must start")
        self.import_s, self.version = float(ready["import_s"]), str(ready["version"])

    def fork(self, task_timeout: float) -> "Worker":
        """A new worker, whose tasks may each be silent for `task_timeout` seconds."""
        ours, theirs = socket.socketpair()
        printed, marks = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self._channel.send({"op": "fork"}, [theirs.fileno(), printed.fileno(), marks.fileno()])
        theirs.close()
        pid = self._answer(_REAP_TIMEOUT_S, "A host must fork a worker")["pid"]
        worker = Worker(self, int(pid), Channel(ours), printed, marks, task_timeout)
        self._workers.add(worker)
        return worker

    def reap(self, worker: "Worker") -> int:
        """Exit code of a worker that has ended, or minus its signal."""
        self._workers.discard(worker)
        self._channel.send({"op": "reap", "pid": worker.pid})
        return int(self._answer(_REAP_TIMEOUT_S, "A host must tell how a worker ended")["exit"])

    def close(self) -> None:
        """End the host and with it what is left of its workers."""
        for worker in self._workers:
            worker.release()
        self._channel.connection.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._printed.close()

    def _answer(self, seconds: float, rule: str) -> dict[str, Any]:
        try:
            message = self._channel.receive(seconds)
        except EOFError:
            message = None
        if message is None:
            said = tail(self._printed).rpartition(" | ")[2]
            raise HostError(
                rule,
                received=said or "silence",
                remedy="Try `python -c 'import keras'` in this environment, with KERAS_BACKEND set",
            )
        return message


class Worker:
    """A forked process that measures one cohort, or one task's memory."""

    def __init__(self, host: Host, pid: int, channel: Channel, printed: Any, marks: Any, task_timeout: float) -> None:
        self._host, self.pid, self._channel = host, pid, channel
        self._printed, self._marks, self._task_timeout = printed, marks, task_timeout
        self._last_words = ""
        self.ended = False
        self._oom_kills = kernel_oom_kills()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to `request`. Raises TaskFailedError when the worker dies or a task takes too long."""
        try:
            self._channel.send(request)
            turn, since = self._turn(), read_clock()
            while True:
                answer = self._channel.receive(min(_TICK_S, self._task_timeout))
                if answer is not None:
                    return answer
                if (now := self._turn()) != turn:
                    turn, since = now, read_clock()
                if read_clock() - since > self._task_timeout:
                    variant = self._variant(request)
                    self.close()
                    raise TaskFailedError(variant, "timeout", f"no end within {self._task_timeout:g} s")
        except (EOFError, BrokenPipeError, ConnectionResetError):
            variant = self._variant(request)
            status, reason = self._death(self._end())
            raise TaskFailedError(variant, status, reason) from None

    def close(self) -> None:
        """End the worker and its children at once, asleep or busy."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._end()

    def _end(self) -> int:
        code = self._host.reap(self)
        self._last_words = tail(self._printed)
        self.release()
        return code

    def release(self) -> None:
        """Close this end's descriptors."""
        self.ended = True
        for thing in (self._channel.connection, self._printed, self._marks):
            thing.close()

    def _turn(self) -> bytes:
        return os.pread(self._marks.fileno(), MARK_BYTES, 0)

    def _variant(self, request: dict[str, Any]) -> str:
        words = self._turn().decode(errors="replace").split()
        return words[1] if len(words) > 1 else str(request["variants"][0])

    def _death(self, code: int) -> tuple[str, str]:
        if code == -signal.SIGKILL and kernel_oom_kills() > self._oom_kills:
            return "oom", "killed by the kernel for lack of memory"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return "crashed", f"{how}: {self._last_words}" if self._last_words else how


def kernel_oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it started; 0 where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def tail(file: Any) -> str:
    """The last printed lines in `file`, on one line."""
    size = os.fstat(file.fileno()).st_size
    data = os.pread(file.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    lines = [line.strip() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-3:])
