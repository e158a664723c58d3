"""Why a task has no figures: cause and remedy where the refusal is known, and the refusal's own words."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from grouped_bench.analyse.reasons.refusals import REFUSALS, Refusal, Where
from grouped_bench.space.case import MIXED_PREFIX
from grouped_bench.space.facts import Columns

# The exact variant that makes ordinary convolutions of a function's groups, which every framework has.
_SPLIT = {"grouped": "split_concat", "resnext": "resnext_concat"}
_FRAMEWORKS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def explain_reason(reason: str | None, row: Columns) -> Refusal | None:
    """The known refusal that `reason` is, its remedy naming a variant of the row's function; None if it is none.

    Args:
        reason: what the framework said, as the column `reason` has it.
        row: the columns of its task; those that are missing are not known.
    """
    met = matching(reason, row)
    if not met:
        return None
    split = _SPLIT.get(_where(row).computes, "a variant without grouped kernels")
    return dataclasses.replace(met[0], remedy=met[0].remedy.format(split=split))


def matching(reason: str | None, row: Columns) -> list[Refusal]:
    """The entries that `reason` meets: one at most, as a test holds."""
    where = _where(row)
    return [refusal for refusal in REFUSALS if reason and refusal.is_met(reason, where)]


def explained(reason: str | None, row: Columns) -> str | None:
    """`Cause. Remedy. (TensorFlow: its words)` where the refusal is known, else `reason` as it is."""
    refusal = explain_reason(reason, row)
    if refusal is None or reason is None:
        return reason
    said_by = refusal.says or _FRAMEWORKS.get(str(_known(row, "backend")), "the framework")
    return f"{refusal.cause} {refusal.remedy} ({said_by}: {reason.rstrip('. ')})"


def _where(row: Columns) -> Where:
    return Where(
        backend=str(_known(row, "backend") or ""),
        dtype=str(_known(row, "dtype") or "").removeprefix(MIXED_PREFIX),
        rank=_whole(_known(row, "rank")),
        groups=_whole(_known(row, "groups")),
        computes=str(_known(row, "computes") or ""),
        onednn=onednn_of(_known(row, "in_force")),
    )


def _known(row: Columns, name: str) -> Any:
    try:
        return row[name]
    except KeyError:
        return None


def _whole(value: object) -> int | None:
    """A number of the record; what a look of a stranger's file has in its place is not known."""
    return value if isinstance(value, int) else None


def onednn_of(in_force: object) -> bool | None:
    """Whether oneDNN was on in the task's process, by what was in force there: JSON or the object itself."""
    try:
        facts = json.loads(in_force) if isinstance(in_force, str) else in_force
    except (ValueError, RecursionError):
        return None
    found = facts.get("onednn") if isinstance(facts, Mapping) else None
    return found if isinstance(found, bool) else None
