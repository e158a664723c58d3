"""The driver's end of a node: what an engine must bring for each device, and visits that are made there."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Protocol

from grouped_bench.harness.sweep.readings import MemoryOrder
from grouped_bench.harness.sweep.visits import LostError, Order
from grouped_bench.space.facts import Json

# Visits in a row that show a drift: a single one meets other programs.
_VISITS_OF_A_DRIFT = 5


class Node(Protocol):
    """A device with an `Agent` that an engine has started."""

    title: str

    def call(self, message: Json) -> Json:
        """The agent's answer to a message, one at a time. Raises LostError where the node is gone."""

    def end(self) -> None:
        """End the agent at once; nothing where it has ended."""


class Engine(Protocol):
    """Starts agents, each on a device of its own."""

    def nodes(self, device: str) -> Sequence[Node]:
        """A node for each device of a kind.

        Args:
            device: `cpu` for a machine's processors as a whole, `gpu` for one GPU each.

        Raises:
            UnavailableError: there is no such device.
        """

    def late(self) -> Sequence[Node]:
        """Nodes that have come since they were asked for last."""

    def close(self) -> None:
        """End what was started."""


@dataclasses.dataclass(frozen=True)
class Opened:
    """A node that is ready to measure.

    Attributes:
        node: what its engine has started.
        name: of the node in records.
        header: of a run on it alone.
        memory_bytes: of its machine.
        put_back: what the engine had changed in the processes that measure, and is as it would be without it.
    """

    node: Node
    name: str
    header: Json
    memory_bytes: int
    put_back: tuple[str, ...]

    @property
    def facts(self) -> Json:
        """What the run-wide facts hold of it."""
        return {"name": self.name, "put_back": list(self.put_back)}


class RemoteVisitor:
    """Visits that a node makes.

    Args:
        node: whose agent has opened the run.
        name: of the node in the run's records.
    """

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self.name: str | None = name
        self._references: list[float] = []

    @property
    def drift(self) -> float:
        """By how much the reference workload's latency has moved in each of the last visits at least, as a share."""
        if len(self._references) < 2 * _VISITS_OF_A_DRIFT:
            return 0.0
        first = statistics.median(self._references[:_VISITS_OF_A_DRIFT])
        moved = [one / first - 1 for one in self._references[-_VISITS_OF_A_DRIFT:]]
        return max(min(moved), -max(moved), 0.0)

    def visit(self, order: Order) -> Json:
        """The record of a visit."""
        record = self._reply({"op": "visit", "order": dataclasses.asdict(order)})
        made = record.get("reference")
        # With the reference `case` each cohort has another one.
        if isinstance(made, list) and (samples := [sample for sample in made if sample is not None]):
            self._references.append(statistics.median(samples))
        return record

    def read(self, batch: Sequence[MemoryOrder]) -> list[Json]:
        """The records of readings of memory."""
        records: list[Json] = self._reply({"op": "read", "batch": list(map(dataclasses.asdict, batch))})["records"]
        return records

    def rest(self, cohort: int, *, is_needed: bool) -> None:
        """Leave the processes of a cohort asleep, or end them where no other visit needs them."""
        if not is_needed:
            self._reply({"op": "rest", "cohort": cohort})

    def _reply(self, message: Json) -> Json:
        """The answer; what a node refuses in the middle of a run it will refuse again."""
        answer = self._node.call(message)
        if refused := answer.get("refused"):
            self._node.end()
            raise LostError.of_words(refused)
        return answer
