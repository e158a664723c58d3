"""Runs made before identity and what is in force were recorded: both are derived from what they did record."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from grouped_bench.measure.machine.in_force import STEERING
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.identity import identified


def as_now(frame: pd.DataFrame, metadata: Facts) -> tuple[pd.DataFrame, Facts]:
    """Frame and metadata of a run, with `machine`, `identity` and `in_force` as far as an older one implies them."""
    facts = identified(metadata)
    told = _in_force(facts)
    changes = {name: json.dumps(one, sort_keys=True) for name, one in told.items()}
    if facts is metadata and not changes:
        return frame, metadata
    made = frame.copy()
    if facts is not metadata:
        made["machine"] = facts["machine"]
    unknown = made["in_force"].isna()
    made["in_force"] = made["in_force"].astype(object).mask(unknown, made["backend"].map(changes))
    return made, facts


def in_force_of(facts: Mapping[str, Any]) -> dict[str, Json]:
    """What was in force in a run, by backend, as far as its facts say."""
    environment = facts.get("environment")
    if not isinstance(environment, dict) or "in_force" not in environment:
        return _in_force(facts)
    told = environment["in_force"]
    recorded = told.items() if isinstance(told, dict) else ()
    return {name: one for name, one in recorded if isinstance(one, dict) and "flags" in one}


def _in_force(facts: Mapping[str, Any]) -> dict[str, Json]:
    """As of an older run, oneDNN on or off and the flags; nothing for a backend without them."""
    environment = facts.get("environment")
    if not isinstance(environment, dict) or "in_force" in environment:
        return {}
    used, variables = environment.get("backend"), environment.get("variables")
    if not isinstance(used, dict) or not isinstance(variables, dict):
        return {}
    flags = {name: str(variables[name]) for name in STEERING if name in variables}
    found: dict[str, Json] = {"jax": {"flags": flags}} if isinstance(used.get("jax"), dict) else {}
    told = used.get("tensorflow")
    if isinstance(told, dict) and isinstance(told.get("onednn"), bool):
        found["tensorflow"] = {"onednn": told["onednn"], "flags": flags}
    return found  # PyTorch's own variable was not among those that were recorded
