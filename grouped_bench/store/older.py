"""Runs made before identity and what is in force were recorded: both are read from what they did record."""

import json
from typing import Any

import pandas as pd

from grouped_bench.measure.in_force import STEERING
from grouped_bench.store.identity import identified

# PyTorch's own variable was not among those that were recorded.
_TOLD = ("tensorflow", "jax")


def as_now(frame: pd.DataFrame, metadata: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Frame and metadata of a run, with `machine`, `identity` and `in_force` as far as an older one tells them."""
    facts = identified(metadata)
    told = {name: _in_force(name, facts) for name in _TOLD}
    changes = {name: text for name, text in told.items() if text is not None}
    if facts is metadata and not changes:
        return frame, metadata
    made = frame.copy()
    if facts is not metadata:
        made["machine"] = facts["machine"]
    unknown = made["in_force"].isna()
    made["in_force"] = made["in_force"].astype(object).mask(unknown, made["backend"].map(changes))
    return made, facts


def _in_force(backend: str, facts: dict[str, Any]) -> str | None:
    """As of an older run: oneDNN on or off, and the flags; None where the run does not tell, or has its own."""
    environment = facts.get("environment")
    if not isinstance(environment, dict) or "in_force" in environment:
        return None
    used, variables = environment.get("backend"), environment.get("variables")
    told = used.get(backend) if isinstance(used, dict) else None
    if not isinstance(told, dict) or not isinstance(variables, dict):
        return None
    flags = {name: str(variables[name]) for name in STEERING if name in variables}
    onednn = {"onednn": told["onednn"]} if isinstance(told.get("onednn"), bool) else {}
    if backend == "tensorflow" and not onednn:
        return None
    return json.dumps({**onednn, "flags": flags}, sort_keys=True)
