"""What a learning run says of as many groups as a case has, to stand beside advice; it is no part of a ranking."""

import dataclasses
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.learning.summary import of_groups
from grouped_bench.report.learning.sentences import points
from grouped_bench.report.text import cells
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.learning import Training
from grouped_bench.units import counted

_HEADERS = ("groups", "network", "beside", "accuracy", "verdict")


def accuracy_sheet(trainings: Sequence[Training], facts: Facts, groups: Iterable[int]) -> Sheet:
    """A row for each comparison with a dense network.

    Args:
        trainings, facts: of the learning run.
        groups: of the cases that are advised on.
    """
    rows, missing = [], []
    for count in sorted(set(groups)):
        found = of_groups(trainings, facts, count)
        rows += [
            (
                str(count),
                cells.clean(one.comparison.network),
                cells.clean(one.comparison.beside),
                one.why if one.difference is None else points(one.difference),
                one.verdict,
            )
            for one in found
        ]
        missing += [] if found else [count]
    name, data = cells.clean(facts["run_id"]), cells.clean(facts["data"]["name"])
    notes = [f"Small networks on {data}, run {name}. This is no part of the ranking."]
    if missing:
        told = cells.listed(counted(one, "group") for one in missing)
        notes.insert(0, f"The run has no comparison of {told} with a dense network.")
    return Sheet("Accuracy that small networks reached" if rows else "Accuracy", _HEADERS, tuple(rows), tuple(notes))


def accuracy_json(trainings: Sequence[Training], facts: Facts, groups: int) -> list[Json]:
    """The same of one number of groups."""
    return [
        {
            "run_id": facts["run_id"],
            "network": one.comparison.network,
            "beside": one.comparison.beside,
            "difference": None if one.difference is None else dataclasses.asdict(one.difference),
            "verdict": one.verdict,
            "seeds": one.seeds,
        }
        for one in of_groups(trainings, facts, groups)
    ]
