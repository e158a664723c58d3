"""Variants as plain modules of PyTorch: channels first, their tensors in a memory format."""

import dataclasses
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend
from grouped_bench.backends.code import TORCH_CONV, Arguments, Code, Defined, Source, called, define
from grouped_bench.space.case import MIXED_PREFIX, Case
from grouped_bench.space.counts import Counts
from grouped_bench.variants.base import Variant
from grouped_bench.variants.parts import PartsVariant
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.functions import Function

_CHANNELS_LAST = {2: "channels_last", 3: "channels_last_3d"}
_USUAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "dtype": None}
_POSITIONAL = 3
_SHORT_LINE = 68
# Of a kernel (*k, Cin/G, Cout), as Keras holds it, what PyTorch has first.
_OURS, _TORCHS = (-1, -2), (0, 1)


class TorchModule(Variant):
    """A variant by a module of `torch.nn`, which takes and returns (N, C, *n).

    Args:
        of: a variant with `module_code`.
        layout: memory format of its tensors, `contiguous` or `channels_last`.

    Raises:
        NotImplementedError: the variant has no such module.
    """

    def __init__(self, of: Variant, layout: str) -> None:
        if not of.has_module:
            raise NotImplementedError(f"{of.name} has no form of torch.nn")
        self.of, self.layout = of, layout

    def function(self, case: Case) -> Function:
        return self.of.function(case)

    def counts(self, case: Case) -> Counts:
        return self.of.counts(case)

    def layer(self, case: Case, backend: Backend) -> Any:
        return backend.plain_layer(self.module(case).made(), self.layout)

    def module(self, case: Case) -> "PrintedModule":
        """The module as it may be printed. Raises NotImplementedError where PyTorch has none for the case."""
        if case.dtype.startswith(MIXED_PREFIX):
            raise NotImplementedError(f"torch.nn has no {case.dtype}, but {case.compute_dtype}")
        is_last = self.layout == "channels_last"
        if is_last and case.rank not in _CHANNELS_LAST:
            raise NotImplementedError("PyTorch has channels_last for two and three spatial axes")
        arguments = {
            "in_channels": case.in_channels,
            "out_channels": case.out_channels,
            "kernel_size": _short(case.kernel_size),
            "stride": _short(case.stride),
            "padding": _short(case.pad_before) if _is_even(case) else 0,
            "dilation": _short(case.dilation),
            "groups": self.of.arguments(case)["groups"],
            "bias": case.bias,
            "dtype": None if case.dtype == "float32" else Defined(f"torch.{case.dtype}"),
        }
        # PyTorch pads the last axis first.
        around = () if _is_even(case) else tuple(zeros for pair in reversed(case.pads) for zeros in pair)
        memory_format = _CHANNELS_LAST[case.rank] if is_last else None
        return PrintedModule(self.of.module_code(case), case.rank, arguments, around, memory_format)

    def to_layer(self, weights: Weights, case: Case) -> list[np.ndarray]:
        kernel, *bias = weights.values()
        kernels = np.split(kernel, self._parts(case), axis=self._kernel_axis)
        # Branches to all outputs have one bias between them, that of the first.
        biases = np.split(bias[0], len(kernels)) if bias and self._kernel_axis == -1 else bias
        found = []
        for place, part in enumerate(kernels):
            found += [np.moveaxis(part, _OURS, _TORCHS), *biases[place : place + 1]]
        return found

    def from_layer(self, values: list[np.ndarray], case: Case) -> Weights:
        kernels = [np.moveaxis(value, _TORCHS, _OURS) for value in values if value.ndim > 1]
        biases = [value for value in values if value.ndim == 1]
        whole = [np.concatenate(kernels, axis=self._kernel_axis), *([np.concatenate(biases)] if biases else [])]
        return dict(zip(self.function(case).shapes(), whole, strict=True))

    def _parts(self, case: Case) -> int:
        return case.groups if isinstance(self.of, PartsVariant) else 1

    @property
    def _kernel_axis(self) -> int:
        return self.of.kernel_axis if isinstance(self.of, PartsVariant) else -1


@dataclasses.dataclass(frozen=True)
class PrintedModule:
    """A module that stands alone.

    Attributes:
        code: the steps that define its class; () for PyTorch's own.
        rank: number of spatial axes.
        arguments: of the class.
        around: zeros on both sides of each axis, the last axis first, where the convolution cannot pad so by itself.
        memory_format: the one that its weights are put in; None for the usual one.
    """

    code: Code
    rank: int
    arguments: Arguments
    around: tuple[int, ...]
    memory_format: str | None

    def made(self) -> Any:
        """The module, its weights not yet in the memory format."""
        import torch

        arguments = {**self.arguments}
        if arguments["dtype"] is not None:
            arguments["dtype"] = getattr(torch, arguments["dtype"].removeprefix("torch."))
        first = [arguments.pop(name) for name in list(arguments)[:_POSITIONAL]]
        module = define(self.code, Conv=getattr(torch.nn, f"Conv{self.rank}d"))(*first, **arguments)
        if not self.around:
            return module
        return torch.nn.Sequential(getattr(torch.nn, f"ZeroPad{self.rank}d")(self.around), module)

    def text(self) -> str:
        """The code to paste, which ends in `layer = …`."""
        source = Source("import torch")
        name = source.add(self.code, self.rank, TORCH_CONV)
        made = _in_one_line(called(name, self.arguments, _USUAL, _POSITIONAL))
        if self.around:
            inner = made.replace("\n", "\n    ")
            made = f"torch.nn.Sequential(\n    torch.nn.ZeroPad{self.rank}d({self.around}),\n    {inner},\n)"
        told = f"layer = {made}"
        if self.memory_format:
            told += f"\nlayer = layer.to(memory_format=torch.{self.memory_format})"
        source.put(told)
        return str(source)


def in_layout(variant: Variant, layout: str | None) -> Variant:
    """The variant as it is measured in a layout; None stands for layers of Keras.

    Raises NotImplementedError where it has no module.
    """
    return variant if layout is None else TorchModule(variant, layout)


def _in_one_line(call: str) -> str:
    """A call with an argument a line, in one where that is short."""
    first, *arguments, last = call.splitlines()
    joined = f"{first}{' '.join(map(str.strip, arguments)).removesuffix(',')}{last}"
    return joined if len(joined) <= _SHORT_LINE else call


def _is_even(case: Case) -> bool:
    return all(before == after for before, after in case.pads)


def _short(extents: tuple[int, ...]) -> int | tuple[int, ...]:
    return extents[0] if len(set(extents)) == 1 else extents
