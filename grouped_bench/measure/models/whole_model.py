"""A whole network beside its copy with other layers: proved to be the same function, timed in turns, and saved."""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend, Step, Tensor
from grouped_bench.measure import memory, rounds
from grouped_bench.measure.machine import disturbance
from grouped_bench.measure.models.copies import in_float64, replaced, same_state
from grouped_bench.space.facts import Json
from grouped_bench.variants.models import built_in, folding

ORIGINAL, FASTER = "original", "faster"
_EXACT, _PARTED = "exact", "parted"
# Results that do not depend on which layers have the weights.
_FREE = ("output", "gradient of the input")
# A copy may be so many times as far from the float64 result as the original is, and of what comes out exactly some
# roundings of the dtype of the arithmetic.
_FACTOR, _ROUNDINGS = 4.0, 16.0
_EPSILON = {"float32": 2.0**-23, "bfloat16": 2.0**-7, "float16": 2.0**-10, "float64": 2.0**-52}
_INPUTS = 3
_NEXT_TO_NOTHING = 1e-2
# What makes a layer random in training, where it draws.
_RANDOM = ("rate", "stddev", "drop_path_rate")
_DRAWS = ("seed_generator", "generator", "drop_path_rate")
# Beyond this the original's own rounding says nothing of a copy.
_MOST_ERROR = 0.1
_VISIT_S = 1.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a worker is asked about.

    Args:
        file: path of the original, as `model.save` wrote it.
        making: source of the module whose `replace_layers` makes the copy; empty where there is none.
        folds: names of the parts that are folded before, as `variants.models.folding` calls them.
        input_shape: extents of an example; None for the model's own.
        batch_size: examples a call.
        pass_: `inference` or `training`.
        execution, device: how and where.
        seed: of inputs and upstream gradients.
    """

    file: str
    making: str = ""
    folds: tuple[str, ...] = ()
    input_shape: tuple[int, ...] | None = None
    batch_size: int = 1
    pass_: str = "inference"
    execution: str = ""
    device: str = "cpu"
    seed: int = 0

    @classmethod
    def of(cls, request: Json) -> "Subject":
        """What a request says."""
        shape, folds = request.get("input_shape"), request.get("folds", ())
        return cls(**{**request, "input_shape": None if shape is None else tuple(shape), "folds": tuple(folds)})


def prove(backend: Backend, subject: Subject) -> Json:
    """Compare output and all gradients of both with a float64 copy of the original, at three random inputs.

    Returns `error`, the relative error of the copy's output, and whether `gradients` were compared; where an error is
    not allowed `status` and `reason`.
    """
    backend.allow_float64()
    subject = dataclasses.replace(subject, batch_size=_INPUTS)
    with backend.on(subject.device):
        models = _both(subject)
        if subject.folds:
            models = {_PARTED: models[ORIGINAL], **models, ORIGINAL: folding.folded(models[ORIGINAL], subject.folds)}
        models[_EXACT] = in_float64(models[ORIGINAL])
        is_calm = _calmed(list(models.values()))
        found: Json = {"gradients": is_calm}
        for pass_ in ("inference", "training") if is_calm else ("inference",):
            same_state(*(model for name, model in models.items() if name != _PARTED))
            one = dataclasses.replace(subject, pass_=pass_)
            told = {
                name: _results(backend, model, one, models[ORIGINAL])
                for name, model in models.items()
                if name != _PARTED
            }
            why = _wrong(told, _epsilon(models[ORIGINAL]))
            if why is None and _PARTED in models:
                why = _wrong(_of_parts(told, backend, models[_PARTED], one), _epsilon(models[ORIGINAL]))
            if why:
                return {"status": "incorrect", "reason": f"{pass_}: {why}"}
            found.setdefault("error", _errors(told)["output"][0])
        return found


def _of_parts(
    told: Mapping[str, Mapping[str, np.ndarray]], backend: Backend, parted: Any, subject: Subject
) -> dict[str, dict[str, np.ndarray]]:
    """What has no weights among the results, with the network before it was folded in the place of the copy."""
    own = _results(backend, parted, subject, parted)
    return {
        side: {name: values for name, values in results.items() if name in _FREE}
        for side, results in {**told, FASTER: own}.items()
    }


def check(subject: Subject) -> Json:
    """Whether the network can be rebuilt and called: `status` and `reason` where not."""
    import keras

    model = _loaded(subject)
    keras.models.clone_model(model)
    inputs, outputs = model.inputs, model.outputs
    if len(inputs) != 1 or len(outputs) != 1 or not hasattr(model.output, "shape"):
        found = f"{len(inputs)} inputs and {len(outputs)} outputs, or a list of one"
        return {
            "status": "unsupported",
            "reason": f"a network of one input and one output can be timed; it has {found}",
        }
    if "float" not in inputs[0].dtype:
        return {"status": "unsupported", "reason": f"its input must be of floating point; it is {inputs[0].dtype}"}
    return {}


def visit(backend: Backend, subject: Subject, expected_s: dict[str, float], only: str | None = None) -> Json:
    """Time steps of the network and its copy, if there is one, in turns, in a process that has computed nothing before.

    Returns samples by round, `first_calls_s` and what disturbed the visit.

    Args:
        backend: loaded.
        subject: what is timed.
        expected_s: what a step of each took in an earlier process; empty in the first.
        only: which of both, by its name; None for both.
    """
    synchronise, clock = backend.synchroniser(subject.device), rounds.read_clock
    with backend.on(subject.device):
        models = {name: model for name, model in _both(subject).items() if only in (None, name)}
        steps: dict[str, Step] = {}
        first: dict[str, float] = {}
        iterations: dict[str, int] = {}
        seconds: dict[str, float] = {}
        order = np.random.default_rng(subject.seed).permutation(list(models))
        for name in map(str, order):
            inputs, upstream = _operands(backend, models[name], subject)
            steps[name] = backend.step(models[name], inputs, upstream, subject.execution)
            start = clock()
            synchronise(steps[name]())
            first[name] = clock() - start
            known = expected_s.get(name)
            if known is not None and known > rounds.DEAR_S:
                iterations[name], seconds[name] = 1, known
            else:
                iterations[name], seconds[name], _ = rounds.calibrate(steps[name], synchronise)
        watch = disturbance.Watch(subject.device)
        rng = np.random.default_rng(subject.seed)
        samples, _ = rounds.run_rounds(steps, synchronise, iterations, seconds, rng, visit_s=_VISIT_S)
        return {"samples": samples, "first_calls_s": first, **watch.stop()}


def operations(backend: Backend, subject: Subject) -> Json:
    """Seconds of a warmed-up step of each by kind of operation; empty where the backend does not tell."""
    with backend.on(subject.device):
        found = {}
        for name, model in _both(subject).items():
            inputs, upstream = _operands(backend, model, subject)
            found[name] = backend.operations(backend.step(model, inputs, upstream, subject.execution))
        return {"operations": found}


def peak_memory(backend: Backend, subject: Subject, name: str) -> Json:
    """Peak bytes of a warmed-up step of one of both as the framework counts them, None where it does not."""
    with backend.on(subject.device):
        model = _loaded(subject) if name == ORIGINAL else replaced(_loaded(subject), subject.making, subject.folds)
        inputs, upstream = _operands(backend, model, subject)
        step = backend.step(model, inputs, upstream, subject.execution)
        backend.synchroniser(subject.device)(step())
        held = sum(map(memory.tensor_bytes, (inputs, *([] if upstream is None else [upstream]), *model.weights)))
        return {"peak_bytes": backend.peak_memory(step, subject.device, held)}


def _both(subject: Subject) -> dict[str, Any]:
    original = _loaded(subject)
    if not subject.making:
        return {ORIGINAL: original}
    return {ORIGINAL: original, FASTER: replaced(original, subject.making, subject.folds)}


def _loaded(subject: Subject) -> Any:
    """The original, not compiled."""
    import keras

    return keras.models.load_model(subject.file, compile=False)


def _calmed(models: list[Any]) -> bool:
    """Switch off what is random in training; whether nothing random is left that cannot be switched off."""
    is_calm = True
    for layer in (layer for model in models for layer in model._flatten_layers()):
        if not any(hasattr(layer, name) for name in _DRAWS):
            continue
        known = [name for name in _RANDOM if hasattr(layer, name)]
        is_calm &= bool(known)
        for name in known:
            setattr(layer, name, 0.0)
    return is_calm


def _results(backend: Backend, model: Any, subject: Subject, original: Any) -> dict[str, np.ndarray]:
    """Output and, in training, all gradients of a model as float64, those of its weights as the original has them.

    By their places: a copy has other paths where models are nested, and two weights may have one.
    """
    inputs, upstream = _operands(backend, model, subject)
    step = backend.step(model, inputs, upstream, subject.execution)
    output, *gradients = map(backend.to_numpy, step())
    if upstream is None:
        return {"output": output}
    of_input, *of_weights = gradients
    names = ["output", "gradient of the input", *(f"gradient of {one.path}" for one in original.trainable_variables)]
    numbered = [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names)]
    return dict(zip(numbered, (output, of_input, *_as_original(original, model, of_weights)), strict=True))


def _as_original(original: Any, model: Any, gradients: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Gradients of a model's weights in the places and shapes that the original's have."""
    found: list[np.ndarray] = []
    rest = iter(gradients)
    seen: set[int] = set()
    for _, layer in built_in.pairs(original, model):
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        own = list(itertools.islice(rest, len(layer.trainable_variables)))
        found += built_in.as_keras(layer, own) if own and built_in.form_in(layer.name) else own
    return found


def _operands(backend: Backend, model: Any, subject: Subject) -> tuple[Tensor, Tensor | None]:
    """Standard normal inputs and, for training, the upstream gradient."""
    rng = np.random.default_rng(subject.seed)
    (own,), (output,) = model.inputs, model.outputs
    shape = (subject.batch_size, *(subject.input_shape or own.shape[1:]))
    x = rng.standard_normal(shape, dtype=np.float32)
    # What Keras says of an output is not what comes out of a bare operation on float64.
    is_exact = any(layer.compute_dtype == "float64" for layer in model._flatten_layers(include_self=False))
    inputs = backend.array(x, "float64" if is_exact else own.dtype)
    if subject.pass_ != "training":
        return inputs, None
    upstream = rng.standard_normal(model.compute_output_shape(shape), dtype=np.float32)
    return inputs, backend.array(upstream, "float64" if is_exact else output.dtype)


def _epsilon(model: Any) -> float:
    """The coarsest rounding of the arithmetic of a model's layers."""
    return max(_EPSILON.get(layer.compute_dtype, 0.0) for layer in model._flatten_layers(include_self=False))


def _wrong(told: Mapping[str, Mapping[str, np.ndarray]], epsilon: float) -> str | None:
    """The result of the copy that is furthest beyond what is allowed, in words; None where all are as they must be."""
    errors = _errors(told)
    vague = [name for name, (_, of_original) in errors.items() if not of_original <= _MOST_ERROR]
    if vague:
        return (
            f"{vague[0]}: the original itself is {errors[vague[0]][1]:.2g} from float64, which says nothing of a copy"
        )
    limits = {name: _FACTOR * of_original + _ROUNDINGS * epsilon for name, (_, of_original) in errors.items()}
    name = max(limits, key=lambda one: errors[one][0] / limits[one])
    error, limit = errors[name][0], limits[name]
    return None if error <= limit else f"{name}: relative error {error:.2g} against float64, {limit:.2g} allowed"


def _errors(told: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, tuple[float, float]]:
    """Of each result the relative errors of copy and original, in Euclidean norm; infinite where one is no number.

    A gradient that is next to nothing beside the others, as that of a bias before a normalisation, is compared with
    them.
    """
    exact = told[_EXACT]
    typical = math.sqrt(sum(float(np.sum(one**2)) for one in exact.values()) / sum(one.size for one in exact.values()))

    def error(name: str, model: str) -> float:
        least = _NEXT_TO_NOTHING * typical * math.sqrt(exact[name].size)
        size = max(float(np.linalg.norm(exact[name])), least) or 1.0
        found = float(np.linalg.norm(told[model][name] - exact[name])) / size
        return found if math.isfinite(found) else math.inf

    return {name: (error(name, FASTER), error(name, ORIGINAL)) for name in exact}
