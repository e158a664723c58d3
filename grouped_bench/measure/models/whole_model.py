"""A whole network beside its copy with other layers: proved to be the same function, timed in turns, and saved."""

import dataclasses
import math
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend, Step, Tensor
from grouped_bench.measure import memory, rounds
from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.machine import disturbance
from grouped_bench.space.facts import Json

ORIGINAL, FASTER = "original", "faster"
_EXACT = "exact"
LAYERS = "grouped_layers"
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
        making: source of the module whose `replace_layers` makes the copy.
        input_shape: extents of an example; None for the model's own.
        batch_size: examples a call.
        pass_: `inference` or `training`.
        execution, device: how and where.
        seed: of inputs and upstream gradients.
    """

    file: str
    making: str
    input_shape: tuple[int, ...] | None
    batch_size: int
    pass_: str
    execution: str
    device: str
    seed: int

    @classmethod
    def of(cls, request: Json) -> "Subject":
        """What a request says."""
        shape = request["input_shape"]
        return cls(**{**request, "input_shape": None if shape is None else tuple(shape)})


def prove(backend: Backend, subject: Subject) -> Json:
    """Compare output and all gradients of both with a float64 copy of the original, at three random inputs.

    Returns `error`, the relative error of the copy's output, and whether `gradients` were compared; where an error is
    not allowed `status` and `reason`.
    """
    backend.allow_float64()
    subject = dataclasses.replace(subject, batch_size=_INPUTS)
    with backend.on(subject.device):
        models = _both(subject)
        models[_EXACT] = _in_float64(models[ORIGINAL])
        is_calm = _calmed(list(models.values()))
        found: Json = {"gradients": is_calm}
        for pass_ in ("inference", "training") if is_calm else ("inference",):
            same_state(*models.values())
            one = dataclasses.replace(subject, pass_=pass_)
            names = [f"gradient of {weight.path}" for weight in models[ORIGINAL].trainable_variables]
            told = {name: _results(backend, model, one, names) for name, model in models.items()}
            why = _wrong(told, _epsilon(models[ORIGINAL]))
            if why:
                return {"status": "incorrect", "reason": f"{pass_}: {why}"}
            found.setdefault("error", _errors(told)["output"][0])
        return found


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


def visit(backend: Backend, subject: Subject, expected_s: dict[str, float]) -> Json:
    """Time steps of both in turns, in a process that has computed nothing before.

    Returns samples by round, `first_calls_s` and what disturbed the visit.

    Args:
        backend: loaded.
        subject: what is timed.
        expected_s: what a step of each took in an earlier process; empty in the first.
    """
    synchronise, clock = backend.synchroniser(subject.device), rounds.read_clock
    with backend.on(subject.device):
        models = _both(subject)
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


def peak_memory(backend: Backend, subject: Subject, name: str) -> Json:
    """Peak bytes of a warmed-up step of one of both as the framework counts them, None where it does not."""
    with backend.on(subject.device):
        model = _loaded(subject) if name == ORIGINAL else replaced(_loaded(subject), subject.making)
        inputs, upstream = _operands(backend, model, subject)
        step = backend.step(model, inputs, upstream, subject.execution)
        backend.synchroniser(subject.device)(step())
        held = sum(map(memory.tensor_bytes, (inputs, *([] if upstream is None else [upstream]), *model.weights)))
        return {"peak_bytes": backend.peak_memory(step, subject.device, held)}


def convert(subject: Subject, path: str) -> Json:
    """Save the copy, compiled and with the state of the optimizer as far as the original's file has them.

    Returns `uncompiled`: why the copy is not compiled although the original was; None where it is like it.
    """
    import keras

    why = None
    try:
        original = keras.models.load_model(subject.file)
        faster = replaced(original, subject.making)
        compile_like(original, faster)
    except Exception as problem:  # a loss or metric of one's own is not in the file
        why = reason_of(problem)
        faster = replaced(_loaded(subject), subject.making)
    faster.save(path)
    return {"uncompiled": why}


def replaced(model: Any, making: str) -> Any:
    """A copy of a Functional or Sequential model by the module `making`, its weights included."""
    module = types.ModuleType(LAYERS)
    sys.modules[LAYERS] = module
    exec(compile(making, f"{LAYERS}.py", "exec"), vars(module))
    return module.replace_layers(model)


def unchanged(model: Any) -> Any:
    """A copy of a Functional or Sequential model, with its weights, that is not compiled."""
    import keras

    compiled, model.compiled = model.compiled, False
    try:
        copy = keras.models.clone_model(model)
    finally:
        model.compiled = compiled
    same_state(model, copy)
    return copy


def compile_like(original: Any, copy: Any) -> None:
    """Compile `copy` as `original` was, and give it the state of its optimizer."""
    config = original.get_compile_config() if getattr(original, "compiled", False) else None
    if not config:
        return
    copy.compile_from_config(config)
    ours, theirs = original.optimizer, copy.optimizer
    if ours is None or not ours.built:
        return
    theirs.build(copy.trainable_variables)
    _assign(theirs.variables, ours.variables)


def same_state(original: Any, *others: Any) -> None:
    """Give every variable of the others the value that it has in the original: weights, averages, seeds."""
    import keras

    for other in others:
        _assign(other.variables, original.variables)
        for layer in other._flatten_layers():
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()


def _assign(variables: Sequence[Any], sources: Sequence[Any]) -> None:
    """Give each variable the value of its source, as an array of its own: a step of JAX's takes those that it has."""
    import keras

    for variable, source in zip(variables, sources, strict=True):
        variable.assign(keras.ops.convert_to_numpy(source))


def _both(subject: Subject) -> dict[str, Any]:
    original = _loaded(subject)
    return {ORIGINAL: original, FASTER: replaced(original, subject.making)}


def _loaded(subject: Subject) -> Any:
    """The original, not compiled."""
    import keras

    return keras.models.load_model(subject.file, compile=False)


def _in_float64(model: Any) -> Any:
    """A copy that computes in float64."""
    import keras

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Layer):  # and no bare operation
            config["dtype"] = "float64"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone, recursive=True)


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


def _results(backend: Backend, model: Any, subject: Subject, gradients: Sequence[str]) -> dict[str, np.ndarray]:
    """Output and, in training, all gradients of a model as float64, those of its weights by the names `gradients`.

    By their places: a copy has other paths where models are nested, and two weights may have one.
    """
    inputs, upstream = _operands(backend, model, subject)
    step = backend.step(model, inputs, upstream, subject.execution)
    names = ["output", *(["gradient of the input", *gradients] if upstream is not None else [])]
    numbered = [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names)]
    return dict(zip(numbered, map(backend.to_numpy, step()), strict=True))


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
