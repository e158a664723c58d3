"""A Keras model of a project: its whole step, and each kind of layer with a kernel by itself."""

import functools
import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from grouped_bench import backends
from grouped_bench.measure import memory, rounds
from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.models.project.subject import (
    MEMORY_CALLS,
    SETTLING_CALLS,
    WHOLE,
    Project,
    ProjectPart,
    ProjectSubject,
    imported_by,
)
from grouped_bench.measure.models.reading.keras_networks import calls_in, inputs_of
from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.case import format_extents
from grouped_bench.space.facts import Json

# A layer whose weights are all vectors, such as a normalisation, takes next to no time of its own.
_LEAST_AXES = 2
# What of a layer's configuration tells it from others of its kind, beside the shapes, where it is not as usual.
_TELLING = {"groups": 1, "strides": 1, "dilation_rate": 1, "padding": "same"}


class ModelProject(Project):
    """What a factory returns: a Keras model of one input and one output, as it is, and its layers by themselves."""

    def __init__(self, subject: ProjectSubject) -> None:
        assert subject.backend is not None
        self._subject, self._backend = subject, backends.load(subject.backend)
        self._left_out: list[str] = []
        self._wait = self._backend.synchroniser(subject.device)
        with self.on():
            self._model = self._made(imported_by(subject.name))
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

    def on(self) -> AbstractContextManager[Any]:
        """On the device."""
        return self._backend.on(self._subject.device)

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
            for _ in range(SETTLING_CALLS):
                self._wait(step())

        output, *gradients = step()
        self._wait(output)
        sizes = [memory.tensor_bytes(one) for one in (output, *gradients)]
        (example,) = self._inputs
        held = sum(map(memory.tensor_bytes, self._model.weights))
        held += self._subject.batch_size * memory.tensor_bytes(example) + (sizes[0] if gradients else 0)
        del output, gradients
        return memory.peak_bytes(self._backend, step, device, held, sum(sizes), MEMORY_CALLS, settle)

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
        inputs, upstream = self._backend.array(values, first.dtype), None
        if pass_ == "training":
            outputs = layer.compute_output_spec(_symbolic(shape, first.dtype))
            drawn = rng.standard_normal(tuple(map(int, outputs.shape)), dtype=np.float32)
            upstream = self._backend.array(drawn, outputs.dtype)
        return self._backend.step(layer, inputs, upstream, self._subject.execution)


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
    words = [type(layer).__name__, format_extents(weight.shape), "on", format_extents(first.shape[1:]) or "one number"]
    for name, usual in _TELLING.items():
        value = getattr(layer, name, usual)
        if value not in (usual, [usual], (usual,)) and set(value if isinstance(value, tuple) else [value]) != {usual}:
            words.append(f"{name.partition('_')[0]} {format_extents(value) if isinstance(value, tuple) else value}")
    return " ".join(words)


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
