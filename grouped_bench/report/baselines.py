"""Baselines as text: what was written, what a folder keeps, what was removed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grouped_bench.report.text import cells, sheet
from grouped_bench.units import counted, format_bytes

_SCHEMA = 1
_HEADERS = ("commit", "date", "tasks", "size", "rounds", "run")


def saved(paths: Iterable[Path]) -> str:
    """A line a file."""
    return "\n".join(f"Baseline {cells.clean(path)}" for path in paths)


def render(found: Sequence[Mapping[str, Any]], format: str, width: int = 80) -> str:
    """Baselines as text.

    Args:
        found: dicts of `Baseline.to_dict`, those of a machine in a row.
        format: `table`, one for each machine, or `json`.
        width: columns of a table.
    """
    if format == "json":
        return json.dumps({"schema": _SCHEMA, "baselines": list(found)}, indent=1)
    rows: dict[str, list[tuple[str, ...]]] = {}
    for one in found:
        rows.setdefault(cells.clean(one["machine"]), []).append(_row(one))
    sheets = (sheet.Sheet(machine, _HEADERS, tuple(some)) for machine, some in rows.items())
    return "\n\n".join("\n".join(sheet.lines(one, width)) for one in sheets)


def pruned(found: Sequence[Mapping[str, Any]], *, dry: bool) -> str:
    """A line a file that is removed, or would be, and the sum."""
    did = "would be removed" if dry else "removed"
    total = format_bytes(sum(one["bytes"] for one in found))
    lines = [f"{cells.clean(one['file'])} {did}" for one in found]
    return "\n".join([*lines, f"{counted(len(found), 'baseline')} {did}, {total}."])


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    commit = one["commit"] or {"id": cells.DASH, "date": cells.DASH, "dirty": False}
    told = (
        cells.commit(commit["id"], dirty=commit["dirty"]),
        (one["started_at"] or cells.DASH)[:10],
        one["tasks"],
        format_bytes(one["bytes"]),
        one["rounds"] or "all",
        one["run_id"],
    )
    return tuple(map(cells.clean, told))
