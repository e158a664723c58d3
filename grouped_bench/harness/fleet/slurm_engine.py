"""SLURM as the engine of a fleet, by submitit: an exclusive job on each device holds its agent.

A job connects to the driver, which knows it by a secret that only its job was given. Source:
https://github.com/facebookincubator/submitit (docs/checkpointing.md, docs/structure.md) and
https://docs.python.org/3/library/multiprocessing.html#module-multiprocessing.connection.
"""

import contextlib
import itertools
import json
import re
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from grouped_bench.errors import UnavailableError
from grouped_bench.harness.fleet.agent import Agent
from grouped_bench.harness.sweep.visits import LostError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json

_EXAMPLE = "4, 4:PARTITION, or local:2 to try it on this machine"
_ADDRESS = re.compile(r"(?:(?P<local>local):)?(?P<count>[1-9][0-9]{0,3})(?::(?P<partition>[\w.-]+))?")
# A queue may be long; a driver that waits can be interrupted. A job must say how long it may take.
_LONGEST_MINUTES = 24 * 60
_LOOK_S = 0.5
# A machine that is switched off says nothing: after so many seconds, and as many more missed answers, it is gone.
_SILENT_S, _MISSED = 30, 3


class SlurmNode:
    """A job that holds an agent, at the other end of a connection.

    Args:
        connection: to the job.
        title: of the node in messages.
    """

    def __init__(self, connection: Connection, title: str) -> None:
        self._connection, self.title = connection, title
        self._turn = threading.Lock()

    def call(self, message: Json) -> Json:
        """The agent's answer to a message. Raises LostError where the job is gone."""
        try:
            with self._turn:
                self._connection.send_bytes(json.dumps(message).encode())
                answer: Json = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise LostError(
                "A node must answer while it measures",
                received=f"{self.title} ({getattr(error, 'strerror', None) or 'its job ended'})",
                remedy="Resume the run when the job is back, or with others of its class",
            ) from None
        return answer

    def end(self) -> None:
        """End the job, which ends with its connection."""
        with contextlib.suppress(OSError):
            self._connection.close()


class SlurmEngine:
    """Starts agents as jobs, one exclusive machine or GPU each.

    Args:
        address: `COUNT` or `COUNT:PARTITION`; `local:COUNT` starts the jobs on this machine, without SLURM.

    Raises:
        UnavailableError: submitit or SLURM is not installed, or the address is none.
    """

    def __init__(self, address: str | None) -> None:
        try:
            import submitit
        except ImportError:
            raise UnavailableError(
                "--executor slurm takes the library submitit",
                received="no module submitit",
                remedy="Install it with `pip install 'grouped-bench[slurm]'`",
            ) from None
        asked = _ADDRESS.fullmatch(address or "")
        if asked is None:
            raise UnavailableError(
                "--address must be the number of SLURM's jobs", received=address, remedy=f"Write it like {_EXAMPLE}"
            )
        self._count, self._is_local = int(asked["count"]), bool(asked["local"])
        if not self._is_local and shutil.which("sbatch") is None:
            raise UnavailableError(
                "--executor slurm takes a machine that can submit jobs",
                received="no command sbatch",
                remedy="Use it on a login node, or write --address local:2 to try it here",
            )
        self._key, self._jobs, self._known = secrets.token_bytes(32), list[Any](), list[SlurmNode]()
        self._listener, self._is_closed = Listener(("127.0.0.1" if self._is_local else "", 0)), False
        self._folder = Path(tempfile.mkdtemp(prefix=".grouped-bench-", dir=None if self._is_local else Path.cwd()))
        executor = submitit.AutoExecutor(self._folder, cluster="local" if self._is_local else "slurm")
        executor.update_parameters(name="grouped-bench", nodes=1, tasks_per_node=1, timeout_min=_LONGEST_MINUTES)
        if not self._is_local:
            wanted = {"exclusive": True, "requeue": True}
            executor.update_parameters(slurm_partition=asked["partition"], slurm_additional_parameters=wanted)
        self._executor = executor
        self._arrived: SimpleQueue[SlurmNode] = SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def nodes(self, device: str) -> Sequence[SlurmNode]:
        """A node for each job, once all of them run."""
        if device == "gpu":
            self._executor.update_parameters(gpus_per_node=1)
        host = "127.0.0.1" if self._is_local else socket.getfqdn()
        self._job = Job(host, self._listener.address[1], self._key)
        self._jobs = [self._executor.submit(self._job) for _ in range(self._count)]
        found: list[SlurmNode] = []
        while len(found) < self._count:
            with contextlib.suppress(Empty):
                found.append(self._arrived.get(timeout=_LOOK_S))
            ended = [one for one in self._jobs if one.done()]
            if len(found) + len(ended) >= self._count:
                break
        if not found:
            raise UnavailableError(
                "A job of SLURM must start",
                received=_last_line(self._jobs[0]),
                remedy="Try a job of one's own with `srun`, and install grouped-bench where it runs",
            )
        return found

    def late(self) -> Sequence[SlurmNode]:
        """Jobs that have come since, as those that SLURM has queued again."""
        found: list[SlurmNode] = []
        with contextlib.suppress(Empty):
            while True:
                found.append(self._arrived.get_nowait())
        return found

    def close(self) -> None:
        """Cancel the jobs."""
        self._is_closed = True
        self._listener.close()
        for node in self._known:  # their jobs end by themselves, also where they hear no signal
            node.end()
        for job in self._jobs:
            with contextlib.suppress(Exception):  # one that has ended
                job.cancel()
        if self._is_local:
            _wait_until_ended(self._jobs)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self) -> None:
        """Take in each job that connects, until the engine is closed."""
        numbers = itertools.count(1)
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                if self._is_closed:
                    return
                continue
            # A stranger that says nothing keeps no job waiting.
            threading.Thread(target=self._greet, args=[connection, numbers], daemon=True).start()

    def _greet(self, connection: Connection, numbers: Iterator[int]) -> None:
        """Take in a job, which has the secret; send a stranger away."""
        try:
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
        except (AuthenticationError, EOFError, OSError):
            connection.close()
            return
        _keep_alive(connection)
        node = SlurmNode(connection, f"job {next(numbers)}")
        self._known.append(node)
        self._arrived.put(node)


class Job:
    """What a job runs: an agent that answers the driver until the connection ends.

    Args:
        host, port: where the driver listens.
        key: the secret by which it knows its jobs.
    """

    def __init__(self, host: str, port: int, key: bytes) -> None:
        self._address, self._key = (host, port), key

    def __call__(self) -> None:
        """Answer messages."""
        agent = Agent()
        with Client(self._address, authkey=self._key) as connection, contextlib.closing(agent):
            _keep_alive(connection)
            with contextlib.suppress(EOFError, OSError):
                while True:
                    message = json.loads(connection.recv_bytes())
                    connection.send_bytes(json.dumps(agent.handle(message)).encode())

    def checkpoint(self) -> Any:
        """The same job once more: where SLURM needs the machine for another, it is queued again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def _keep_alive(connection: Connection) -> None:
    """Have the system ask a silent other end whether it is still there."""
    with socket.socket(fileno=connection.fileno()) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", _SILENT_S), ("TCP_KEEPINTVL", _SILENT_S), ("TCP_KEEPCNT", _MISSED)):
            if hasattr(socket, option):
                end.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        end.detach()


def _last_line(job: Any) -> str:
    """What a job has printed last."""
    lines = (job.stderr() or job.stdout() or "").strip().splitlines()
    return lines[-1] if lines else f"job {job.job_id} ended without a word"


def _wait_until_ended(jobs: Sequence[Any]) -> None:
    ends = read_clock() + _SILENT_S
    while read_clock() < ends and not all(job.done() for job in jobs):
        threading.Event().wait(_LOOK_S)
