"""What a run was asked to do."""

import dataclasses
from pathlib import Path

from grouped_bench.plan import Plan
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Json


@dataclasses.dataclass(frozen=True)
class Order:
    """What a run was asked to do."""

    plan: Plan
    control: Control
    space: Json
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
