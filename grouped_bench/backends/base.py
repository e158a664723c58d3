"""What a backend must offer: native convolution, compiled steps, synchronisation, devices and memory."""

import contextlib
import ctypes
import dataclasses
import functools
import importlib.metadata
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from grouped_bench.backends.code import Code, define
from grouped_bench.space.case import Case
from grouped_bench.space.facts import Json

Tensor = Any
Step = Callable[[], Sequence[Tensor]]
TensorFunction = Callable[..., tuple[Tensor, ...]]
# The names of a process' threads, where Linux has them.
_THREADS = Path("/proc/self/task")
# What XLA calls the threads of its pool, whoever compiled.
XLA_THREAD = "tf_XLAEigen"


@dataclasses.dataclass(frozen=True)
class Operands:
    """What one call reads: weights in the order of the layer's variables, input and, for training, upstream gradient.

    `weights` are tensors, or what the backend keeps weights in.
    """

    weights: tuple[Tensor, ...]
    inputs: Tensor
    upstream: Tensor | None

    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, weights first."""
        return (*self.weights, *self.arguments())

    def arguments(self) -> tuple[Tensor, ...]:
        """All but the weights."""
        return (self.inputs,) if self.upstream is None else (self.inputs, self.upstream)


@dataclasses.dataclass(frozen=True)
class Device:
    """A device that a backend sees: its name in options and its model."""

    name: str
    model: str


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A kernel on a GPU, or an operator on a processor: its name, how often a call ran it, and the seconds of all."""

    name: str
    count: int
    seconds: float


class Backend(ABC):
    """One framework below Keras.

    Everything that touches a device runs in a worker; `installed`, `version` and `variables` run anywhere.
    """

    name: str
    module: str
    executions: tuple[str, ...]
    variables: ClassVar[dict[str, str]] = {}
    # Variables whose values may make another variant the fastest, with those that are worth a try.
    environments: ClassVar[dict[str, tuple[str, ...]]] = {}
    # Code that defines `convolution` and `depthwise`, the framework's own.
    convolution_code: ClassVar[Code]
    depthwise_code: ClassVar[Code]
    # That of `composed`, a convolution with the gradients of others; whether XLA may compile some of them by itself.
    composed_code: ClassVar[Code]
    compiles_parts: ClassVar[bool] = False
    # Memory formats in which it computes by plain modules of its own, besides layers of Keras.
    layouts: ClassVar[tuple[str, ...]] = ()
    # Whether a processor may refuse what another one computes.
    refuses_by_processor: ClassVar[bool] = False
    # That of `placed`, where the parts of a step may be on several devices.
    placement_code: ClassVar[Code] = ()

    def installed(self) -> bool:
        """Whether the framework can be found, without importing it."""
        return importlib.util.find_spec(self.module) is not None

    def version(self) -> str:
        """Version of the installed framework."""
        return importlib.metadata.version(self.module)

    def other_environments(self) -> list[str]:
        """Values of `environments` that are not in force here, as `variables.described` writes them."""
        return []

    @abstractmethod
    def load(self, threads: int | None = None, *, tf32: bool | None = None) -> None:
        """Import the framework and Keras on it; touch no device, start no thread pool.

        Args:
            threads: that compute; None leaves the number to the framework.
            tf32: whether a GPU may round float32 operands to TensorFloat-32; None leaves it to the framework.
        """

    @abstractmethod
    def devices(self) -> list[Device]:
        """The devices there are, every CPU and GPU once."""

    @abstractmethod
    def facts(self) -> Json:
        """Facts of this backend's set-up that may change an answer, as plain values."""

    @abstractmethod
    def in_force(self, folder: Path) -> Json:
        """What this process really uses, as its libraries report it: plain values, None where one does not.

        `onednn`, `xla_isa`, `instruction_set`, `threads`, `tf32`, each where the backend has it. It computes something
        small by every library, so it is asked in a process that has computed nothing and does nothing else. A flag that
        XLA does not know ends that process.

        Args:
            folder: an empty one, for what a library writes to report it.
        """

    @abstractmethod
    def on(self, device: str) -> AbstractContextManager[Any]:
        """A context in which arrays, weights and steps are placed on `device`."""

    @abstractmethod
    def array(self, values: np.ndarray, dtype: str) -> Tensor:
        """`values` as a tensor of `dtype`, in memory that the framework allocated."""

    def laid_out(self, tensor: Tensor, layout: str | None) -> Tensor:
        """`tensor` in the memory format of one of `layouts`; itself for None."""
        return tensor

    def plain_layer(self, made: Any, layout: str) -> Any:
        """A plain module, on the device of `on` and in a memory format, as `step` takes layers."""
        raise NotImplementedError(f"{self.name} has layers of Keras alone")

    def empty_module(self, layout: str) -> Any:
        """A plain module that computes nothing, as `plain_layer` makes one."""
        raise NotImplementedError(f"{self.name} has layers of Keras alone")

    @abstractmethod
    def overwrite(self, tensor: Tensor, values: np.ndarray, dtype: str) -> None:
        """Put `values` into the memory of `tensor`, which `array` made of as many, in `dtype`.

        Nothing but its values tells who holds the tensor that it is another one.

        Raises:
            NotImplementedError: its memory is a device's that this process cannot write to.
        """

    @abstractmethod
    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        """`tensor` as float64."""

    def convolution(self, inputs: Tensor, kernel: Tensor, case: Case) -> Tensor:
        """The framework's own convolution; the number of groups follows from the kernel's input channels.

        Args:
            inputs: in the case's shape and data format.
            kernel: (*k, Cin/G, Cout).
            case: its geometry.
        """
        return self._convolution(inputs, kernel, case.stride, case.padding, case.data_format, case.dilation)

    @functools.cached_property
    def _convolution(self) -> Callable[..., Tensor]:
        found: Callable[..., Tensor] = define(self.convolution_code)
        return found

    def has_group_gradients(self) -> bool:
        """Whether the gradient of a grouped convolution's kernel is computed by groups on the device of `on`."""
        return True

    @abstractmethod
    def step(self, layer: Any, inputs: Tensor, upstream: Tensor | None, execution: str) -> Step:
        """The function of one pass, as a callable without arguments.

        Inference returns (y,). Training returns (y, dx, *dweights), the gradients of sum(y · upstream), the last in the
        order of the layer's trainable variables.

        Args:
            layer: a Keras layer, built.
            inputs: in the layer's input shape.
            upstream: upstream gradient, in its output shape, for training; None for inference.
            execution: one of `executions`.
        """

    @abstractmethod
    def copies(self, operands: Operands, count: int) -> list[Operands]:
        """`count` copies of `operands`, each in memory of its own that the framework allocated."""

    @abstractmethod
    def copied_steps(self, layer: Any, copies: Sequence[Operands], execution: str) -> list[Step]:
        """Steps as `step` makes them, each of which reads a copy instead of the layer's weights; one trace serves all.

        The layer's own weights are NaN afterwards, so that a step which still read them would be found incorrect.

        Args:
            layer: a Keras layer, built.
            copies: what each step reads, as `copies` returns it.
            execution: one of `executions`.
        """

    @abstractmethod
    def synchroniser(self, device: str) -> Callable[[Any], None]:
        """A function that is given what a step returned on `device` and returns when it, and every piece of work queued
        there before it, has finished.

        It is part of every sample, so where calls end with their work it must cost nothing.
        """

    def allow_float64(self) -> None:  # noqa: B027  # most have nothing to do
        """Have this process compute float64 in float64, where that must be chosen before the first tensor."""

    def count_memory(self) -> None:  # noqa: B027  # most have nothing to do
        """Have the allocator of the processor keep statistics, where that must be chosen before the first tensor.

        Called in the process of a memory reading alone, after the import and before anything touches a device; what is
        timed keeps the framework's own allocator.
        """

    def memory_source(self, device: str) -> str:
        """The source of `peak_memory` on `device`: `allocator`, `compiler` or `counted`.

        An allocator keeps statistics, a compiler planned what the step allocates, and `counted` are allocations that a
        profiler saw one by one.
        """
        return "allocator"

    def exact_pool(self, size: int, device: str) -> AbstractContextManager[Any]:
        """A context in which the allocator of `device` counts no more for a block than was asked, up to its rounding.

        Args:
            size: bytes, many times those of a call, that its pool may grow by to that end.
            device: whose pool.
        """
        return contextlib.nullcontext()

    @abstractmethod
    def peak_memory(self, step: Step, device: str, held: int) -> int | None:
        """Peak bytes of one call, as the framework itself counts them; None where it does not.

        Args:
            step: warmed up.
            device: where it runs.
            held: bytes of inputs and weights, for a backend that counts only what the call itself allocates.
        """

    def operations(self, step: Step) -> dict[str, float]:
        """Seconds of one call on a processor by kind of operation; empty where the backend has nothing to ask.

        Operations run at the same time, so their sum may exceed the call.
        """
        return {}

    def kernels(self, step: Step, device: str) -> list[Kernel]:
        """The kernels that one call ran on a GPU, or the framework's operators on a processor.

        Empty where the backend has nothing to ask.
        """
        return []

    @abstractmethod
    def status_of(self, error: Exception) -> str:
        """The status that an exception stands for: `unsupported` (NotImplementedError too), `oom` or `error`."""


def product_layer(size: int, dtype: str) -> Any:
    """A Keras layer that multiplies a square matrix of `size` rows by its kernel, which is 0."""
    import keras

    layer = keras.layers.Dense(size, use_bias=False, kernel_initializer="zeros", dtype=dtype)
    layer.build((size, size))
    return layer


def stream_layer(dtype: str) -> Any:
    """A Keras layer that reads each number once, and writes one, with next to no arithmetic."""
    import keras

    return keras.layers.Activation("relu", dtype=dtype)


def empty_layer(dtype: str) -> Any:
    """A Keras layer that computes nothing."""
    import keras

    return keras.layers.Activation("linear", dtype=dtype)


def nothing(_: Any) -> None:
    """What a step returned is there already."""


def usable_processors() -> int | None:
    """Processors that this process may use; None where the system does not report them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def threads_named(name: str) -> int | None:
    """Threads of this process that are called `name`; None where the system does not report them."""
    try:
        tasks = list(_THREADS.iterdir())
        return sum((task / "comm").read_text().strip() == name for task in tasks)
    except OSError:
        return None


def copy_memory(target: int, source: int, size: int) -> None:
    """Copy `size` bytes from the address `source` of this process to `target`."""
    ctypes.memmove(target, source, size)


def device_index(device: str) -> int:
    """`gpu:1` as 1, `gpu` as 0."""
    return int(device.partition(":")[2] or 0)
