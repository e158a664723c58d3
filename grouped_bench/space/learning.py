"""Small networks that are trained beside each other: their parts, their costs, what is compared, and the presets.

A network is a chain of parts, then the mean over all positions and a dense layer with a score for each class. After
every convolution come batch normalisation and ReLU; a block (Xie et al., arXiv 1611.05431, figure 3) has its own.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Literal

from grouped_bench.errors import SpaceError
from grouped_bench.space.case import Case
from grouped_bench.space.counts import Counts, block_counts, convolution_counts
from grouped_bench.space.facts import Json

PartKind = Literal["convolution", "block", "shuffle"]
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


# ShuffleNet (Zhang et al., arXiv 1707.01083): grouped pointwise convolutions, with and without a shuffle between.


def _shuffle_net(name: str, channels: int, groups: int, *, shuffled: bool) -> Network:
    unit = [
        NetworkPart("convolution", channels, kernel=1, groups=groups),
        *([NetworkPart("shuffle", groups=groups)] if shuffled else []),
        NetworkPart("convolution", channels, groups=0),
        NetworkPart("convolution", channels, kernel=1, groups=groups),
    ]
    narrow = [dataclasses.replace(part, stride=2) if part.groups == 0 else part for part in unit]
    return Network(name, (NetworkPart("convolution", channels, kernel=5), *narrow, *unit, *narrow, *unit))


_SHUFFLE = Study(
    "shuffle-mini",
    "Do grouped pointwise convolutions learn better with a channel shuffle between them?",
    "mnist1d",
    (
        _shuffle_net("dense", 40, 1, shuffled=False),
        *(
            _shuffle_net(f"g{groups}{name}", channels, groups, shuffled=shuffled)
            for groups, channels in ((4, 76), (8, 96))
            for name, shuffled in ((" shuffled", True), ("", False))
        ),
    ),
    (
        NetworkPair("shuffle", "g4 shuffled", "g4", "ShuffleNet, g=3"),
        NetworkPair("shuffle", "g8 shuffled", "g8", "ShuffleNet, g=8"),
        NetworkPair("groups", "g4 shuffled", "dense", "ShuffleNet, g=4 over g=1"),
        NetworkPair("groups", "g8 shuffled", "dense", "ShuffleNet, g=8 over g=1"),
    ),
    ("g4", "g4 shuffled"),
)


# ResNeXt (Xie et al., tables 3 and 4): cardinality at equal cost, and the same extra budget spent in three ways.

_OUTER = 64
_BASE_WIDTH = 32


def matched_width(cardinality: int, *, outer: int = _OUTER, kernel: int = 9, base: int = _BASE_WIDTH) -> int:
    """Width of each of the paths of a block that has as many parameters as one path of width `base`, as near as can be.

    Args:
        cardinality: paths.
        outer: channels of input and output.
        kernel: taps of the middle convolution.
        base: width of the single path.
    """

    def params(paths: int, width: int) -> int:
        return paths * width * (2 * outer + kernel * width)

    asked = params(1, base)
    return min(range(1, base + 1), key=lambda width: abs(params(cardinality, width) - asked))


def _resnext(name: str, cardinality: int, width: int, *, blocks: int = 1, form: str | None = None) -> Network:
    block = NetworkPart("block", kernel=9, groups=cardinality, width=width, form=form)
    narrow = NetworkPart("convolution", _OUTER, kernel=3, stride=2)
    stages = [part for _ in range(2) for part in (narrow, *[block] * blocks)]
    return Network(name, (NetworkPart("convolution", _OUTER, kernel=5), *stages))


def _cardinalities() -> tuple[Network, ...]:
    return tuple(_resnext(f"C={count}", count, matched_width(count)) for count in (1, 2, 4, 8, 16))


_TWICE = (
    _resnext("2x depth", 1, _BASE_WIDTH, blocks=2),
    _resnext("2x width", 1, 48),
    _resnext("2x cardinality", 4, 21),
)
_FORMS = tuple(_resnext(f"form {word}", 4, matched_width(4), form=f"resnext_{word}") for word in ("sum", "concat"))
_RESNEXT = Study(
    "resnext-mini",
    "Is cardinality a better use of a budget than depth or width?",
    "mnist1d",
    (*_cardinalities(), *_TWICE, *_FORMS),
    (
        *(NetworkPair("cardinality", f"C={count}", "C=1", f"ResNeXt, C={count}") for count in (2, 4, 8, 16)),
        *(NetworkPair("budget", "2x cardinality", f"2x {way}", f"ResNeXt, {way}") for way in ("depth", "width")),
        *(NetworkPair("form", f"form {word}", "C=4") for word in ("sum", "concat")),
    ),
    ("C=1", "C=8"),
)


# Deep Roots (Ioannou et al., arXiv 1605.06489): filter groups in a plain network, and where in its depth they are most.


def _roots(name: str, *groups: int) -> Network:
    stages = [
        part
        for count, stride in zip(groups, (1, 2, 2), strict=True)
        for part in (
            NetworkPart("convolution", 64, kernel=5, groups=count, stride=stride),
            NetworkPart("convolution", 64, kernel=1),
        )
    ]
    return Network(name, (NetworkPart("convolution", 64, kernel=5), *stages))


_ROOTS = Study(
    "deep-roots-mini",
    "How many filter groups may a plain network have, and where?",
    "mnist1d",
    (
        _roots("dense", 1, 1, 1),
        *(_roots(f"root {most}", most, max(1, most // 2), max(1, most // 4)) for most in (2, 4, 8, 16)),
        _roots("column 16", 16, 16, 16),
        _roots("tree 16", 4, 8, 16),
    ),
    (
        *(NetworkPair("groups", f"root {most}", "dense", f"Deep Roots, root-{most}") for most in (2, 4, 8, 16)),
        NetworkPair("arrangement", "root 16", "tree 16"),
        NetworkPair("arrangement", "column 16", "dense", "Deep Roots, column-16"),
    ),
    ("dense", "root 8", "column 16"),
)

STUDIES = {study.name: study for study in (_SHUFFLE, _RESNEXT, _ROOTS)}


def study_named(name: str) -> Study:
    """The preset of that name. Raises SpaceError."""
    if name not in STUDIES:
        raise SpaceError("A learning preset must be known", received=name, remedy=f"Use {', '.join(STUDIES)}")
    return STUDIES[name]


def are_equal(one: float, other: float) -> bool:
    """Whether two costs count as equal."""
    return math.isclose(one, other, rel_tol=EQUAL)
