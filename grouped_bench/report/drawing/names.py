"""Short names of cases and settings, for the rows of a figure and the ticks of a chart."""

from collections.abc import Iterable, Sequence

from grouped_bench.analyse.rows import case_title, varying
from grouped_bench.report.text import cells
from grouped_bench.space import case
from grouped_bench.space.case import format_extents, layout_title
from grouped_bench.store import schema
from grouped_bench.store.schema import Task

SETTING = (
    *("run_id", "machine", "pass"),
    *case.SETTING,
    *("dtype", "data_format"),
)
SHAPE = tuple(name for name in schema.COHORT_KEY if name not in SETTING)
# In the order in which a reader asks for them: in full, and where there is little room.
_WORDS = {
    "scope": ("{}", "{}"),
    "rank": ("Conv{}D", "{}D"),
    "groups": ("{} groups", "g{}"),
    "cardinality": ("{} paths", "p{}"),
    "width": ("of {}", "w{}"),
    "in_channels": ("{} ch", "c{}"),
    "out_channels": ("to {}", "to {}"),
    "kernel_size": ("k{}", "k{}"),
    "stride": ("stride {}", "s{}"),
    "dilation": ("dilation {}", "d{}"),
    "size": ("{}", "{}"),
    "batch_size": ("batch {}", "b{}"),
    "padding": ("{}", "{}"),
    "bias": ("bias {}", "bias {}"),
}
_COUNTED = ("groups", "cardinality")
_SEVERAL = {"threads": "{} threads", "cache": "{} cache", "run_id": "run {}"}


def case_name(row: Task, varied: Sequence[str], *, brief: bool = False) -> str:
    """The case in a few words: its label in a network, else the columns `varied`, else its whole title.

    Args:
        row: of the case.
        varied: columns in which the cases differ, as `shape_of` returns them.
        brief: whether there is little room.
    """
    if row.label and row.multiplicity is not None:
        return cells.clean(row.label)
    told = [_words(row, name, brief) for name in _WORDS if name in varied and _is_told(row, name)]
    return cells.clean(" ".join(told)) or cells.clean(case_title(row))


def _words(row: Task, name: str, brief: bool) -> str:
    value = row[name]
    words = _WORDS[name][brief].format(format_extents(value) if isinstance(value, tuple) else cells.text_of(value))
    return words.removesuffix("s") if value == 1 and name in _COUNTED else words


def _is_told(row: Task, name: str) -> bool:
    """Not the usual number of output channels, nor a step of 1."""
    value = row[name]
    if name == "out_channels":
        return bool(value != row.in_channels)
    return value is not None and not (name in ("stride", "dilation") and set(value) == {1})


def shape_of(rows: Sequence[Task]) -> list[str]:
    """The columns of the shape in which cases differ; a kernel of 3 is the same along one axis and along two."""
    return [name for name in SHAPE if len({_as_number(row[name]) for row in rows}) > 1]


def _as_number(value: object) -> object:
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def setting_name(row: Task, varied: Iterable[str]) -> str:
    """The setting in a few words: the columns `varied`."""
    told = [_setting_words(row, name) for name in varied]
    return cells.clean(", ".join(filter(None, told))) or "as it is"


def _setting_words(row: Task, name: str) -> str:
    if name == "layout":
        return layout_title(row.layout)
    return "" if row[name] is None else _SEVERAL.get(name, "{}").format(row[name])


def setting_of(rows: Sequence[Task]) -> list[str]:
    """The columns of the setting in which rows differ: a machine goes with its run, an execution with its backend."""
    found = varying(rows, SETTING)
    goes_with = {"machine": "run_id", "execution": "backend"}
    return [name for name in found if goes_with.get(name) not in found or not _follows(rows, name, goes_with[name])]


def _follows(rows: Sequence[Task], name: str, leader: str) -> bool:
    """Whether each value of `leader` has one value of `name`."""
    return len({(row[leader], row[name]) for row in rows}) == len({row[leader] for row in rows})
