"""Figures of advice as text, with the digits that their intervals have earned."""

from grouped_bench.analyse.advise.advice import Option
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.report.text import cells, factors
from grouped_bench.units import earned_digits, format_bytes, format_seconds, significant


def latency(option: Option) -> str:
    """`5.8 ms [4.3 ms–7.0 ms]`."""
    figure, digits = option.latency, _digits(option.latency)
    if figure.low is None or figure.high is None:
        return format_seconds(figure.value, digits)
    ends = "–".join(format_seconds(end, digits) for end in (figure.low, figure.high))
    return f"{format_seconds(figure.value, digits)} [{ends}]"


def short_latency(option: Option) -> str:
    """`5.8 ms ±23%`."""
    figure = option.latency
    text = format_seconds(figure.value, _digits(figure))
    if figure.low is None or figure.high is None:
        return text
    half = 50 * (figure.high - figure.low) / figure.value
    return f"{text} ±{significant(half, 1 if half < 10 else 2)}%"


def compared(figure: Estimate, other: str) -> str:
    """`4.9× [3.8–6.6] faster than grouped`."""
    return factors.compared(other, figure.value, figure.low, figure.high)


def short_factor(figure: Estimate) -> str:
    """`4.9× faster`."""
    return factors.factor(figure.value)


def memory(option: Option) -> str:
    """`12.3 MiB`, with ~ before what was read from the resident set."""
    if option.memory is None:
        return cells.DASH
    return f"{'~' if option.is_coarse else ''}{format_bytes(option.memory.value)}"


def _digits(figure: Estimate) -> int:
    return earned_digits(figure.value, figure.low, figure.high)
