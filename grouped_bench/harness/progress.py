"""What a run is doing and how far it is, on one line of a terminal; nothing in a pipe."""

import dataclasses
import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from grouped_bench.units import format_clock

_STAGE = "{desc}"
_BAR = "{percentage:3.0f}% |{bar:20}| {desc}"


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where a run stands."""

    number: int
    cohorts_done: int
    cohorts: int
    settled: int
    tasks: int
    seconds_left: float | None
    now: str


class Progress:
    """Draws a bar on stderr when it is a terminal and `quiet` is false."""

    def __init__(self, quiet: bool) -> None:
        self._bar: Any = tqdm(
            total=1.0, bar_format=_STAGE, disable=True if quiet else None, dynamic_ncols=True, leave=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.close()

    def say(self, text: str, share: float | None = None) -> None:
        """Show what happens now and, where it is known, what share of the run is done."""
        self._bar.bar_format, self._bar.n = (_STAGE, 0.0) if share is None else (_BAR, share)
        self._bar.set_description_str(text, refresh=True)

    def tell(self, text: str) -> None:
        """Say what a user must know, on a line of its own, to a pipe too."""
        tqdm.write(text, file=sys.stderr)

    def show(self, moment: Moment) -> None:
        """Show `moment`; the bar is the share of tasks that are settled."""
        self.say(moment_line(moment), moment.settled / moment.tasks)


def moment_line(moment: Moment) -> str:
    """Pass, cohorts and verdicts done and left, time left, and what runs now."""
    left = "" if moment.seconds_left is None else f" · {format_clock(moment.seconds_left)} left"
    return (
        f"pass {moment.number} · {moment.cohorts_done}/{moment.cohorts} cohorts · "
        f"{moment.settled}/{moment.tasks} settled{left} · {moment.now}"
    )
