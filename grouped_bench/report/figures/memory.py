"""Peak memory against the number of groups."""

from grouped_bench.report.drawing.against_groups import against_groups
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.svg import Sketch, byte_count


@figure(
    "memory",
    "Peak memory against groups",
    place=4,
    see="What one call holds at most, inputs and weights included.",
)
def memory(record: Drawable, title: str) -> Sketch:
    """One line a variant; what an allocator counted and what was resident are never in one panel."""
    label, apart = "peak memory of one call", ("memory_source",)
    return against_groups(record.rows, title, "peak_memory_bytes", label=label, write=byte_count, apart=apart)
