"""Ray as the engine of a fleet: an actor on each device holds its agent.

Source: https://docs.ray.io/en/latest/ray-core/actors.html, scheduling/resources.html and
ray-core/api/doc/ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy.html.
"""

import contextlib
import os
import socket
from collections.abc import Sequence
from typing import Any

import psutil

from grouped_bench.errors import UnavailableError
from grouped_bench.harness.fleet.agent import Agent
from grouped_bench.harness.sweep.visits import LostError
from grouped_bench.space.facts import Json

# What the object store of a node started here takes: its messages have kilobytes.
_STORE_BYTES = 80 * 2**20
_ANSWER_S = 10.0
# Of a cluster on one machine: a node is missed after three seconds.
_SOON_MISSED = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
# What Ray sets in the processes that it starts, for libraries to use no more than a share of the machine.
_SET_BY_RAY = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_LOST = "A node must answer while it measures"
_REMEDY = "Resume the run when the node is back, or with others of its class"


class RayNode:
    """A device with an actor of Ray's that holds its agent.

    Args:
        actor: its handle.
        title: of the node in messages.
    """

    def __init__(self, actor: Any, title: str) -> None:
        self._actor, self.title = actor, title

    def call(self, message: Json) -> Json:
        """The agent's answer to a message. Raises LostError where the node is gone."""
        import ray

        try:
            answer: Json = ray.get(self._actor.handle.remote(message))
        except (ray.exceptions.RayError, ConnectionError) as error:
            reason = str(error).strip().splitlines()
            raise LostError(_LOST, received=f"{self.title} ({reason[0] if reason else type(error).__name__})",
                            remedy=_REMEDY) from None  # fmt: skip
        return answer

    def end(self) -> None:
        """End the actor at once."""
        import ray

        with contextlib.suppress(Exception):  # of a cluster that is gone there is nothing to end
            ray.kill(self._actor)


class RayAgent(Agent):
    """An agent in a process that Ray has started, as if Ray had set nothing in it.

    Args:
        device: `cpu` or `gpu`; of the latter Ray's choice of one stays.
    """

    def __init__(self, device: str) -> None:
        self._raylet = psutil.Process(os.getppid())
        self._put_back = _put_back(self._raylet, keep=("CUDA_VISIBLE_DEVICES",) if device == "gpu" else ())
        super().__init__(self._seconds_of_ray)

    def handle(self, message: Json) -> Json:
        """The answer to a message, and what was put back in it that opens a run."""
        answer = super().handle(message)
        return {**answer, "put_back": self._put_back} if message["op"] == "open" else answer

    def _seconds_of_ray(self) -> float:
        """Processor seconds of the processes that Ray has started on this node, but for its actors."""
        found = 0.0
        with contextlib.suppress(psutil.Error):
            for process in [self._raylet, *self._raylet.children()]:
                with contextlib.suppress(psutil.Error):
                    name = " ".join(process.cmdline()[:1])
                    if process.pid != os.getpid() and (not name.startswith("ray::") or "IDLE" in name):
                        spent = process.cpu_times()
                        found += spent.user + spent.system
        return found


class RayEngine:
    """Starts agents as Ray's actors, one a device.

    Args:
        address: `HOST:PORT` of a cluster, `auto` for the one at hand, `local:N` for N nodes that are started on this
            machine; one such unless given.

    Raises:
        UnavailableError: Ray is not installed, or nobody answers at the address.
    """

    agent: type[Agent] = RayAgent

    def __init__(self, address: str | None = None) -> None:
        try:
            import ray
        except ImportError:
            raise UnavailableError(
                "--executor ray takes the library Ray",
                received="no module ray",
                remedy="Install it with `pip install 'grouped-bench[ray]'`",
            ) from None
        self._cluster: Any = None
        if address is None or address.startswith("local"):
            address = self._start(_count(address or "local:1"))
        elif address != "auto":
            _check_listens(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            self.close()
            raise UnavailableError(
                "A cluster of Ray must answer at --address",
                received=f"{address} ({str(error).strip().splitlines()[0]})",
                remedy="Leave --address out, or start a cluster with `ray start --head`",
            ) from None

    def _start(self, count: int) -> str:
        """A cluster of nodes on this machine; its address."""
        from ray.cluster_utils import Cluster

        os.environ.setdefault("RAY_TMPDIR", "/tmp")  # the path of a socket may have 107 characters
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        usable = len(os.sched_getaffinity(0))
        each = {"num_cpus": usable, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args={**each, "_system_config": _SOON_MISSED})
        for _ in range(count - 1):
            self._cluster.add_node(**{name: each[name] for name in ("num_cpus", "object_store_memory")})
        return str(self._cluster.address)

    def nodes(self, device: str) -> Sequence[RayNode]:
        """A node for each device of a kind: a machine's processors as a whole, or one GPU."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        agents: list[RayNode] = []
        for node in (one for one in ray.nodes() if one["Alive"]):
            has = node["Resources"]
            places = int(has.get("GPU", 0)) if device == "gpu" else int("CPU" in has)
            for _ in range(places):
                actor = ray.remote(self.agent).options(
                    num_cpus=has["CPU"] // places if "CPU" in has else 0,
                    num_gpus=1 if device == "gpu" else 0,
                    max_restarts=0,
                    max_task_retries=0,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
                )  # fmt: skip
                agents.append(RayNode(actor.remote(device), f"node {len(agents) + 1}"))
        if not agents:
            raise UnavailableError(
                f"The fleet must have a device {device}",
                received=f"{len(ray.nodes())} nodes without one",
                remedy="Name another device, or add nodes that have it",
            )
        return agents

    def late(self) -> Sequence[RayNode]:
        """None: a node that joins a cluster is not waited for."""
        return []

    def close(self) -> None:
        """Leave the cluster, and end what was started."""
        import ray

        ray.shutdown()
        if self._cluster is not None:
            self._cluster.shutdown()


def _put_back(raylet: psutil.Process, keep: Sequence[str]) -> list[str]:
    """Give variables and processors back what they were where Ray was started; returns what was changed."""
    before = raylet.environ()
    changed = [name for name in _SET_BY_RAY if name not in keep and os.environ.get(name) != before.get(name)]
    for name in changed:
        os.environ.pop(name, None)
        if name in before:
            os.environ[name] = before[name]
    usable = raylet.cpu_affinity()
    if set(usable) != os.sched_getaffinity(0):
        os.sched_setaffinity(0, usable)
        changed.append("affinity")
    return changed


def _count(address: str) -> int:
    """Nodes to start on this machine, of `local:N`."""
    number = address.removeprefix("local").removeprefix(":") or "1"
    if not number.isdecimal() or not 1 <= int(number) <= 64:
        raise UnavailableError(
            "--address takes local:N with a number of nodes from 1 to 64, auto, or HOST:PORT",
            received=address,
            remedy="Use local:3, say, to start three nodes on this machine",
        )
    return int(number)


def _check_listens(address: str) -> None:
    """UnavailableError where nobody listens, which Ray would wait a minute for."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), _ANSWER_S):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise UnavailableError(
            "A cluster of Ray must answer at --address",
            received=f"{address} ({getattr(error, 'strerror', None) or error})",
            remedy="Leave --address out, or start a cluster with `ray start --head`",
        ) from None
