"""How a network, or Keras, has a layer, and the other forms of the same function."""

from collections.abc import Iterable

from grouped_bench.analyse.rows import gathered, is_timed
from grouped_bench.space.case import BASELINE, SETTING
from grouped_bench.store.schema import Task

OWN_GROUPED = "grouped"
# The block whose paths are one convolution with Keras' groups=.
OWN_BLOCK = "resnext_grouped"
# What is the same for every layer of a network that runs: rows that differ in these are of different networks.
PART = (
    *("run_id", *SETTING),
    *("dtype", "data_format", "pass", "batch_size"),
)
# With one group these are the same function.
_ONE_OF_ONE_GROUP = {"dense", "grouped"}


def own_variant(row: Task) -> str:
    """The variant as which the network has the layer; unless that is known `grouped` with groups, else the baseline.

    Of a block it is the one with Keras' groups=.
    """
    if row.scope == "block":
        return OWN_BLOCK
    return row.in_use or (OWN_GROUPED if (row.groups or 1) > 1 else BASELINE)


def is_stand_in(row: Task) -> bool:
    """Whether the network may use another variant: the layer convolves channels alone, and none is recorded.

    Runs made before networks recorded it have such rows, and a network with a depthwise layer and a grouped one alike.
    """
    return bool(row.in_use is None and 1 < (row.groups or 1) == row.in_channels)


def parts(rows: Iterable[Task]) -> list[list[Task]]:
    """`rows` by run, setting, pass and batch, in the order of the record."""
    return gathered(rows, PART)


def exact_forms(own: Task, cohort: Iterable[Task]) -> list[Task]:
    """The others of the cohort that were measured and compute the same function."""
    same = _ONE_OF_ONE_GROUP if own.groups == 1 and own.computes in _ONE_OF_ONE_GROUP else {own.computes}
    return [row for row in cohort if row is not own and row.computes in same and is_timed(row)]
