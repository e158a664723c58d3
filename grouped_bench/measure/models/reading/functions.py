"""A function of the user's own by its name."""

import importlib
from collections.abc import Callable
from typing import Any

from grouped_bench.measure.attempt import reason_of
from grouped_bench.measure.models.reading.refused import RefusedError


def imported(name: str, rule: str, remedy: str) -> Callable[..., Any]:
    """The function that `MODULE:FUNCTION` names.

    Args:
        name: of both.
        rule: from where the module must be importable.
        remedy: what helps where there is no such module.

    Raises:
        RefusedError: the module cannot be imported, or has no such function.
    """
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except BaseException as error:
        is_missing = isinstance(error, ModuleNotFoundError) and module.startswith(str(error.name))
        correct = f"Correct it; `python -c 'import {module}'` shows the whole error"
        raise RefusedError(rule, f"{module} ({reason_of(error)})", remedy if is_missing else correct) from None
    for part in path.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        there = "no function" if found is None else f"a {type(found).__name__}"
        raise RefusedError("FUNCTION must be a function of MODULE", f"{name}, {there}", "Write it like train:step")
    return found  # type: ignore[no-any-return]
