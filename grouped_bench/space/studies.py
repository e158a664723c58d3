"""The studies that `grouped-bench learn` knows by name."""

import dataclasses

from grouped_bench.errors import SpaceError
from grouped_bench.space.learning import Network, NetworkPair, NetworkPart, Study

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
