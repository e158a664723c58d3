"""What others published of the same questions, and whether ours has the same direction; never more than that."""

import dataclasses
import math
from collections.abc import Iterable

from grouped_bench.analyse.learning.verdicts import BETTER, EQUIVALENT, WORSE, Judged

SAME, NOT_SHOWN, OPPOSITE = "same direction", "not shown", "opposite"
_RESNEXT = "Xie et al. 2017 (arXiv 1611.05431)"
_SHUFFLENET = "Zhang et al. 2018 (arXiv 1707.01083), table 3"
_DEEP_ROOTS = "Ioannou et al. 2017 (arXiv 1605.06489), NiN on CIFAR-10, single runs"
_IMAGENET = "ImageNet"
_NOTHING_POINTS = 0.2


@dataclasses.dataclass(frozen=True)
class PublishedGain:
    """A published difference of accuracy.

    Attributes:
        points: the network's accuracy minus that of the one beside it, in percentage points; None where only the
            direction is known here.
        setting: on what.
        source: citation.
    """

    points: float | None
    setting: str
    source: str


_TABLE_3 = f"ResNet-50 at 4.1 GFLOPs, {_IMAGENET}, top-1"
_TABLE_4 = f"ResNet-101 at twice the FLOPs, C=64, {_IMAGENET}, top-1"
_SHUFFLED = f"ShuffleNet 1x, {_IMAGENET}, top-1"
# By the name that a comparison gives.
FIGURES = {
    "ResNeXt, C=2": PublishedGain(0.9, _TABLE_3, f"{_RESNEXT}, table 3"),
    "ResNeXt, C=4": PublishedGain(1.3, _TABLE_3, f"{_RESNEXT}, table 3"),
    "ResNeXt, C=8": PublishedGain(1.6, _TABLE_3, f"{_RESNEXT}, table 3"),
    "ResNeXt, C=16": PublishedGain(1.7, f"{_TABLE_3}, C=32", f"{_RESNEXT}, table 3"),
    "ResNeXt, depth": PublishedGain(1.3, _TABLE_4, f"{_RESNEXT}, table 4"),
    "ResNeXt, width": PublishedGain(0.9, _TABLE_4, f"{_RESNEXT}, table 4"),
    "ShuffleNet, g=3": PublishedGain(None, _SHUFFLED, _SHUFFLENET),
    "ShuffleNet, g=8": PublishedGain(None, _SHUFFLED, _SHUFFLENET),
    "Deep Roots, root-8": PublishedGain(0.04, "33% of the parameters", _DEEP_ROOTS),
    "Deep Roots, root-16": PublishedGain(-0.44, "sd of dense 0.13 over five seeds", _DEEP_ROOTS),
    "Deep Roots, column-16": PublishedGain(-0.91, "sd of dense 0.13 over five seeds", _DEEP_ROOTS),
}


@dataclasses.dataclass(frozen=True)
class GainBeside:
    """A published figure beside a comparison of ours."""

    figure: PublishedGain
    judged: Judged
    direction: str


def besides(found: Iterable[Judged]) -> list[GainBeside]:
    """The comparisons of which somebody published a figure."""
    return [
        GainBeside(figure, one, _direction(figure, one.verdict))
        for one in found
        if (figure := FIGURES.get(one.comparison.published)) is not None
    ]


def _direction(figure: PublishedGain, verdict: str) -> str:
    """Of ours beside a published one, a gain where only the direction is known; next to nothing has no direction."""
    points = math.inf if figure.points is None else figure.points
    if abs(points) < _NOTHING_POINTS:
        return {EQUIVALENT: SAME, BETTER: OPPOSITE, WORSE: OPPOSITE}.get(verdict, NOT_SHOWN)
    same, other = (BETTER, WORSE) if points > 0 else (WORSE, BETTER)
    return {same: SAME, other: OPPOSITE}.get(verdict, NOT_SHOWN)
