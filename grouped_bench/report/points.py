"""The points of a figure: which rows have them, their intervals, their Pareto front, and their words."""

from collections.abc import Callable, Iterable, Sequence

from grouped_bench.report import cells
from grouped_bench.report.panels import NothingToDrawError, Panel, Panels
from grouped_bench.report.rows import Row, cohorts, groups_of, is_baseline, is_ok, verdict_of
from grouped_bench.units import significant

INTERVALS = {"latency_s": ("latency_low_s", "latency_high_s"), "speedup": ("speedup_low", "speedup_high")}
_MOST_TOLD = 3


def positive(rows: Iterable[Row], *names: str) -> list[Row]:
    """The ok rows in which every one of `names` is above 0, as a logarithmic axis needs it.

    Raises:
        NothingToDrawError: there is none.
    """
    points = [row for row in rows if is_ok(row) and all(row[name] is not None and row[name] > 0 for name in names)]
    if not points:
        raise NothingToDrawError(f"no task that ended ok has {cells.listed(names)}")
    return points


def bars(rows: Iterable[Row], column: str) -> list[list[float]]:
    """Lengths of the error bars below and above; 0, which draws none, where the interval is not known."""
    spans = [(row[column], _span(row, column)) for row in rows]
    return [
        [max(0.0, value - low) for value, (low, _) in spans],
        [max(0.0, high - value) for value, (_, high) in spans],
    ]


def reach(rows: Iterable[Row], column: str) -> list[float]:
    """Values and interval ends of `column` that an axis must hold."""
    return [end for row in rows for end in (row[column], *_span(row, column)) if end > 0]


def pareto(rows: Iterable[Row]) -> list[Row]:
    """The rows that no other beats in parameters without losing in latency, fewest parameters first."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["params"], row["latency_s"])):
        if not front or row["latency_s"] < front[-1]["latency_s"]:
            front.append(row)
    return front


def with_savings(rows: Iterable[Row]) -> list[Row]:
    """Rows but the baseline's with `saving`: the baseline's multiply-accumulates over this one's.

    Raises:
        NothingToDrawError: no row has a speed-up and a baseline with known multiply-accumulates.
    """
    found = []
    for cohort in cohorts(rows):
        base = next((row["macs"] for row in cohort.rows if is_baseline(row) and row["macs"]), None)
        others = [row for row in cohort.rows if is_ok(row) and not is_baseline(row) and row["macs"] and row["speedup"]]
        found += [{**row, "saving": base / row["macs"]} for row in others if base]
    if not found:
        raise NothingToDrawError("no task that ended ok has both a speed-up and a baseline to save against")
    return found


def alt(title: str, panels: Panels, told: Sequence[str], *, most: int = _MOST_TOLD) -> str:
    """What is seen, for those who do not see it: the words of the first panels, and how many more."""
    start = f"{title}. {panels.common}." if panels.common else f"{title}."
    named = [
        f"{panel.title}: {words}" if panel.title else words for panel, words in zip(panels.shown, told, strict=True)
    ]
    more = [f"{cells.counted(len(told) - most, 'more panel')}"] if len(told) > most else []
    return " ".join([start, *(f"{words}." for words in [*named[:most], *more, *filter(None, [panels.left_out])])])


def line_words(line: Sequence[Row], column: str, write: Callable[[float], str]) -> str:
    """Where a line begins and ends: `grouped_native from 26 ms at 1 group to 3.7 ms at 32`."""
    first, last = line[0], line[-1]
    name, start = cells.text_of(first["variant"]), f"{write(first[column])} at {cells.splits(first)}"
    return f"{name} {start}" if len(line) == 1 else f"{name} from {start} to {write(last[column])} at {groups_of(last)}"


def front_words(front: Sequence[Row], write: Callable[[float], str]) -> str:
    """The ends of a Pareto front."""
    ends = [front[0]] if len(front) == 1 else [front[0], front[-1]]
    named = [f"{cells.text_of(row['variant'])} with {cells.splits(row)} ({cells.params(row)} parameters, "
             f"{write(row['latency_s'])})" for row in ends]  # fmt: skip
    return f"Pareto front from {' to '.join(named)}" if len(named) > 1 else f"the Pareto front is {named[0]} alone"


def saving_words(panel: Panel) -> str:
    """How many points keep what theory promises."""
    saving = [row for row in panel.rows if row["saving"] > 1]
    if not saving:
        return f"{cells.counted(len(panel.rows), 'point')}, none with fewer multiply-accumulates than it"
    kept = sum(row["speedup"] >= row["saving"] for row in saving)
    slower = sum(verdict_of(row) == "slower" for row in saving)
    points = cells.counted(len(saving), "point")
    most = significant(max(row["saving"] for row in saving), 2)
    return (
        f"of {points} with fewer multiply-accumulates {kept} on or above the diagonal, {slower} slower than "
        f"the baseline; at most {most} times fewer"
    )


def _span(row: Row, column: str) -> tuple[float, float]:
    low, high = INTERVALS.get(column, (column, column))
    value = row[column]
    return (value if row[low] is None else row[low], value if row[high] is None else row[high])
