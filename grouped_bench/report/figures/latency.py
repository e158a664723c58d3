"""Latency against the number of groups."""

from grouped_bench.report.drawing.against_groups import against_groups
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.svg import Sketch, seconds


@figure(
    "latency",
    "Latency against groups",
    place=1,
    see="A line that falls makes use of its groups; one that rises pays for them.",
)
def latency(record: Drawable, title: str) -> Sketch:
    """One line a variant, with the 95% intervals of its latencies."""
    return against_groups(record.rows, title, "latency_s", label="latency of one iteration", write=seconds)
