"""Baselines as text: what was written, what a folder keeps, what was removed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grouped_bench.report.plans import listing
from grouped_bench.report.text import cells
from grouped_bench.units import counted, format_bytes

_SCHEMA = 1


def saved(paths: Iterable[Path]) -> str:
    """A line a file."""
    return "\n".join(f"Baseline {cells.clean(path)}" for path in paths)


def render(found: Sequence[Mapping[str, Any]], format: str) -> str:
    """Baselines, as dicts of `Baseline.to_dict`, as `table` or `json`."""
    if format == "json":
        return json.dumps({"schema": _SCHEMA, "baselines": list(found)}, indent=1)
    return listing([_row(one) for one in found])


def pruned(found: Sequence[Mapping[str, Any]], *, dry: bool) -> str:
    """A line a file that is removed, or would be, and the sum."""
    did = "would be removed" if dry else "removed"
    total = format_bytes(sum(one["bytes"] for one in found))
    lines = [f"{cells.clean(one['file'])} {did}" for one in found]
    return "\n".join([*lines, f"{counted(len(found), 'baseline')} {did}, {total}."])


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    commit = one["commit"] or {"id": cells.DASH, "date": cells.DASH, "dirty": False}
    cut = {
        "machine": one["machine"],
        "commit": cells.commit(commit["id"], dirty=commit["dirty"]),
        "date": (one["started_at"] or cells.DASH)[:10],
        "tasks": one["tasks"],
        "size": format_bytes(one["bytes"]),
        "rounds": one["rounds"] or "all",
        "run": one["run_id"],
    }
    return {name: cells.clean(value) for name, value in cut.items()}
