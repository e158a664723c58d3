"""What a device of a fleet does for the driver of its run: it starts hosts, and carries out orders one at a time."""

import contextlib
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from grouped_bench import __version__
from grouped_bench.errors import GroupedBenchError, UnavailableError
from grouped_bench.harness.facts.header import make_header
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes.peaks import read_peaks
from grouped_bench.harness.processes.probing import hosts_of, probed
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.sweep.readings import MemoryOrder
from grouped_bench.harness.sweep.visits import Order, Visitor
from grouped_bench.measure.machine.available_memory import memory_total
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json
from grouped_bench.space.space import Space

Sent = TypeVar("Sent", Order, MemoryOrder)


def no_engine_s() -> float:
    """Of an engine that takes no time of its own on a node."""
    return 0.0


class Agent:
    """Answers the messages of one driver.

    Args:
        engine_s: processor seconds that the engine's own processes on this machine have taken so far.
    """

    def __init__(self, engine_s: Callable[[], float] = no_engine_s) -> None:
        self._engine_s, self._open_hosts = engine_s, contextlib.ExitStack()
        self._answers: dict[str, Callable[[Json], Json]] = {
            "open": self._open,
            "peaks": lambda message: {"peaks": read_peaks(self._request.plan, self._hosts, self._request.control)},
            "visit": self._visit,
            "read": self._read,
        }

    def handle(self, message: Json) -> Json:
        """The answer to a message; `refused` where it cannot be carried out."""
        try:
            if message["op"] == "rest":  # which disturbs nobody, and waits for nobody
                return self._rest(message)
            with alone(lambda _: None, wait=True):  # no other run, and no other agent, measures meanwhile
                return self._answers[message["op"]](message)
        except GroupedBenchError as error:
            return {"refused": error.words}

    def close(self) -> None:
        """End the hosts."""
        self._open_hosts.close()

    def _open(self, message: Json) -> Json:
        if message["version"] != __version__:
            raise UnavailableError(
                "Every node must have the same version of grouped-bench",
                received=f"{__version__}, where the run is made by {message['version']}",
                remedy=f"Install grouped-bench {message['version']} on the node",
            )
        files = self._written(message["files"])
        asked = RunRequest.of(Space(**message["space"]), {**message["options"], "files": files})
        hosts = self._open_hosts.enter_context(hosts_of(asked.plan, asked.control, files, Progress(quiet=True)))
        self._request, self._hosts = asked, hosts
        header = make_header(asked, probed(asked.plan, asked.control, hosts))
        self._visitor = Visitor(hosts, asked.control)
        return {"header": header, "device": _device(), "memory_bytes": memory_total()}

    def _written(self, files: Json) -> list[str]:
        """Paths of files of variants, which are written here by their names and texts."""
        folder = Path(self._open_hosts.enter_context(tempfile.TemporaryDirectory()))
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return [str(folder / name) for name in files]

    def _visit(self, message: Json) -> Json:
        order = _restored(Order, message["order"])
        began, engine_s = read_clock(), self._engine_s()
        record = self._visitor.visit(order)
        self._visitor.rest(order.cohort, is_needed=True)  # unless sleepers fill this machine's memory
        return {**record, "engine": (self._engine_s() - engine_s) / (read_clock() - began)}

    def _read(self, message: Json) -> Json:
        return {"records": self._visitor.read([_restored(MemoryOrder, one) for one in message["batch"]])}

    def _rest(self, message: Json) -> Json:
        self._visitor.rest(message["cohort"], is_needed=False)
        return {}


def _restored(kind: type[Sent], told: Json) -> Sent:
    """An order as the driver had it."""
    return kind(**{**told, "host": HostKey(**told["host"])})


def _device() -> str:
    """What tells this machine from others of a fleet, and nobody its name."""
    machine_id = Path("/etc/machine-id")
    known = machine_id.read_text() if machine_id.is_file() else ""
    told = "|".join([platform.node(), known, os.environ.get("CUDA_VISIBLE_DEVICES", "")])
    return hashlib.sha256(told.encode()).hexdigest()[:8]
