"""A learning run while it lasts: carriers, learning rates, seeds; the file is written after every training."""

import dataclasses
import hashlib
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np

from grouped_bench import __version__, backends
from grouped_bench.errors import CutShortError, RunError
from grouped_bench.harness.facts.commit import read_commit
from grouped_bench.harness.learning import study as plan
from grouped_bench.harness.learning.study import Turn
from grouped_bench.harness.learning.workers import AskWorker, training_request
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.session import new_name
from grouped_bench.measure.machine import environment
from grouped_bench.measure.models.learning.data import Examples
from grouped_bench.measure.models.learning.networks import candidates, carrier_key
from grouped_bench.measure.models.learning.training import Recipe
from grouped_bench.measure.rounds import Clock
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json
from grouped_bench.space.learning import Network, Study
from grouped_bench.store import identity
from grouped_bench.store import learning as store
from grouped_bench.store.learning import SEED, SUFFIX, TUNING, Training
from grouped_bench.units import counted, format_clock

_CARRIER_VISIT_S = 0.05
# Of the budget, what may pass until trainings begin.
_CARRIERS_SHARE = 0.25
# Of a training's time, how much the next one may take longer.
_LONGER = 1.2
_BUDGET, _USER, _SETTLED, _SEEDS = "budget", "user", "settled", "seeds"


@dataclasses.dataclass(frozen=True)
class LearnRequest:
    """What is asked for.

    Args:
        study: networks, comparisons and the training of each.
        data: one of `KINDS`, or the path of a file of examples.
        out: folder; the file is `OUT/<machine>/<run_id>.learning.parquet`.
        backend: framework under Keras; None for the one that is fastest here.
        most_seeds: of each network, at most.
        budget: seconds in which the run ends; None for as long as it takes.
        seed: of the examples that are made.
        quiet: whether to show no progress.
        wait: whether to wait for another run on this machine to end.
        command: the command line to record.
    """

    study: Study
    data: str
    out: Path
    backend: str | None
    most_seeds: int
    budget: float | None = None
    seed: int = 0
    quiet: bool = True
    wait: bool = False
    command: tuple[str, ...] = ()


class LearningRun:
    """One run while it lasts.

    Args:
        request: what is asked for.
        ask: asks a new worker.
        examples: to learn from.
        path: of the same examples in a file, for workers.
        progress: shows what is done.
        stop: whether somebody has asked for an end.
        clock: read for every duration.
        began: reading of the clock when the run began.
    """

    def __init__(
        self,
        request: LearnRequest,
        ask: AskWorker,
        examples: Examples,
        path: str,
        progress: Progress,
        stop: Callable[[], bool],
        clock: Clock,
        began: float,
    ) -> None:
        self._request, self._ask, self._examples, self._data = request, ask, examples, path
        self._backend = str(request.backend)
        self._progress, self._stop, self._clock, self._began = progress, stop, clock, began
        self._seconds: list[float] = []
        self.trainings: list[Training] = []
        self.facts: Json = {}
        self.path = Path()

    @property
    def study(self) -> Study:
        """What is trained."""
        return self._request.study

    def begin(self, found: Json, version: str, resumed: Path | None) -> None:
        """Take the facts of the run; those of an earlier one must be the same.

        Args:
            found: libraries, version of Python and what is in force, as the host found them.
            version: of the backend.
            resumed: file of the earlier run, if there is one.
        """
        told = environment.describe(self._request.command)
        told["libraries"], told["system"]["python"] = found["libraries"], found["python"]
        told["in_force"] = {self._backend: found["in_force"]}
        machine = identity.of_processor(told)
        self.facts = {
            "learning": store.SCHEMA_VERSION,
            "version": __version__,
            **new_name(),
            "machine": machine.slug if machine else identity.name_here(),
            "identity": machine.to_facts() if machine else None,
            "study": store.study_facts(self.study),
            "data": {
                "name": Path(self._request.data).name,
                "seed": self._request.seed,
                "digest": _digest(self._examples),
            },
            "shape": list(self._examples.shape),
            "classes": self._examples.classes,
            "backend": self._backend,
            "backend_version": version,
            "commit": read_commit(),
            "environment": told,
            "carriers": {},
            "memory": {},
            "responses": {},
            "finished": False,
            "stopped_by": None,
            "seconds": 0.0,
        }
        if resumed is not None:
            self._resume(resumed)
        else:
            folder = self._request.out / str(self.facts["machine"])
            self.path = folder / f"{self.facts['run_id']}{SUFFIX}"
            self._write()  # a place that takes no file is noticed before anything is trained

    def _resume(self, path: Path) -> None:
        trainings, facts = store.read(path)
        for name in ("study", "data", "backend", "backend_version", "machine"):
            if facts.get(name) != self.facts[name]:
                raise RunError(
                    "A learning run must be resumed with the networks, examples and machine of its beginning",
                    received=f"another {name.replace('_', ' ')}",
                    remedy="Restore it, or start a new run",
                )
        self._began -= float(facts["seconds"])
        self.trainings, self.path = trainings, path
        self.facts = {**facts, "finished": False, "stopped_by": None}

    def go(self) -> None:
        """Choose carriers and learning rates, then train seeds until all is said, or time or patience ends."""
        why = self._choose_carriers() or self._all(self._tuning) or self._all(self._seeds)
        if why is None:
            self._read_memory()
        decided = not plan.next_seeds(self.study, self.trainings, 1 << 16)
        self.facts |= {"finished": why != _USER, "stopped_by": why or (_SETTLED if decided else _SEEDS)}
        if why == _USER and not self.trainings:
            self.path.unlink(missing_ok=True)
            raise CutShortError("A run must end before it is judged", received="an interrupt", remedy="Run it again")
        self._write()

    def _all(self, turns: Callable[[], list[Turn]]) -> str | None:
        """Make all trainings that `turns` asks for, again and again until it asks for none; what ended them."""
        rng = np.random.default_rng(self._request.seed)
        while todo := turns():
            for place in rng.permutation(len(todo)):
                if self._stop():
                    return _USER
                if self._is_late():
                    return _BUDGET
                self._train(todo[place])
        return None

    def _tuning(self) -> list[Turn]:
        return plan.tuning(self.study, self.trainings)

    def _seeds(self) -> list[Turn]:
        return plan.next_seeds(self.study, self.trainings, self._request.most_seeds)

    def _is_late(self) -> bool:
        if self._request.budget is None:
            return False
        spent = self._clock() - self._began
        return spent + _LONGER * plan.typical_seconds(self._seconds) > self._request.budget

    def _train(self, turn: Turn) -> None:
        self._say(turn)
        start, name = self._clock(), turn.network.name
        responses = turn.phase == SEED and turn.seed == 0 and name in self.study.correlated
        told = self._asked(turn.network, "train", turn.seed, turn.learning_rate, responses=responses)
        self._seconds.append(self._clock() - start)
        shape, classes = self._examples.shape, self._examples.classes
        reason = f"{told['status']}: {told['reason']}" if "status" in told else None
        status = "diverged" if told.get("diverged") else str(told.get("status", "ok"))
        self.trainings.append(
            Training(
                network=name,
                phase=turn.phase,
                seed=turn.seed,
                learning_rate=turn.learning_rate,
                status=status,
                reason="the loss is no number any more" if status == "diverged" else reason,
                accuracy=told.get("accuracy"),
                validation_accuracy=told.get("validation_accuracy"),
                losses=tuple(told.get("losses", ())),
                validation_losses=tuple(told.get("validation_losses", ())),
                params=turn.network.params(shape, classes),
                macs=turn.network.macs(shape, classes),
                training_s=told.get("training_s"),
                first_epoch_s=told.get("first_epoch_s"),
                stolen=told.get("stolen"),
                peak_memory_bytes=self.facts["memory"].get(name),
                backend=self._backend,
            )
        )
        if "responses" in told:
            self.facts["responses"][name] = told["responses"]
        self._write()

    def _say(self, turn: Turn) -> None:
        to_tune, tuned = len(self._tuning()), sum(one.phase == TUNING for one in self.trainings)
        spent, limit = self._clock() - self._began, self._request.budget
        left = to_tune + plan.seeds_left(self.study, self.trainings, self._request.most_seeds)
        needed = left * plan.typical_seconds(self._seconds)
        # Seeds are added until all is decided, and the budget ends that.
        seconds = needed if limit is None else min(needed, max(0.0, limit - spent))
        told = f"{'at least ' if seconds == needed else ''}{format_clock(seconds)} left · " if needed else ""
        if turn.phase == SEED:
            now = f"{counted(len(self.trainings), 'training')} · {turn.network.name}, seed {turn.seed + 1}"
        else:
            rate = f"learning rate {turn.learning_rate:g}"
            now = f"tuning {tuned}/{tuned + to_tune} · {turn.network.name}, {rate}"
        self._progress.say(told + now, spent / (spent + seconds) if needed else None)

    def _asked(self, network: Network, what: str, seed: int, rate: float, *, responses: bool = False) -> Json:
        recipe = Recipe(self._data, self.study.epochs, self.study.batch_size, rate, seed, responses)
        carriers = {key: one["carrier"] for key, one in self.facts["carriers"].items()}
        request = training_request(network, recipe, carriers, what)
        return self._ask(request, held=network.name if what == "train" else None)[-1]

    def _choose_carriers(self) -> str | None:
        """Time every variant that may compute a part, for each part of the study, and keep the fastest."""
        asked: dict[str, tuple[Case, tuple[str, ...]]] = {}
        for network in self.study.networks:
            for part, case in network.stages(self._examples.shape, self.study.batch_size):
                names = candidates(part, case)
                if len(names) > 1:
                    asked[carrier_key(part, case)] = case, names
        todo = {key: one for key, one in asked.items() if key not in self.facts["carriers"]}
        for number, (key, (case, names)) in enumerate(todo.items()):
            if self._stop():
                return _USER
            if self._request.budget and self._clock() - self._began > _CARRIERS_SHARE * self._request.budget:
                return None  # what is left is computed by what every machine trains
            self._progress.say(f"timing who computes a layer · {number + 1}/{len(todo)} · {key}")
            self.facts["carriers"][key] = self._carrier(case, names)
        return None

    def _carrier(self, case: Case, names: tuple[str, ...]) -> Json:
        setting = Setting(self._backend, backends.get(self._backend).executions[0], "cpu")
        asked: Json = {"case": case.to_columns(), "setting": setting.to_columns(), "seed": 0, "variants": list(names)}
        visit: Json = {"op": "visit", "seed": 0, "rounds": None, "visit_s": _CARRIER_VISIT_S}
        found: dict[str, tuple[float, str | None]] = {}
        for name in names:  # each in a worker of its own: one that fails may leave nothing that works
            build = {"op": "build", **asked, "variants": [name], "choices": {}, "iterations": {}, "check": True}
            answers = self._ask(build, {**visit, "variants": [name]})
            samples = [one for one in answers[-1].get("samples", {}).get(name, ()) if one is not None]
            if samples:
                found[name] = statistics.median(samples), answers[0]["built"][name].get("choice")
        fastest = min(found, key=lambda name: found[name][0], default=names[0])
        seconds = {name: one for name, (one, _) in found.items()}
        return {"carrier": [fastest, found[fastest][1] if found else None], "seconds": seconds}

    def _read_memory(self) -> None:
        for number, network in enumerate(self.study.networks):
            if network.name in self.facts["memory"] or self._stop():
                continue
            self._progress.say(f"memory {number + 1}/{len(self.study.networks)} · {network.name}")
            told = self._asked(network, "memory", 0, plan.RATES[0])
            self.facts["memory"][network.name] = told.get("peak_bytes")
        self.trainings = [
            dataclasses.replace(one, peak_memory_bytes=self.facts["memory"].get(one.network)) for one in self.trainings
        ]

    def _write(self) -> None:
        self.facts["seconds"] = self._clock() - self._began
        store.write(self.path, self.trainings, self.facts)


def _digest(examples: Examples) -> str:
    """Of all arrays, so that a run goes on with the same ones."""
    found = hashlib.sha256()
    for kind in (examples.x, examples.y):
        for name in sorted(kind):
            found.update(np.ascontiguousarray(kind[name]).tobytes())
    return found.hexdigest()[:16]
