"""JAX: compiled by XLA or called operation by operation, on Keras layers and its native convolution."""

import functools
import importlib.metadata
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from grouped_bench.backends.base import (
    XLA_THREAD,
    Backend,
    Device,
    Operands,
    Step,
    Tensor,
    copy_memory,
    device_index,
    nothing,
    threads_named,
    usable_processors,
)
from grouped_bench.backends.convolutions import jax as convolutions
from grouped_bench.backends.convolutions.depthwise import define_depthwise
from grouped_bench.space.facts import Json

Differentiated = Callable[..., tuple[tuple[Tensor, ...], list[Tensor]]]
# As LLVM calls them, highest first.
_VECTORS = (
    *("amx-fp16", "amx-bf16", "amx-int8", "avx10.2", "avx10.1", "avx512fp16", "avx512bf16", "avx512vnni", "avx512f"),
    *("avxvnni", "avx2", "avx", "sme", "sve2", "sve", "i8mm", "bf16", "neon"),
)
# XLA's thread pools read these, the first before the second.
_THREAD_VARIABLES = ("PJRT_NPROC", "NPROC")


class Jax(Backend):
    """Keras on JAX; `execution` says whether `jax.jit` compiles the step or each operation runs by itself."""

    name = "jax"
    module = "jax"
    executions = ("xla", "eager")
    variables: ClassVar[dict[str, str]] = {"KERAS_BACKEND": "jax"}
    convolution_code = (convolutions.define_convolution,)
    depthwise_code = (*convolution_code, define_depthwise)
    composed_code = (convolutions.define_composed,)

    def load(self, threads: int | None = None, *, tf32: bool | None = None) -> None:
        import jax
        import keras  # noqa: F401

        # Calls on the CPU end with their work, so that two never overlap.
        jax.config.update("jax_cpu_enable_async_dispatch", False)
        if threads is not None:
            os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
        if tf32 is not None:
            jax.config.update("jax_default_matmul_precision", "tensorfloat32" if tf32 else "highest")

    def allow_float64(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)

    def devices(self) -> list[Device]:
        found = []
        for kind in ("cpu", "gpu"):
            for index, device in enumerate(_devices(kind)):
                found.append(Device(f"{kind}:{index}", device.device_kind if kind == "gpu" else ""))
        return found

    def facts(self) -> Json:
        import jax
        import keras

        asked = next((os.environ[name] for name in _THREAD_VARIABLES if name in os.environ), "")
        return {
            "keras": keras.version(),
            "jaxlib": importlib.metadata.version("jaxlib"),
            # 0: as many as there are usable processors.
            "threads": int(asked) if asked.isdecimal() else 0,
            "usable_processors": usable_processors(),
            "matmul_precision": jax.config.jax_default_matmul_precision,
        }

    def in_force(self, folder: Path) -> Json:
        import jax
        import jax.numpy as jnp

        with self.on("cpu"):
            compiled = jax.jit(lambda x: x @ x).lower(jnp.ones((8, 8))).compile()
        return {
            "xla_isa": _target(compiled.runtime_executable().serialize()),
            "threads": {"xla": threads_named(XLA_THREAD)},
            "tf32": jax.config.jax_default_matmul_precision,
        }

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        import jax

        with jax.default_device(_devices(device.partition(":")[0])[device_index(device)]):
            yield

    def array(self, values: np.ndarray, dtype: str) -> Tensor:
        import jax.numpy as jnp

        # asarray may borrow NumPy's memory. A call whose inputs are still being copied is queued, and so are those
        # behind it: none of them would end with its work.
        return jnp.array(values, dtype, copy=True).block_until_ready()

    def overwrite(self, tensor: Tensor, values: np.ndarray, dtype: str) -> None:
        """Put `values`, as `dtype`, where those of `tensor` lie, at the address that JAX tells."""
        if tensor.platform() != "cpu":
            raise NotImplementedError(f"no process writes into the memory of a {tensor.platform()}")
        source = self.array(values, dtype)
        copy_memory(tensor.unsafe_buffer_pointer(), source.unsafe_buffer_pointer(), tensor.nbytes)

    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        return np.asarray(tensor).astype(np.float64)

    def has_group_gradients(self) -> bool:
        import jax

        # XLA on a processor makes of it a convolution of all pairs of groups.
        device = jax.config.jax_default_device
        return bool(getattr(device, "platform", device or jax.default_backend()) != "cpu")

    def step(self, layer: Any, inputs: Tensor, upstream: Tensor | None, execution: str) -> Step:
        """The weights of `layer` are arguments, beside `inputs` and `upstream`; `execution` xla compiles the whole."""
        weights = tuple(variable.value for variable in layer.trainable_variables)
        operands = Operands(weights, inputs, upstream)
        return _JaxStep(_function(layer, upstream is not None, execution), layer, operands)

    def copies(self, operands: Operands, count: int) -> list[Operands]:
        import jax.numpy as jnp

        def copied() -> Operands:
            upstream = None if operands.upstream is None else jnp.copy(operands.upstream)
            return Operands(tuple(map(jnp.copy, operands.weights)), jnp.copy(operands.inputs), upstream)

        return [copied() for _ in range(count)]

    def copied_steps(self, layer: Any, copies: Sequence[Operands], execution: str) -> list[Step]:
        """One function of `layer`, by `execution`; each of `copies` supplies its arguments."""
        function = _function(layer, copies[0].upstream is not None, execution)
        steps: list[Step] = [_JaxStep(function, layer, copy) for copy in copies]
        for variable in layer.trainable_variables:
            variable.assign(np.full(variable.shape, np.nan))
        return steps

    def synchroniser(self, device: str) -> Callable[[Any], None]:
        import jax

        if device.startswith("cpu"):
            return nothing
        wait: Callable[[Any], None] = jax.block_until_ready  # a device computes in the order in which it was asked
        return wait

    def memory_source(self, device: str) -> str:
        return "compiler"

    def peak_memory(self, step: Step, device: str, held: int) -> int | None:
        """What XLA planned for `step`: arguments, outputs and temporaries; None where nothing is compiled.

        `held` is among them. The peak that `device` reports cannot be reset, and includes what compiling and tuning
        took.
        """
        return step.planned_bytes if isinstance(step, _JaxStep) else None

    def status_of(self, error: Exception) -> str:
        told = str(error)
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in told:
            return "oom"
        refused = isinstance(error, (NotImplementedError, ValueError, TypeError))
        return "unsupported" if refused or "UNIMPLEMENTED" in told or "INVALID_ARGUMENT" in told else "error"


def _target(executable: bytes) -> str | None:
    """The vector instructions that XLA compiled for, highest first; None where an executable does not list them."""
    has = {name.decode() for name in re.findall(rb"\+([a-z0-9.-]+)", executable)}
    return " ".join(name for name in _VECTORS if name in has) or None


def _devices(kind: str) -> list[Any]:
    """Devices of a kind; none where JAX has no backend for it."""
    import jax

    try:
        return list(jax.devices(kind))
    except RuntimeError:
        return []


def _function(layer: Any, training: bool, execution: str) -> Differentiated:
    """The pass as a function of weights, other variables, input and, for training, upstream gradient.

    Besides its results it returns what the layer's other variables become, or a compiler would leave out their update.
    """
    import jax
    import keras

    def called(
        weights: Sequence[Tensor], others: Sequence[Tensor], x: Tensor, **how: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """What `layer` makes of `x` with the values `weights` and `others`, and what its other variables become."""
        values = zip((*layer.trainable_variables, *layer.non_trainable_variables), (*weights, *others), strict=True)
        # Not `stateless_call`, which calls the layer without Keras' casts of inputs and weights.
        with keras.StatelessScope(list(values)) as scope:
            y = layer(x, **how)
        return y, [scope.get_current_value(variable) for variable in layer.non_trainable_variables]

    def inference(weights: Sequence[Tensor], others: Sequence[Tensor], x: Tensor) -> tuple[tuple[Tensor], list[Tensor]]:
        """(y,) from `x`, `weights` and `others`, and what the layer's other variables become."""
        y, updated = called(weights, others, x)
        return (y,), updated

    def trained(
        weights: Sequence[Tensor], others: Sequence[Tensor], x: Tensor, dy: Tensor
    ) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """(y, dx, *dweights) from `x`, `weights`, `others` and `dy`, and what the layer's other variables become."""
        y, back, updated = jax.vjp(
            lambda weights, x: called(weights, others, x, training=True), weights, x, has_aux=True
        )
        dweights, dx = back(dy)
        return (y, dx, *dweights), updated

    function: Differentiated = trained if training else inference
    return jax.jit(function) if execution == "xla" else function


class _JaxStep:
    """A function of one pass with what it reads."""

    def __init__(self, function: Differentiated, layer: Any, operands: Operands) -> None:
        others = [variable.value for variable in layer.non_trainable_variables]
        self._function, self._arguments = function, (operands.weights, others, *operands.arguments())

    def __call__(self) -> tuple[Tensor, ...]:
        return self._function(*self._arguments)[0]

    @functools.cached_property
    def planned_bytes(self) -> int | None:
        """Bytes that the compiler planned for a call; None where nothing is compiled."""
        if not hasattr(self._function, "lower"):
            return None
        planned = self._function.lower(*self._arguments).compile().memory_analysis()
        used = planned.argument_size_in_bytes + planned.output_size_in_bytes + planned.temp_size_in_bytes
        return int(used - planned.alias_size_in_bytes)


BACKEND = Jax()
