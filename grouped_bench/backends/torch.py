"""PyTorch: eager calls of Keras layers and of its native convolution, or steps that torch.compile has compiled."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from grouped_bench.backends.base import (
    Backend,
    Device,
    Kernel,
    Operands,
    Step,
    Tensor,
    TensorFunction,
    device_index,
    nothing,
    usable_processors,
)
from grouped_bench.backends.convolutions import torch as convolutions
from grouped_bench.backends.convolutions.depthwise import define_depthwise
from grouped_bench.backends.convolutions.padding import define_pads
from grouped_bench.space.facts import Json

# By the number of axes, batch and channels among them.
_CHANNELS_LAST = {4: "channels_last", 5: "channels_last_3d"}


class Torch(Backend):
    """Keras on PyTorch, or plain modules of it; `execution` says whether `torch.compile` compiles the layer's call."""

    name = "torch"
    module = "torch"
    executions = ("eager", "compile")
    layouts = ("contiguous", "channels_last")
    variables: ClassVar[dict[str, str]] = {
        "KERAS_BACKEND": "torch",
        # Keras asks for a GPU when it is imported; asked through NVML, that starts no CUDA, which no fork survives.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        # Compiling in a pool of processes would leave them behind.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    convolution_code = (define_pads, convolutions.define_convolution)
    depthwise_code = (*convolution_code, define_depthwise)
    composed_code = (convolutions.define_composed,)

    def load(self, threads: int | None = None, *, tf32: bool | None = None) -> None:
        import keras  # noqa: F401
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        if tf32 is not None:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32

    def devices(self) -> list[Device]:
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        gpus = [Device(f"gpu:{index}", torch.cuda.get_device_name(index)) for index in range(count)]
        return [Device("cpu:0", ""), *gpus]

    def facts(self) -> Json:
        import keras
        import torch

        return {
            "keras": keras.version(),
            "threads": torch.get_num_threads(),
            "usable_processors": usable_processors(),
            "onednn": torch.backends.mkldnn.is_available(),
            "tf32": {"convolution": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        }

    def in_force(self, folder: Path) -> Json:
        import torch

        # Of one small image PyTorch would compute it without oneDNN.
        torch.nn.functional.conv2d(torch.ones(2, 8, 16, 16), torch.ones(8, 8, 3, 3))
        return {
            "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
            "instruction_set": torch.backends.cpu.get_cpu_capability(),
            "threads": {"torch": torch.get_num_threads()},
            "tf32": {"convolution": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
        }

    def on(self, device: str) -> AbstractContextManager[Any]:
        import keras

        context: AbstractContextManager[Any] = keras.device(device)
        return context

    def array(self, values: np.ndarray, dtype: str) -> Tensor:
        import torch
        from keras.src.backend.torch.core import get_device  # no public name says where Keras puts tensors

        return torch.tensor(values, dtype=getattr(torch, dtype), device=get_device())

    def laid_out(self, tensor: Tensor, layout: str | None) -> Tensor:
        import torch

        if layout is None:
            return tensor
        name = _CHANNELS_LAST.get(tensor.ndim) if layout == "channels_last" else None
        # Of one channel or one pixel `contiguous` takes either format for the other, and kernels do not.
        made = torch.empty_like(tensor, memory_format=getattr(torch, name or "contiguous_format"))
        return made.copy_(tensor)

    def plain_layer(self, made: Any, layout: str) -> "ModuleLayer":
        from keras.src.backend.torch.core import get_device

        made.to(get_device())
        for parameter in made.parameters():
            parameter.data = self.laid_out(parameter.data, layout)
        return ModuleLayer(made)

    def empty_module(self, layout: str) -> "ModuleLayer":
        import torch

        return self.plain_layer(torch.nn.Identity(), layout)

    def overwrite(self, tensor: Tensor, values: np.ndarray, dtype: str) -> None:
        """Put `values`, as `dtype`, where those of `tensor` lie; by its `data`, since its version would tell."""
        tensor.data.copy_(self.array(values, dtype))

    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        import torch

        values: np.ndarray = tensor.detach().to("cpu", torch.float64).numpy()
        return values

    def step(self, layer: Any, inputs: Tensor, upstream: Tensor | None, execution: str) -> Step:
        """`execution` compile calls `layer` through `torch.compile`; its arguments are `inputs` and `upstream`."""
        function = _function(layer, upstream is not None, execution)
        arguments = _arguments(inputs, upstream)
        return lambda: function(*arguments)

    def copies(self, operands: Operands, count: int) -> list[Operands]:
        def copied() -> Operands:
            upstream = None if operands.upstream is None else operands.upstream.clone()
            weights = tuple(weight.detach().clone() for weight in operands.weights)
            return Operands(weights, operands.inputs.clone(), upstream)

        return [copied() for _ in range(count)]

    def copied_steps(self, layer: Any, copies: Sequence[Operands], execution: str) -> list[Step]:
        """One function of `layer`, by `execution`; each step points the layer's parameters at one of `copies`."""
        function = _function(layer, copies[0].upstream is not None, execution)
        own = [variable.value for variable in layer.trainable_variables]
        steps = [_exchanged(function, own, copy) for copy in copies]
        for variable in layer.trainable_variables:
            variable.value.data = variable.value.data.new_full(variable.shape, float("nan"))
        return steps

    def synchroniser(self, device: str) -> Callable[[Any], None]:
        import torch

        if device.startswith("cpu"):
            return nothing
        index = device_index(device)
        return lambda _: torch.cuda.synchronize(index)

    def memory_source(self, device: str) -> str:
        return "counted" if device.startswith("cpu") else "allocator"

    def peak_memory(self, step: Step, device: str, held: int) -> int | None:
        """On a GPU, the peak of its allocator in `step`; on a processor, `held` plus the largest sum of allocations."""
        import torch

        if device.startswith("cpu"):
            return held + largest_sum(_allocations(step))  # the allocator keeps no statistics there
        index = device_index(device)
        torch.cuda.synchronize(index)
        torch.cuda.reset_peak_memory_stats(index)
        outputs = step()
        torch.cuda.synchronize(index)
        del outputs
        return int(torch.cuda.max_memory_allocated(index)) or None

    def operations(self, step: Step) -> dict[str, float]:
        return {one.name: one.seconds for one in _operators(step)}

    def kernels(self, step: Step, device: str) -> list[Kernel]:
        import torch

        if device.startswith("cpu"):
            return [one for one in _operators(step) if one.seconds > 0]
        synchronise = self.synchroniser(device)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            synchronise(step())
        return kernels_of(profile.key_averages())

    def status_of(self, error: Exception) -> str:
        import torch

        told = str(error)
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in told:
            return "oom"
        refused = isinstance(error, (NotImplementedError, ValueError, TypeError))
        return "unsupported" if refused or "not implemented for" in told else "error"


class _Parameter:
    """A parameter as Keras has variables."""

    def __init__(self, value: Tensor) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def assign(self, value: Tensor) -> None:
        """Put the numbers of `value` where its own lie."""
        self.value.data.copy_(value)


class ModuleLayer:
    """A plain module where a step takes a layer of Keras."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.trainable_variables = [_Parameter(one) for one in module.parameters()]

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Nothing: it has its parameters."""


def _allocations(step: Step) -> list[int]:
    """Bytes that one call on the processor allocated, in order, and minus those that it freed of them."""
    from torch.autograd.profiler import profile

    with profile(use_device=None, profile_memory=True) as told:
        outputs = step()
    del outputs  # beyond the profile: what a call returns is held at its end
    events = [event for event in told.kineto_results.events() if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def largest_sum(sizes: Iterable[int]) -> int:
    """The largest sum of the first of `sizes`, over every number of them; 0 of none."""
    return max(itertools.accumulate(sizes, initial=0))


def _operators(step: Step) -> list[Kernel]:
    """PyTorch's operators in one call on the processor, each without those that it calls."""
    import torch.profiler

    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    averages = profile.key_averages()
    return [Kernel(str(one.key), int(one.count), one.self_cpu_time_total / 1e6) for one in averages]


def kernels_of(events: Iterable[Any]) -> list[Kernel]:
    """Averages of a profile that ran on a GPU; the runtime's own calls and the operators above take no time there."""
    timed = [(event, float(event.self_device_time_total)) for event in events]
    return [Kernel(str(event.key), int(event.count), micro / 1e6) for event, micro in timed if micro > 0]


def _function(layer: Any, training: bool, execution: str) -> TensorFunction:
    """The pass as a function of input and, for training, upstream gradient, by the layer's own parameters."""
    import torch

    is_plain = isinstance(layer, ModuleLayer)
    called = layer.module if is_plain else layer
    call = torch.compile(called) if execution == "compile" else called
    # A plain module is in training unless it was put out of it, and a convolution does not ask.
    options = {} if is_plain else {"training": True}
    weights = [variable.value for variable in layer.trainable_variables]

    # The guards of what torch.compile made do not hold for tensors of the inference mode.
    without_gradients = torch.no_grad if execution == "compile" else torch.inference_mode

    def inference(x: Tensor) -> tuple[Tensor, ...]:
        with without_gradients():
            return (call(x),)

    def trained(x: Tensor, dy: Tensor) -> tuple[Tensor, ...]:
        y = call(x, **options)
        return (y, *torch.autograd.grad(y, [x, *weights], dy))

    return trained if training else inference


def _arguments(inputs: Tensor, upstream: Tensor | None) -> tuple[Tensor, ...]:
    return (inputs,) if upstream is None else (inputs.detach().requires_grad_(), upstream)


def _exchanged(function: TensorFunction, own: Sequence[Tensor], copy: Operands) -> Step:
    """A step in which the layer's parameters hold the copy's numbers."""
    arguments = _arguments(copy.inputs, copy.upstream)
    exchange = list(zip(own, copy.weights, strict=True))

    def step() -> tuple[Tensor, ...]:
        for parameter, weight in exchange:
            parameter.data = weight
        return function(*arguments)

    return step


BACKEND = Torch()
