"""A case (what is computed) and a setting (where and how): the frozen keys of everything measured."""

import dataclasses
import math
from typing import Final

from grouped_bench.space.facts import Columns, Json
from grouped_bench.units import counted

PASSES = ("inference", "training")
BASELINES = {"layer": "regular", "block": "bottleneck"}
BASELINE = BASELINES["layer"]
NAME_PATTERN = r"^[A-Za-z_][\w.-]*$"  # of what the axes name: variants, backends, executions
LONGEST_NAME = 80
MIXED_PREFIX = "mixed_"
LARGEST_COUNT = 10**17  # thrice it in MACs, and some 32 bytes for each of it, still fit 64 bits
DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# What measures a layer of Keras; other layouts are memory formats of plain modules.
KERAS_LAYOUT: Final = "keras"


def same_pads(
    size: tuple[int, ...], kernel_size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each spatial axis that give ⌈n/s⌉ outputs; the odd one comes after.

    Args:
        size, kernel_size, stride, dilation: an extent for each spatial axis.
    """
    axes = zip(size, kernel_size, stride, dilation, strict=True)
    missing = [max(0, (math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n) for n, k, s, d in axes]
    return tuple((count // 2, count - count // 2) for count in missing)


@dataclasses.dataclass(frozen=True)
class Case:
    """One convolution, or one residual block: shape, groups, dtype and pass.

    `size`, `kernel_size`, `stride` and `dilation` have one entry a spatial axis; `rank` says how many. A block has
    `cardinality` paths of `width` channels; its kernel is that of its middle convolution, and its groups are 1.
    """

    rank: int
    batch_size: int
    in_channels: int
    out_channels: int
    groups: int
    size: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str
    bias: bool
    dtype: str
    data_format: str
    pass_: str
    scope: str = "layer"
    cardinality: int | None = None
    width: int | None = None

    @property
    def baseline(self) -> str:
        """The variant that others of the case are compared with."""
        return BASELINES[self.scope]

    @property
    def inner_channels(self) -> int:
        """Channels between the outer convolutions of a block, all paths together; 0 for a layer."""
        return (self.cardinality or 0) * (self.width or 0)

    @property
    def compute_dtype(self) -> str:
        """dtype of inputs, outputs and arithmetic."""
        return self.dtype.removeprefix(MIXED_PREFIX)

    @property
    def variable_dtype(self) -> str:
        """dtype in which weights and their gradients are held."""
        return "float32" if self.dtype.startswith(MIXED_PREFIX) else self.dtype

    @property
    def output_size(self) -> tuple[int, ...]:
        """Spatial extents of the output: ⌈n/s⌉ for same and causal, ⌈(n − d(k−1))/s⌉ for valid."""
        axes = zip(self.size, self.kernel_size, self.stride, self.dilation, strict=True)
        reach = [(n if self.padding != "valid" else n - d * (k - 1), s) for n, k, s, d in axes]
        return tuple(max(0, math.ceil(extent / s)) for extent, s in reach)

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """Zeros put before and after each spatial axis; TensorFlow's rule gives `same` the odd one after."""
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        if self.padding == "causal":
            return tuple((d * (k - 1), 0) for k, d in zip(self.kernel_size, self.dilation, strict=True))
        return same_pads(self.size, self.kernel_size, self.stride, self.dilation)

    @property
    def pad_before(self) -> tuple[int, ...]:
        """Zeros put before each spatial axis."""
        return tuple(before for before, _ in self.pads)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input in the case's own data format, batch first."""
        return self._shape(self.size, self.in_channels)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output in the case's own data format, batch first."""
        return self._shape(self.output_size, self.out_channels)

    @property
    def channel_axis(self) -> int:
        """Position of the channels in `input_shape`."""
        return 1 if self.data_format == "channels_first" else self.rank + 1

    def kernel_shape(self, groups: int) -> tuple[int, ...]:
        """Shape of the kernel as Keras holds it: spatial axes, Cin/`groups`, Cout."""
        return (*self.kernel_size, self.in_channels // groups, self.out_channels)

    def problem(self) -> str | None:
        """Why the case makes no sense, or None. The rules are Keras' own, those of blocks, and one of 64-bit counts.

        What a framework refuses of a case that makes sense, its own variants say.
        """
        found = self._extents_problem() or (self._block_problem() if self.scope == "block" else None)
        if found:
            return found
        for name, channels in (("input", self.in_channels), ("output", self.out_channels)):
            if channels % self.groups:
                return f"{counted(self.groups, 'group')} do not divide {counted(channels, f'{name} channel')}"
        if self.padding == "causal" and self.rank != 1:
            return "causal padding exists for rank 1 only"
        if min(self.output_size) < 1:
            return f"the dilated kernel is larger than the unpadded input {format_extents(self.size)}"
        if self._largest_count() > LARGEST_COUNT:
            found = f"more than {LARGEST_COUNT:.0e} multiply-accumulates or elements, which no machine can hold"
        return found

    def title(self) -> str:
        """One line that names the case to a person."""
        parts = [
            self._name(),
            f"k{format_extents(self.kernel_size)}",
            f"on {format_extents(self.size)}",
            *([f"groups {self.groups}"] if self.scope == "layer" or self.groups != 1 else []),
            f"batch {self.batch_size}",
            self.pass_,
        ]
        if max(self.stride) > 1:
            parts.insert(2, f"stride {format_extents(self.stride)}")
        if max(self.dilation) > 1:
            parts.insert(2, f"dilation {format_extents(self.dilation)}")
        parts += [self.dtype] * (self.dtype != "float32")
        parts += [self.padding] * (self.padding != "same")
        parts += [self.data_format] * (self.data_format != "channels_last")
        return " ".join([*parts, *(["bias"] if self.bias else [])])

    def to_columns(self) -> Json:
        """The case under the column names of the record."""
        columns = dataclasses.asdict(self)
        columns["pass"] = columns.pop("pass_")
        return columns

    @classmethod
    def from_columns(cls, columns: Columns) -> "Case":
        """The case that `to_columns` wrote, from a dict that may carry more."""
        names = {field.name for field in dataclasses.fields(cls)} - {"pass_"}
        values = {name: columns[name] for name in names}
        for axis in ("size", "kernel_size", "stride", "dilation"):
            values[axis] = tuple(int(extent) for extent in values[axis])
        return cls(**values, pass_=columns["pass"])

    def _name(self) -> str:
        channels = f"{self.in_channels}→{self.out_channels}"
        if self.scope == "layer":
            return f"Conv{self.rank}D {channels}"
        kind = "ResNeXt block" if self.rank == 2 else f"{self.rank}D ResNeXt block"
        outer = channels if self.in_channels != self.out_channels else self.in_channels
        return f"{kind} {outer}, {self.cardinality}×{self.width},"

    def _extents_problem(self) -> str | None:
        for axis in ("size", "kernel_size", "stride", "dilation"):
            extents = getattr(self, axis)
            if len(extents) != self.rank:
                given = f"{axis} {format_extents(extents)} has {counted(len(extents), 'extent')}"
                return f"{given}, rank {self.rank} needs {self.rank}"
        return None

    def _block_problem(self) -> str | None:
        if not self.inner_channels:
            return "a block needs a cardinality and a width"
        if self.groups != 1:
            return "blocks take a cardinality, and groups 1"
        if self.in_channels != self.out_channels:
            return "a skip connection needs channels in = out"
        if max(self.stride) > 1:
            return "a skip connection needs stride 1"
        if self.padding != "same":
            return "a skip connection needs padding same"
        return "blocks are normalised and take no bias" if self.bias else None

    def _largest_count(self) -> int:
        """The largest number of the dense case: elements of a tensor, or multiply-accumulates."""
        if self.scope == "block":
            inner, taps = self.inner_channels, math.prod(self.kernel_size)
            weights = inner * (2 * self.in_channels + taps * inner)
            return self.batch_size * math.prod(self.size) * max(weights, self.in_channels)
        work = math.prod(self.output_shape) * math.prod(self.kernel_size) * self.in_channels
        return max(work, math.prod(self.input_shape), math.prod(self.kernel_shape(1)))

    def _shape(self, extents: tuple[int, ...], channels: int) -> tuple[int, ...]:
        if self.data_format == "channels_first":
            return (self.batch_size, channels, *extents)
        return (self.batch_size, *extents, channels)


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where and how a case is computed.

    With `cache` hot, calls in a row read the same inputs and weights; cold, each reads others that no cache holds.
    `env` holds the values that environment variables are given, `threads` in how many the backend computes; None leaves
    either as it is. `layout` is the memory format of plain modules of PyTorch; None stands for layers of Keras.
    """

    backend: str
    execution: str
    device: str
    cache: str = "hot"
    env: str | None = None
    threads: int | None = None
    layout: str | None = None

    @property
    def host(self) -> "HostKey":
        """Which host process measures in this setting."""
        return HostKey(self.backend, self.env, self.threads)

    @property
    def apart(self) -> "Setting":
        """The setting but for its environment: those that agree in it are compared with each other."""
        return dataclasses.replace(self, env=None, threads=None)

    def laid_out(self, case: Case) -> Case:
        """The case as it is computed here: a plain module takes channels first, wherever they lie in memory."""
        return case if self.layout is None else dataclasses.replace(case, data_format="channels_first")

    def to_columns(self) -> Json:
        """The setting under the column names of the record."""
        return dataclasses.asdict(self)

    def title(self) -> str:
        """One line that names the setting to a person."""
        title = f"{self.backend} {self.execution} on {self.device}"
        layout = layout_title(self.layout) if self.layout else ""
        cache = f"{self.cache} cache" if self.cache != "hot" else ""
        return ", ".join(filter(None, (title, layout, cache, self.host.surroundings)))

    @classmethod
    def from_columns(cls, columns: Columns) -> "Setting":
        """The setting of a row of the record; a row of an older one has no environment."""
        cache, env, threads = columns["cache"] or "hot", columns["env"], columns["threads"]
        return cls(columns["backend"], columns["execution"], columns["device"], cache, env, threads, columns["layout"])


SETTING = tuple(field.name for field in dataclasses.fields(Setting))


@dataclasses.dataclass(frozen=True)
class HostKey:
    """What one host process has in common for all that it measures: it is set before the backend is imported.

    `env` names the values of environment variables, as `variables.described` writes them; None for those at hand.
    """

    backend: str
    env: str | None = None
    threads: int | None = None

    @property
    def surroundings(self) -> str:
        """Environment and threads in words; empty where both are left as they are."""
        threads = counted(self.threads, "thread") if self.threads else ""
        return ", ".join(filter(None, (self.env, threads)))

    def title(self) -> str:
        """One line that names the host to a person."""
        return ", ".join(filter(None, (self.backend, self.surroundings)))


def layout_title(layout: str | None) -> str:
    """What computes a layer in a layout, in words."""
    return f"torch.nn, {layout}" if layout else "Keras layers"


def format_extents(extents: tuple[int, ...] | list[int]) -> str:
    """`28x28`: the form in which a user types extents."""
    return "x".join(str(extent) for extent in extents)
