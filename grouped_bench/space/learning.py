"""Small networks that are trained beside each other: their parts, their costs, and what is compared.

A network is a chain of parts, then the mean over all positions and a dense layer with a score for each class. After
every convolution come batch normalisation and ReLU; a block (Xie et al., arXiv 1611.05431, figure 3) has its own.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, block_counts, convolution_counts
from grouped_bench.space.facts import Json

PartKind = Literal["convolution", "block", "shuffle"]
# What may be asked for of a study: seeds of each network at most, and epochs of a training. Fewer seeds decide nothing.
SEEDS, EPOCHS = (6, 100), (1, 1000)
# Two costs are equal up to this share of the larger.
EQUAL = 0.05
# Of scale and offset a channel; moving statistics are not learned.
_NORMALISATION = 2


@dataclasses.dataclass(frozen=True)
class NetworkPart:
    """A piece of a network.

    Args:
        kind: `convolution`, `block`, or `shuffle`, which interleaves the channels of `groups` groups.
        channels: of the output; a block and a shuffle keep those of their input.
        kernel: extent along every axis.
        groups: of a convolution or a shuffle; 0 for one a channel. Of a block its cardinality.
        width: channels of a path of a block.
        stride: along every axis.
        form: the variant that computes a block, where that is what is compared; else the fastest does.
    """

    kind: PartKind
    channels: int = 0
    kernel: int = 3
    groups: int = 1
    width: int = 0
    stride: int = 1
    form: str | None = None


@dataclasses.dataclass(frozen=True)
class Network:
    """A network by its name and its parts."""

    name: str
    parts: tuple[NetworkPart, ...]

    def stages(self, shape: tuple[int, ...], batch_size: int = 1) -> Iterator[tuple[NetworkPart, Case]]:
        """Each part with what it computes, in training; of a shuffle the case has its input as its output.

        Args:
            shape: of an example, channels last.
            batch_size: examples a step.
        """
        *size, channels = shape
        for part in self.parts:
            made = _case(part, tuple(size), channels, batch_size)
            yield part, made
            size, channels = list(made.output_size), made.out_channels

    def params(self, shape: tuple[int, ...], classes: int) -> int:
        """Numbers that are learned: kernels, the scales and offsets of normalisations, and the dense layer."""
        total, channels = 0, shape[-1]
        for part, case in self.stages(shape):
            total += _counts(part, case).params + _normalised(part, case)
            channels = case.out_channels
        return total + (channels + 1) * classes

    def macs(self, shape: tuple[int, ...], classes: int) -> int:
        """Multiply-accumulates of one forward pass of one example: convolutions and the dense layer."""
        total, channels = 0, shape[-1]
        for part, case in self.stages(shape):
            total += _counts(part, case).macs // 3
            channels = case.out_channels
        return total + channels * classes

    def to_json(self) -> Json:
        """What `of_json` takes."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, told: Json) -> "Network":
        """The network that `to_json` wrote."""
        return cls(told["name"], tuple(NetworkPart(**part) for part in told["parts"]))


@dataclasses.dataclass(frozen=True)
class NetworkPair:
    """What is asked of two networks: whether `network` learns better than `beside`.

    `design` is a word for the question, `published` the name of the figure that others published of it.
    """

    design: str
    network: str
    beside: str
    published: str = ""

    @property
    def key(self) -> str:
        """Both networks, as one word of a file."""
        return f"{self.network} / {self.beside}"


@dataclasses.dataclass(frozen=True)
class Study:
    """What a preset trains and compares.

    Args:
        name: of the preset.
        question: one sentence.
        data: name of the examples it is made for.
        networks, comparisons: of the study.
        correlated: names of networks whose filters are correlated, the dense one first.
        epochs, batch_size, examples: of a training.
    """

    name: str
    question: str
    data: str
    networks: tuple[Network, ...]
    comparisons: tuple[NetworkPair, ...]
    correlated: tuple[str, ...] = ()
    epochs: int = 20
    batch_size: int = 50
    examples: int = 1000

    def network(self, name: str) -> Network:
        """The network of that name."""
        return next(one for one in self.networks if one.name == name)


def _case(part: NetworkPart, size: tuple[int, ...], channels: int, batch_size: int) -> Case:
    rank = len(size)
    is_block = part.kind == "block"
    return Case(
        rank=rank,
        batch_size=batch_size,
        in_channels=channels,
        out_channels=part.channels if part.kind == "convolution" else channels,
        groups=(part.groups or channels) if part.kind == "convolution" else 1,
        size=size,
        kernel_size=(1 if part.kind == "shuffle" else part.kernel,) * rank,
        stride=(part.stride,) * rank,
        dilation=(1,) * rank,
        padding="same",
        bias=False,
        dtype="float32",
        data_format="channels_last",
        pass_="training",
        scope="block" if is_block else "layer",
        cardinality=part.groups if is_block else None,
        width=part.width if is_block else None,
    )


def _counts(part: NetworkPart, case: Case) -> Counts:
    if part.kind == "shuffle":
        return Counts(0, 0, 0, 0)
    return block_counts(case, part.groups) if part.kind == "block" else convolution_counts(case, case.groups)


def _normalised(part: NetworkPart, case: Case) -> int:
    """Learned numbers of the normalisations of a part."""
    if part.kind == "shuffle":
        return 0
    channels = 2 * case.inner_channels + case.out_channels if part.kind == "block" else case.out_channels
    return _NORMALISATION * channels


def are_equal(one: float, other: float) -> bool:
    """Whether two costs count as equal."""
    return math.isclose(one, other, rel_tol=EQUAL)
