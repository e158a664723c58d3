"""How many times as fast: with its interval and `faster` or `slower` in words, or as far as it is known."""

import math

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.report.text.cells import DASH
from grouped_bench.units import significant

EQUAL = "equal"
_ONE = "1.00"
# Below each limit so many decimals; from the last on two significant digits, which is what a reader keeps.
_DECIMALS = {2: 2, 10: 1}
_MOST_DECIMALS = 9
# Beyond this a number says only that it is far away.
_FAR = 1e9
# An interval whose ends are further apart than this is told by the end that holds.
WIDE = 2.0
_NOT_WIDE_ENOUGH_TO_TELL = 1.005


def factor(value: float, low: float | None = None, high: float | None = None) -> str:
    """A ratio of times in words: `57× faster`, `33× [30–36] slower`, `1.02× slower`, `equal`.

    Args:
        value: the other's time over this one's; above 1 is faster.
        low, high: ends of its interval, in the same sense; None leaves it out. They are written in the sense of the
            word, so an end below 1 says that the opposite may hold.
    """
    if not 0 < value < math.inf:
        return DASH
    is_slower = value < 1
    times, decimals = _written(_inverse(value) if is_slower else value)
    interval = ""
    if low is not None and high is not None:
        ends = (_inverse(high), _inverse(low)) if is_slower else (low, high)
        interval = f" [{'–'.join(_end(end, decimals) for end in ends)}]"
    if times == _ONE:
        return EQUAL + interval
    return f"{times}×{interval} {'slower' if is_slower else 'faster'}"


def compared(other: str, value: float, low: float | None = None, high: float | None = None) -> str:
    """The same beside what it is compared with: `57× faster than grouped`, `equal to grouped`.

    Args:
        other: its name.
        value, low, high: as `factor` takes them.
    """
    text = factor(value, low, high)
    if text.startswith(EQUAL):
        return f"{EQUAL} to {other}{text.removeprefix(EQUAL)}"
    return f"{text} than {other}"


def as_known(estimate: Estimate) -> str:
    """How many times as fast, as far as it is known: `57×`, `at least 20×` where the interval is wide."""
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return f"about {bare(estimate.value)}"
    if not is_wide(estimate):
        return f"{significant(estimate.value, 2 if estimate.value >= 10 else 3)}×"
    return f"at least {bare(_rounded_down(low))}" if low > _NOT_WIDE_ENOUGH_TO_TELL else f"up to {bare(high)}"


def is_wide(estimate: Estimate) -> bool:
    """Whether no more than a bound can be told."""
    return estimate.low is None or estimate.high is None or estimate.high > estimate.low * WIDE


def bare(value: float) -> str:
    """The number alone, with two digits: `57×`."""
    return f"{significant(value, 2)}×"


def _rounded_down(value: float) -> float:
    """To two digits, never up: a bound must hold."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.floor(value / step + 1e-9) * step


def _inverse(value: float) -> float:
    return 1 / value if value else math.inf


def _written(value: float) -> tuple[str, int]:
    """The number, and its decimals."""
    for limit, places in _DECIMALS.items():
        if round(value, places) < limit:
            return f"{value:.{places}f}", places
    return (f"{float(significant(value, 2)):,.0f}" if value < _FAR else f"{value:.0e}"), 0


def _end(value: float, places: int) -> str:
    """With the decimals of the ratio, and more where it would be rounded to 1 or 0."""
    if not round(value, places) < max(_DECIMALS):
        return "∞" if value == math.inf else _written(value)[0]
    while round(value, places) in (0, 1) and round(value, places) != value and places < _MOST_DECIMALS:
        places += 1
    return f"{value:.{places}f}"
