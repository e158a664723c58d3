"""The outcome of an action that may fail: a failing task is a finding."""

import re
from collections.abc import Callable

from grouped_bench.backends.base import Backend
from grouped_bench.space.facts import Json

LONGEST_REASON = 400


def attempt(backend: Backend, action: Callable[[], Json]) -> Json:
    """What `action` returns, or its exception as a status and a reason: a failing task is a finding."""
    try:
        return action()
    except Exception as error:
        return {"status": backend.status_of(error), "reason": reason_of(error)}


def reason_of(error: BaseException) -> str:
    """The essential part of an exception's message, on one line."""
    try:
        told = str(error)
    except Exception as problem:
        told = f"whose message cannot be had: {type(problem).__name__}"
    lines = [line.strip() for line in _AROUND.sub("", told).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOISE)]
    return f"{type(error).__name__}: {' '.join(telling)}"[:LONGEST_REASON]


_NOISE = (
    "Graph execution error",
    "Detected at node",
    "File ",
    "<stack",
    "Arguments received by",
    "Exception encountered when calling",
    "•",
)
# What Keras writes its own words in, and the places that TensorFlow adds: in a graph, and of an eager operation.
_AROUND = re.compile(
    r"\x1b\[\d*m|\s*\[\[\{\{node [^}]*\}\}\]\]|\{\{function_node [^}]*\}\}\s*|\s*\[Op:[^\]]*\](?: name:\s*\Z)?"
)
