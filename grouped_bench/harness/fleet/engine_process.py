"""An engine in a process of its own: what it prints, its signals and its end are not those of the run.

Run as `python -m grouped_bench.harness.fleet.engine_process MODULE:CLASS FD [ADDRESS]`. Requests and answers are JSON
objects, one a line, on the socket FD; an answer has the number of its request, and comes when it is there.
"""

import contextlib
import importlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from grouped_bench.errors import GroupedBenchError, UnavailableError
from grouped_bench.harness.fleet.nodes import Engine, Node
from grouped_bench.harness.processes.ipc import Channel, scratch, tail
from grouped_bench.harness.sweep.visits import LostError
from grouped_bench.space.facts import Json

# Modules and classes of engines, by the names of executors.
ENGINES = {
    "ray": "grouped_bench.harness.fleet.ray_engine:RayEngine",
    "slurm": "grouped_bench.harness.fleet.slurm_engine:SlurmEngine",
}
_START_S, _CLOSE_S = 300.0, 30.0
# Requests under way at once: one a node.
_MOST_NODES = 4096


class EngineProcess:
    """An engine that runs in a process of its own.

    Args:
        executor: its name in ENGINES.
        address: where it listens; it is started on this machine unless given.

    Raises:
        UnavailableError: it is not installed, or nobody answers at the address.
    """

    def __init__(self, executor: str, address: str | None) -> None:
        ours, theirs = socket.socketpair()
        self._printed, self._channel = scratch(), Channel(ours)
        words = [ENGINES[executor], str(theirs.fileno()), *([] if address is None else [address])]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "grouped_bench.harness.fleet.engine_process", *words],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=self._printed,
                start_new_session=True,
            )
        self._numbers, self._sending = itertools.count(1), threading.Lock()
        self._waiting: dict[int, SimpleQueue[Json]] = {}
        try:
            self._check_ready()
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._listen, daemon=True).start()

    def nodes(self, device: str) -> Sequence["EngineNode"]:
        """A node for each device of a kind. Raises UnavailableError where there is none."""
        answer = self.ask({"op": "nodes", "device": device})
        if refused := answer.get("refused") or answer.get("lost"):
            raise UnavailableError.of_words(refused)
        return self._nodes(answer)

    def late(self) -> Sequence["EngineNode"]:
        """Nodes that have come since; none where the engine is gone."""
        return self._nodes(self.ask({"op": "late"}))

    def _nodes(self, answer: Json) -> list["EngineNode"]:
        return [EngineNode(self, place, title) for place, title in answer.get("nodes", ())]

    def ask(self, request: Json) -> Json:
        """The answer to a request; that the engine is lost where its process has ended."""
        number, answer = next(self._numbers), SimpleQueue[Json]()
        with self._sending:
            self._waiting[number] = answer
            try:
                self._channel.send({"number": number, **request})
            except OSError:
                return self._loss()
        if self._process.poll() is not None:  # the listener may have ended before this request was there
            return self._loss()
        return answer.get()

    def close(self) -> None:
        """End the engine and what it has started."""
        with contextlib.suppress(OSError):
            self._channel.connection.shutdown(socket.SHUT_WR)
        try:
            self._process.wait(timeout=_CLOSE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._channel.connection.close()

    def _check_ready(self) -> None:
        try:
            told = self._channel.receive(_START_S) or {}
        except EOFError:
            told = {}
        if refused := told.get("refused"):
            raise UnavailableError.of_words(refused)
        if not told:
            raise UnavailableError(
                "The engine of a fleet must start",
                received=tail(self._printed).rpartition(" | ")[2] or "no answer",
                remedy="Try it alone, as with `ray start --head`",
            )

    def _listen(self) -> None:
        """Hand each answer to who waits for it; at the end of the process, to all that it is lost."""
        with contextlib.suppress(EOFError, OSError, ValueError):
            while True:
                if (answer := self._channel.receive(_START_S)) is not None:
                    self._waiting.pop(answer["number"]).put(answer)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_CLOSE_S)
        with self._sending:
            for waiting in self._waiting.values():
                waiting.put(self._loss())
            self._waiting.clear()

    def _loss(self) -> Json:
        return {
            "lost": {
                "rule": "The engine of a fleet must run while it measures",
                "received": f"its process ended (exit code {self._process.poll()})",
                "remedy": "Resume the run once it runs again",
            }
        }


class EngineNode:
    """A node of an engine in another process.

    Args:
        engine: that process.
        place: of the node among the engine's.
        title: of the node in messages.
    """

    def __init__(self, engine: EngineProcess, place: int, title: str) -> None:
        self._engine, self._place, self.title = engine, place, title

    def call(self, message: Json) -> Json:
        """The agent's answer to a message. Raises LostError where the node, or the engine, is gone."""
        answer = self._engine.ask({"op": "call", "node": self._place, "message": message})
        if lost := answer.get("lost"):
            raise LostError.of_words(lost)
        told: Json = answer["answer"]
        return told

    def end(self) -> None:
        """End the agent at once."""
        self._engine.ask({"op": "end", "node": self._place})


def main(words: list[str]) -> None:
    """Start an engine, say so, and carry out requests until the socket closes."""
    named, descriptor, *address = words
    module, _, name = named.partition(":")
    connection = socket.socket(fileno=int(descriptor))
    sending, nodes = threading.Lock(), list[Node]()

    def send(answer: Json) -> None:
        with sending, contextlib.suppress(OSError):
            connection.sendall((json.dumps(answer) + "\n").encode())

    def carry_out(request: Json) -> None:
        send({"number": request["number"], **_answer(engine, nodes, request)})

    try:
        engine: Engine = getattr(importlib.import_module(module), name)(next(iter(address), None))
    except GroupedBenchError as error:
        send({"refused": error.words})
        return
    send({"ready": True})
    pool = ThreadPoolExecutor(_MOST_NODES)
    try:
        for request in _requests(connection):
            pool.submit(carry_out, request)
    finally:
        for node in nodes:
            node.end()
        engine.close()
        os._exit(0)  # what is under way is not waited for


def _requests(connection: socket.socket) -> Iterator[Json]:
    with connection.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _answer(engine: Engine, nodes: list[Node], request: Json) -> Json:
    try:
        if request["op"] in ("nodes", "late"):
            new = engine.nodes(request["device"]) if request["op"] == "nodes" else engine.late()
            before = len(nodes)
            nodes += new
            return {"nodes": [(before + place, node.title) for place, node in enumerate(new)]}
        node = nodes[request["node"]]
        if request["op"] == "end":
            node.end()
            return {}
        return {"answer": node.call(request["message"])}
    except LostError as error:
        return {"lost": error.words}
    except GroupedBenchError as error:
        return {"refused": error.words}


if __name__ == "__main__":
    main(sys.argv[1:])
