"""Tints and words of a comparison: blue is faster, orange slower; the paler, the smaller or the less sure.

Tints are so light that the ink of the page reads on each, by day and by night.
"""

import math

from matplotlib.colors import to_rgba

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.units import significant
from grouped_bench.variants.palette import BLUE, VERMILION

# Opacities: of what is hardly different, and of what differs by _FULL times and more.
_PALEST, _DEEPEST = 0.16, 0.62
_FULL = 8.0
_UNSURE = 0.4


def tint(found: Estimate) -> tuple[float, float, float, float]:
    """Red, green, blue and opacity for a ratio above or below 1, every one of them with a colour.

    Args:
        found: how many times as fast, with its interval.
    """
    size = min(1.0, abs(math.log(found.value)) / math.log(_FULL))
    opacity = _PALEST + (_DEEPEST - _PALEST) * size
    return to_rgba(BLUE if found.value >= 1 else VERMILION, opacity if found.excludes(1) else opacity * _UNSURE)


def gain_text(found: Estimate) -> str:
    """A gain in a cell: `▲ 5.2×` faster, `▼ 2.0×` slower, `▲ 1.1× ?` where that is undecided, `≈` for no difference."""
    is_sure = found.excludes(1)
    text = significant(max(found.value, 1 / found.value), 2)
    if not is_sure and (not _is_wide(found) or text == "1.0"):
        return "≈" if not _is_wide(found) else "≈ ?"
    return f"{'▲' if found.value >= 1 else '▼'} {text}×{'' if is_sure else ' ?'}"


def _is_wide(found: Estimate) -> bool:
    """Whether the two may differ by more than a tenth."""
    if found.low is None or found.high is None:
        return True
    return math.log(found.high / found.low) > 0.2
