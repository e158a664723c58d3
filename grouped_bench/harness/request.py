"""What a run was asked to do."""

import dataclasses
from pathlib import Path
from typing import Any

from grouped_bench.plan import Plan
from grouped_bench.space.axes import Control


@dataclasses.dataclass(frozen=True)
class Order:
    """What a run was asked to do."""

    plan: Plan
    control: Control
    space: dict[str, Any]
    out: Path
    seed: int
    memory: bool
    quiet: bool
    command: list[str]
    files: tuple[str, ...] = ()
    force: bool = False
    wait: bool = False
    peaks: bool = True
    explain: bool = False
