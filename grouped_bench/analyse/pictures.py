"""Which pictures a run needs: the one that shows its answer, and the figures that add something to it."""

from collections.abc import Iterable, Sequence

from grouped_bench.analyse.answer import Answer
from grouped_bench.analyse.crossings import FROM, crossings, settled
from grouped_bench.analyse.rows import family, gathered, groups_of, is_baseline, is_timed
from grouped_bench.space.case import SETTING
from grouped_bench.store.schema import Task

# Names of figures: each is a module of `report.figures`.
SAVINGS, WINNERS, RANKING = "savings", "winners", "ranking"
_CHANNELS = ("in_channels", "out_channels", "width")
_SETTING = ("run_id", "scope", "rank", "pass", *SETTING, "dtype")
_COLUMNS = {"latency": "latency_s", "memory": "peak_memory_bytes", "first_call": "first_calls_s"}
# A line through fewer points is no trend.
_LEAST_POINTS = 3
# With no more cases than these and nothing decided, all forms of each are shown in their order.
_FEW_CASES = 4


def first_picture(found: Sequence[Answer]) -> str | None:
    """The figure that shows the answer of a run; None where Keras' own form was measured nowhere.

    A network has its savings, several cases have a map of the winners, one has a ranking, and so have a few of which
    nothing is decided.

    Args:
        found: answers with a case to show.
    """
    if not found:
        return None
    if any(answer.is_network for answer in found):
        return SAVINGS
    counts = [len(answer.lines) for answer in found]
    is_decided = any(answer.faster for answer in found)
    return RANKING if max(counts) == 1 or (sum(counts) <= _FEW_CASES and not is_decided) else WINNERS


def telling(rows: Iterable[Task]) -> list[str]:
    """Names of the figures that say what neither the first picture nor another one says.

    Latency, memory and first call against groups need three group counts of one shape; the heat map groups by
    channels; the cross-over a shape whose verdict turns; savings against theory shapes that differ in more than groups.
    """
    measured = list(filter(is_timed, rows))
    shapes = _shapes(measured)
    found = [name for name, column in _COLUMNS.items() if _is_trend(shapes, column)]
    if any(map(_is_grid, _shapes(measured, _CHANNELS))):
        found.append("speedup")
    if any(_turns(crossing.rows) for crossing in crossings(measured) if crossing.kind == FROM):
        found.append("crossover")
    if any(map(_is_cloud, gathered(measured, _SETTING))):
        found.append("theory")
    return [*found, *_costs(measured), "roofline", "history"]


def _shapes(rows: Sequence[Task], besides: Sequence[str] = ()) -> list[list[Task]]:
    """Rows that differ in variant and groups alone, and in the columns `besides`."""
    return gathered(rows, [name for name in family(rows) if name not in besides])


def _is_trend(shapes: Iterable[Sequence[Task]], column: str) -> bool:
    counts = [{groups_of(row) for row in shape if row[column]} for shape in shapes]
    return any(len(found) >= _LEAST_POINTS for found in counts)


def _turns(lane: Sequence[Task]) -> bool:
    return len({settled(row) for row in lane}) > 1


def _is_grid(rows: Sequence[Task]) -> bool:
    """Whether variants were measured at several numbers of groups and of channels, each with each."""
    counts, channels = {groups_of(row) for row in rows}, {row.in_channels for row in rows}
    cells = {(groups_of(row), row.in_channels) for row in rows}
    return min(len(counts), len(channels)) > 1 and len(cells) == len(counts) * len(channels)


def _is_cloud(rows: Sequence[Task]) -> bool:
    """Whether several shapes have several savings: one shape's are its latencies once more."""
    split = [row for row in rows if (groups_of(row) or 1) > 1 and not is_baseline(row)]
    return len(_shapes(split)) >= _LEAST_POINTS and len(set(map(groups_of, split))) >= _LEAST_POINTS


def _costs(rows: Sequence[Task]) -> list[str]:
    """What speed costs, where memory is known closely for two variants of a shape."""
    close = [row for row in rows if row.peak_memory_bytes and row.memory_source != "resident"]
    pairs = any(len({row.variant for row in shape}) > 1 for shape in _shapes(close))
    return ["tradeoff"] if pairs else []
