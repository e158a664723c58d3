"""What the first call costs against the number of groups."""

from grouped_bench.report.drawing.against_groups import against_groups
from grouped_bench.report.drawing.points import with_first_calls
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.svg import Sketch, seconds


@figure(
    "first_call",
    "First call against groups",
    place=8,
    see="What tracing, compiling and the first call cost once in each process.",
)
def first_call(record: Drawable, title: str) -> Sketch:
    """One line a variant: what tracing, compiling and the first call cost, which a short life never earns back."""
    rows, label = with_first_calls(record.rows), "trace, compile and first call"
    return against_groups(rows, title, "first_call_s", label=label, write=seconds)
