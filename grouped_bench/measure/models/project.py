"""The child process that times what a user's project computes: a callable of its own, or a Keras model and its layers.

Run as `python -m grouped_bench.measure.models.project FD MARKS [FOLDER]`: it answers one request on the socket FD, and
writes whose turn it is into the file MARKS. Modules are looked for in FOLDER before any other place. It is given a
fresh process each time, since nobody knows what importing a project does. Needs the standard library and NumPy; for a
model also the backend and Keras.
"""

import concurrent.futures
import ctypes
import dataclasses
import functools
import importlib
import inspect
import json
import os
import platform
import signal
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from grouped_bench import backends
from grouped_bench.measure import memory, rounds
from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.machine import disturbance
from grouped_bench.measure.machine.in_force import in_force
from grouped_bench.measure.machine.versions import library_versions
from grouped_bench.measure.models.network import RefusedError, calls_in, inputs_of
from grouped_bench.space.facts import Json

MARK_BYTES = 128
WHOLE = "whole step"
_PR_SET_PDEATHSIG = 1
_REFERENCE = f"{rounds.REFERENCE} machine)"
# A layer whose weights are all vectors, such as a normalisation, takes next to no time of its own.
_LEAST_AXES = 2
_SETTLING_CALLS, _MEMORY_CALLS = 3, 8
# What of a layer's configuration tells it from others of its kind, beside the shapes, where it is not as usual.
_TELLING = {"groups": 1, "strides": 1, "dilation_rate": 1, "padding": "same"}


@dataclasses.dataclass(frozen=True)
class ProjectSubject:
    """What of a project is timed.

    Args:
        name: `MODULE:FUNCTION`.
        backend: of a model, which the function returns; None where the function is the step itself.
        execution, device: how and where a model runs.
        passes: of a model.
        batch_size: examples a call of a model.
        input_shape: extents of an example; None for the model's own.
    """

    name: str
    backend: str | None = None
    execution: str = ""
    device: str = "cpu"
    passes: tuple[str, ...] = ()
    batch_size: int = 1
    input_shape: tuple[int, ...] | None = None

    @property
    def title(self) -> str:
        """One line that names it to a person."""
        if self.backend is None:
            return self.name
        return f"{self.name}, batch {self.batch_size}, {self.backend} {self.execution} on {self.device}"

    @classmethod
    def of(cls, told: Json) -> "ProjectSubject":
        """What a request says."""
        shape = told["input_shape"]
        passes = tuple(told["passes"])
        return cls(**{**told, "passes": passes, "input_shape": None if shape is None else tuple(shape)})


@dataclasses.dataclass(frozen=True)
class ProjectPart:
    """Something that is timed: what makes its step, how many parameters it has, how often the whole has the like."""

    make: Callable[[], rounds.Workload]
    params: int | None = None
    count: int = 1
    is_whole: bool = True
    label: str | None = None


class Project(ABC):
    """The project's code, imported, and what of it is timed."""

    @abstractmethod
    def parts(self) -> dict[str, ProjectPart]:
        """By name, the whole before its layers. Raises RefusedError."""

    def try_out(self) -> None:  # noqa: B027  # most have nothing to try
        """Refuse what cannot be timed and shows only when it is called. Raises RefusedError."""

    @abstractmethod
    def wait(self, result: Any) -> None:
        """Return when what a step returned has been computed."""

    @abstractmethod
    def status_of(self, error: Exception) -> str:
        """The status that an exception stands for."""

    @abstractmethod
    def peak_bytes(self, step: Any) -> tuple[int, str] | tuple[None, None]:
        """Peak memory of a call of a step in bytes, and its source."""

    @property
    def left_out(self) -> list[str]:
        """Layers that are not timed, and why."""
        return []

    @property
    def facts(self) -> Json:
        """The backend's set-up, where there is one."""
        return {}


class StepProject(Project):
    """A callable without arguments: the step itself, or what prepares it and returns it."""

    def __init__(self, subject: ProjectSubject) -> None:
        self._subject = subject
        self._function = imported(subject.name)

    def parts(self) -> dict[str, ProjectPart]:
        """The step."""
        return {WHOLE: ProjectPart(lambda: self._function)}

    def try_out(self) -> None:
        """Call the step once. What it raises is for a visit to tell."""
        try:
            result = self._function()
            result = result() if callable(result) else result
        except (Exception, SystemExit):
            return
        if lazy := _lazy(result):
            raise RefusedError(
                "A step must return what was computed, or what can be waited for",
                f"{self._subject.name}, which returns {lazy}",
                "Make the step compute it, as by `asyncio.run` or `list`",
            )

    def wait(self, result: Any) -> None:
        """Whatever framework computes it."""
        wait_for(result)

    def status_of(self, error: Exception) -> str:
        """`oom` of what says so."""
        return "oom" if isinstance(error, MemoryError) or "out of memory" in str(error).lower() else "error"

    def peak_bytes(self, step: Any) -> tuple[int, str] | tuple[None, None]:
        """By how much a call makes the process grow: what is there before it nobody can tell from the libraries."""
        for _ in range(_SETTLING_CALLS):
            result = step()
            step = result if callable(result) else step
            self.wait(result)
        del result

        def call() -> tuple[()]:
            self.wait(step())
            return ()

        readings = [memory.resident_growth(call) for _ in range(_MEMORY_CALLS)]
        known = sorted(reading for reading in readings if reading is not None)
        return (known[len(known) // 2], "resident") if known else (None, None)


class ModelProject(Project):
    """What a factory returns: a Keras model of one input and one output, as it is, and its layers by themselves."""

    def __init__(self, subject: ProjectSubject) -> None:
        assert subject.backend is not None
        self._subject, self._backend = subject, backends.load(subject.backend)
        self._left_out: list[str] = []
        self._wait = self._backend.synchroniser(subject.device)
        with self._backend.on(subject.device):
            self._model = self._made(imported(subject.name))
            self._inputs = self._examples()
        outputs = getattr(self._model, "outputs", None) or [None]
        if len(self._inputs) != 1 or len(outputs) != 1:
            raise RefusedError(
                "A model must have one input and one output",
                f"{subject.name}, with {len(self._inputs)} and {len(outputs)}",
                "Use --step for a step of your own",
            )

    def parts(self) -> dict[str, ProjectPart]:
        """The model's passes, then its layers' of a kind and shape, which are timed once."""
        (example,) = self._inputs
        layers = self._layers()
        found = {}
        for pass_ in self._subject.passes:
            whole = functools.partial(self._step, self._model, example, pass_)
            found[f"{WHOLE}, {pass_}"] = ProjectPart(whole, self._model.count_params())
        for name, (layer, first, count) in layers.items():
            for pass_ in self._subject.passes:
                make = functools.partial(self._step, layer, first, pass_)
                label = layer.name if count == 1 else f"{layer.name} and {count - 1} more"
                found[f"{name}, {pass_}"] = ProjectPart(make, layer.count_params(), count, False, label)
        return found

    def wait(self, result: Any) -> None:
        """As the backend does."""
        self._wait(result)

    def status_of(self, error: Exception) -> str:
        """As the backend says."""
        return self._backend.status_of(error)

    def peak_bytes(self, step: Any) -> tuple[int, str] | tuple[None, None]:
        """As the backend counts it, the model's weights included."""
        device = self._subject.device

        def settle() -> None:
            for _ in range(_SETTLING_CALLS):
                self._wait(step())

        with self._backend.on(device):
            output, *gradients = step()
            self._wait(output)
            sizes = [memory.tensor_bytes(one) for one in (output, *gradients)]
            (example,) = self._inputs
            held = sum(map(memory.tensor_bytes, self._model.weights))
            held += self._subject.batch_size * memory.tensor_bytes(example) + (sizes[0] if gradients else 0)
            del output, gradients
            return memory.peak_bytes(self._backend, step, device, held, sum(sizes), _MEMORY_CALLS, settle)

    @property
    def left_out(self) -> list[str]:
        """Layers that take more than one tensor."""
        return self._left_out

    @property
    def facts(self) -> Json:
        """Versions and set-up."""
        return {"backend": self._backend.facts(), "version": self._backend.version()}

    def _made(self, factory: Callable[[], Any]) -> Any:
        import keras

        if isinstance(factory, keras.Model):
            return factory
        try:
            model = factory()
            told = f"returns {type(model).__name__}"
        except (Exception, SystemExit) as error:
            model, told = None, f"raises {reason_of(error)}"
        if not isinstance(model, keras.Model):
            raise RefusedError(
                "The function of --model must return a Keras model, and take no arguments",
                f"{self._subject.name}, which {told}",
                "Use a function that returns one, or --step for a step of your own",
            )
        return model

    def _examples(self) -> list[Any]:
        """What the model takes for one example, symbolic; of a class of its own floating-point numbers."""
        shape = self._subject.input_shape
        if shape is not None and not getattr(self._model, "inputs", None):
            self._model.build((None, *shape))
            if not getattr(self._model, "inputs", None):
                return [_symbolic((1, *shape), "float32")]
        return inputs_of(self._model, shape)

    def _layers(self) -> dict[str, tuple[Any, Any, int]]:
        """Layers with a kernel, one of each kind and shape, by what tells them apart: layer, input, how many."""
        found: dict[str, tuple[Any, Any, int]] = {}
        kinds: dict[str, str] = {}
        for layer, given in calls_in(self._model, self._inputs, lambda layer: True):
            if not _has_kernel(layer):  # which some have only once they are called
                continue
            if not hasattr(given, "shape") or None in given.shape:
                self._left_out.append(f"{layer.name}: it takes more than one tensor of known extents")
                continue
            # What the trace holds is a tensor of a framework's graph.
            example = _symbolic(tuple(map(int, given.shape)), given.dtype)
            kind = _kind(layer, example)
            name = kinds.setdefault(kind, _numbered(_title(layer, example), kinds.values()))
            first = found.get(name, (layer, example, 0))
            found[name] = (*first[:2], first[2] + 1)
        return found

    def _step(self, layer: Any, first: Any, pass_: str) -> rounds.Workload:
        """The pass of a layer, or of the model, on drawn numbers; integers are 0 and 1, which every table has."""
        rng = np.random.default_rng(0)
        shape = (self._subject.batch_size, *first.shape[1:])
        if "int" in first.dtype:
            values: Any = rng.integers(0, 2, shape)
        else:
            values = rng.standard_normal(shape, dtype=np.float32)
        with self._backend.on(self._subject.device):
            inputs = self._backend.array(values, first.dtype)
            upstream = None
            if pass_ == "training":
                outputs = layer.compute_output_spec(_symbolic(shape, first.dtype))
                drawn = rng.standard_normal(tuple(map(int, outputs.shape)), dtype=np.float32)
                upstream = self._backend.array(drawn, outputs.dtype)
            step = self._backend.step(layer, inputs, upstream, self._subject.execution)

        def on_device() -> object:
            with self._backend.on(self._subject.device):
                return step()

        return step if self._subject.device == "cpu" else on_device


def main(arguments: list[str]) -> None:
    """Answer one request."""
    descriptor, marks = map(int, arguments[:2])
    sys.path[:0] = arguments[2:]  # not before: a module of the project may be called as one that is needed here
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    turns = 0

    def mark(name: str) -> None:
        nonlocal turns
        turns += 1
        os.pwrite(marks, f"{turns} {name}".ljust(MARK_BYTES).encode()[:MARK_BYTES], 0)

    connection = socket.socket(fileno=descriptor)
    request = json.loads(connection.makefile("r", encoding="utf-8").readline())
    start = rounds.read_clock()
    try:
        answer = _ACTIONS[request["op"]](ProjectSubject.of(request["subject"]), request, mark)
    except RefusedError as refused:
        answer = {"refused": refused.told}
    answer["seconds"] = rounds.read_clock() - start
    connection.sendall((json.dumps(answer) + "\n").encode())
    connection.close()
    os._exit(0)  # frameworks' own threads may hang an ordinary exit


def survey(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """What is there to be timed, the file that it comes from, and the versions of libraries."""
    mark(subject.name)
    project = _project(subject)
    parts = project.parts()
    project.try_out()
    module = sys.modules[subject.name.partition(":")[0]]
    return {
        "parts": {
            name: {"params": part.params, "count": part.count, "is_whole": part.is_whole, "label": part.label}
            for name, part in parts.items()
        },
        "left_out": project.left_out,
        "file": getattr(module, "__file__", None),
        "libraries": library_versions(),
        "python": platform.python_version(),
        **project.facts,
    }


def told_in_force(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """What the backend really uses, in a process that has computed nothing."""
    mark(subject.name)
    assert subject.backend is not None
    return in_force(backends.load(subject.backend))


def visit(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """Of each part its first call, samples by round beside those of the reference workload, and what disturbed it.

    `request` names the `parts` in the order in which they are timed, one after the other: what an earlier one leaves
    behind, such as a compiler's threads, slows all that follow. It also says of each the `iterations` where they are
    known, the `seed` of the rounds and `visit_s`.
    """
    mark(subject.name)
    project = _project(subject)
    parts = project.parts()
    machine = _ready(_machine_step, project, None)
    found: dict[str, Json] = {}
    failed: Json = {}
    for place, name in enumerate(request["parts"]):
        mark(part_mark(place))
        if name not in parts:
            failed[name] = {"status": "error", "reason": "it was there in an earlier process and is not now"}
            continue

        def timed(name: str = name, place: int = place) -> None:
            ready = _ready(parts[name].make, project, request["iterations"].get(name))
            rng = np.random.default_rng([request["seed"], place])
            found[name] = _timed(ready, machine, project, subject.device, rng, request["visit_s"])

        _attempted(project, failed, name, timed)
    return {"steps": found, "failed": failed}


@dataclasses.dataclass(frozen=True)
class _Ready:
    """A step that was called and warmed up: seconds of its first call, calls in a sample, and seconds of a sample."""

    step: rounds.Workload
    first_call_s: float
    iterations: int
    sample_s: float


def _ready(make: Callable[[], rounds.Workload], project: Project, iterations: int | None) -> _Ready:
    """The step that `make` makes; what returns a function has only prepared it."""
    start = rounds.read_clock()
    step = make()
    result = step()
    if callable(result):
        start, step = rounds.read_clock(), result
        result = step()
    wait = _but_for_nothing(project.wait)
    wait(result)
    first = rounds.read_clock() - start
    del result
    calibrated, sample_s, _ = rounds.calibrate(step, wait)
    used = iterations or calibrated
    return _Ready(step, first, used, sample_s / calibrated * used)


def _timed(
    ready: _Ready, machine: _Ready, project: Project, device: str, rng: np.random.Generator, visit_s: float
) -> Json:
    """A step and the reference workload in rounds of their own."""
    both = {WHOLE: ready, _REFERENCE: machine}
    watch = disturbance.Watch(device)
    samples, _ = rounds.run_rounds(
        {name: one.step for name, one in both.items()},
        _but_for_nothing(project.wait),
        {name: one.iterations for name, one in both.items()},
        {name: one.sample_s for name, one in both.items()},
        rng,
        visit_s=visit_s,
    )
    told = {"first_call_s": ready.first_call_s, "iterations": ready.iterations}
    return {**told, "samples": samples[WHOLE], "reference": samples[_REFERENCE], **watch.stop()}


def peaks(subject: ProjectSubject, request: Json, mark: Callable[[str], None]) -> Json:
    """Peak memory of a call of each of the `parts`, with its source; None where nothing tells it."""
    mark(subject.name)
    memory.give_back_pages()
    if subject.backend is not None:
        backends.load(subject.backend).count_memory()
    project = _project(subject)
    parts, found = project.parts(), {}
    failed: Json = {}
    for place, name in enumerate(request["parts"]):

        def read(name: str = name) -> None:
            found[name] = project.peak_bytes(parts[name].make())

        mark(part_mark(place))
        _attempted(project, failed, name, read)
    return {"peaks": found}


_ACTIONS: Mapping[str, Callable[[ProjectSubject, Json, Callable[[str], None]], Json]] = {
    "survey": survey,
    "in_force": told_in_force,
    "visit": visit,
    "memory": peaks,
}


def part_mark(place: int) -> str:
    """What the file of marks calls the part that stands at `place` in a request: its name has several words."""
    return f"part-{place}"


def imported(name: str) -> Callable[[], Any]:
    """The function that `MODULE:FUNCTION` names. Raises RefusedError."""
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except BaseException as error:
        is_missing = isinstance(error, ModuleNotFoundError) and module.startswith(str(error.name))
        name_it = "Install the project there, or name the folder that holds MODULE with --base-path and --head-path"
        raise RefusedError(
            "MODULE must be importable in the interpreter and folder of each side",
            f"{module} ({reason_of(error)})",
            name_it if is_missing else f"Correct it; `python -c 'import {module}'` shows the whole error",
        ) from None
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        there = "no function" if found is None else f"a {type(found).__name__}"
        raise RefusedError("FUNCTION must be a function of MODULE", f"{name}, {there}", "Write it like train:step")
    return found  # type: ignore[no-any-return]


def wait_for(result: Any) -> None:
    """Return when every tensor in nested lists, tuples and dicts has been computed, by whichever framework."""
    for one in _leaves(result):
        if hasattr(one, "block_until_ready"):
            one.block_until_ready()
        elif isinstance(one, concurrent.futures.Future):
            one.result()
        elif getattr(one, "is_cuda", False):
            sys.modules["torch"].cuda.synchronize(one.device)
        elif "GPU" in str(getattr(one, "device", "")):  # as TensorFlow names it
            one.numpy()


def _lazy(result: Any) -> str | None:
    """What of a result has computed nothing yet, in words; None where nothing is of this kind."""
    kinds: tuple[tuple[Callable[[Any], object], str], ...] = (
        (inspect.isawaitable, "something to await"),
        (inspect.isasyncgen, "an asynchronous generator"),
        (inspect.isgenerator, "a generator"),
        (lambda one: isinstance(one, map | filter | zip), "an iterator"),
        (inspect.isroutine, "a function that returns a function"),
    )
    return next((word for one in _leaves(result) for is_one, word in kinds if is_one(one)), None)


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (list, tuple)):
        for part in tree:
            yield from _leaves(part)
    else:
        yield tree


def _project(subject: ProjectSubject) -> Project:
    return StepProject(subject) if subject.backend is None else ModelProject(subject)


def _attempted(project: Project, failed: Json, name: str, action: Callable[[], None]) -> None:
    """Do it; what it raises is an outcome."""
    try:
        action()
    except RefusedError:
        raise
    except SystemExit as error:
        failed[name] = {"status": "error", "reason": f"it ends the process: {reason_of(error)}"}
    except Exception as error:
        failed[name] = {"status": project.status_of(error), "reason": reason_of(error)}


def _but_for_nothing(wait: rounds.Synchronise) -> rounds.Synchronise:
    """`wait`, for what returns something: the reference workload does not."""
    return lambda result: None if result is None else wait(result)


def _machine_step() -> rounds.Workload:
    """A reference workload of some 0.3 ms that no framework takes part in: it shows the machine's speed alone."""
    rng = np.random.default_rng(0)
    matrix, values = rng.standard_normal((48, 48), dtype=np.float32), rng.random(4000)

    def work() -> None:
        np.sort(values)
        for _ in range(10):
            matrix @ matrix  # too small for a thread of its own

    return work


def _has_kernel(layer: Any) -> bool:
    """Whether it is a layer without layers in it, and one of its weights has two axes or more."""
    inner = list(layer._flatten_layers(include_self=False))
    return not inner and any(len(weight.shape) >= _LEAST_AXES for weight in layer.weights)


def _kind(layer: Any, first: Any) -> str:
    """What layers have in common that compute the same, but for their weights."""
    try:
        configured = {name: value for name, value in layer.get_config().items() if name != "name"}
    except Exception:  # a layer of one's own need not have any
        configured = {"shapes": [tuple(weight.shape) for weight in layer.weights]}
    return json.dumps([type(layer).__name__, tuple(first.shape), first.dtype, configured], default=str, sort_keys=True)


def _title(layer: Any, first: Any) -> str:
    """`Conv2D 3x3x4x128 on 28x28x128`: its class, its largest weight, and what it is applied to."""
    weight = max(layer.weights, key=lambda one: (len(one.shape), int(np.prod(one.shape))))
    words = [type(layer).__name__, _extents(weight.shape), "on", _extents(first.shape[1:]) or "one number"]
    for name, usual in _TELLING.items():
        value = getattr(layer, name, usual)
        if value not in (usual, [usual], (usual,)) and set(value if isinstance(value, tuple) else [value]) != {usual}:
            words.append(f"{name.partition('_')[0]} {_extents(value) if isinstance(value, tuple) else value}")
    return " ".join(words)


def _extents(values: Iterable[Any]) -> str:
    return "x".join(map(str, values))


def _numbered(title: str, taken: Iterable[str]) -> str:
    """The title, with a number behind it where others have it."""
    known, number, found = set(taken), 1, title
    while found in known:
        number += 1
        found = f"{title} ({number})"
    return found


def _symbolic(shape: tuple[int, ...], dtype: Any) -> Any:
    import keras

    return keras.KerasTensor(shape, dtype=keras.backend.standardize_dtype(dtype))


if __name__ == "__main__":
    main(sys.argv[1:])
