"""Hosts of trainings: a worker that stays for each network, and how fast each backend trains."""

import dataclasses
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from grouped_bench import backends
from grouped_bench.errors import HostError, UnavailableError
from grouped_bench.harness.learning import study as plan
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.probing import probe_host
from grouped_bench.harness.processes.workers import Limits, TaskFailedError, Worker
from grouped_bench.harness.progress import Progress
from grouped_bench.measure.models.learning.training import Recipe
from grouped_bench.space.facts import Json
from grouped_bench.space.learning import Network, Study

# Of silence: a compilation, or an epoch of a user's own examples.
_PATIENCE_S = 900.0
# The first of them traces and compiles.
_TIMED_EPOCHS = 3


class AskWorker(Protocol):
    """What a new worker answers to one or several requests in turn."""

    def __call__(self, *requests: Json, held: str | None = None) -> list[Json]:
        """The answers, up to one that has `status` and `reason`, since the request failed or the worker ended.

        Args:
            *requests: in their order, of one worker.
            held: name of a worker that stays for further questions; a new one that ends unless given.
        """


def training_request(network: Network, recipe: Recipe, carriers: Json, what: str = "train") -> Json:
    """What a worker is asked of a network.

    Args:
        network, recipe: which, and how it is trained.
        carriers: a variant and its choice for each case.
        what: `train`, or `memory` for the peak of a step.
    """
    asked: Json = {"op": "learn", "what": what, "network": network.to_json(), "carriers": carriers}
    return {**asked, "recipe": dataclasses.asdict(recipe)}


class Asked:
    """A host and its workers."""

    def __init__(self, backend: str) -> None:
        self._held: dict[str, Worker] = {}
        self._host = Host(backend)
        probe = probe_host(self._host)
        self.facts: Json = {"libraries": probe.libraries, "python": probe.python, "in_force": probe.in_force}
        self.version = probe.version

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._host.close()

    def __call__(self, *requests: Json, held: str | None = None) -> list[Json]:
        answers: list[Json] = []
        try:
            worker = self._held.pop(held, None) if held else None
            worker = worker or self._host.fork(Limits(_PATIENCE_S))
            for request in requests:
                answers.append(worker.ask({"variants": ["network"], **request}))
                if "status" in answers[-1] or answers[-1].get("failed"):
                    break
        except TaskFailedError as failure:
            return [*answers, {"status": failure.status, "reason": failure.reason}]
        except HostError as error:
            self._held.clear()
            self._host.restart()
            return [*answers, {"status": "crashed", "reason": f"the host process ended: {error.received}"}]
        if held and "status" not in answers[-1]:
            self._held[held] = worker
        else:
            worker.close()
        return answers


def backend_seconds(
    study: Study, path: str, progress: Progress, starts: Callable[[str], Any] = Asked
) -> dict[str, float]:
    """Seconds of an epoch of a study's first network by each backend that is installed and trains it.

    Args:
        study: whose network.
        path: of the examples.
        progress: shows what is timed.
        starts: a host of a backend.
    """
    found: dict[str, float] = {}
    names = [name for name in backends.names() if backends.named(name).installed()]
    for name in names if len(names) > 1 else ():
        progress.say(f"timing a training by {name}")
        recipe = Recipe(path, _TIMED_EPOCHS, study.batch_size, plan.RATES[0], plan.TUNING_SEED)
        try:
            with starts(name) as ask:
                told = ask(training_request(study.networks[0], recipe, {}))[-1]
        except (HostError, UnavailableError):
            continue
        if "training_s" in told:
            found[name] = float(told["training_s"]) / _TIMED_EPOCHS
    return found
