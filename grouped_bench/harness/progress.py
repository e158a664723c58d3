"""What a run is doing and how far it is, on one line of a terminal; nothing in a pipe."""

import dataclasses
import shutil
import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from grouped_bench.units import format_clock

_STAGE = "{desc}"
_BAR = "{percentage:3.0f}% |{bar:12}| {desc}"
_BAR_WIDTH = len("100% || ") + 12
_NARROWEST = 20


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where a run stands.

    `stage` names what it does, of which `done` out of `total` is done; `seconds_left` is of the whole run.
    """

    stage: str
    done: int
    total: int
    seconds_spent: float
    seconds_left: float | None
    now: str

    @property
    def share(self) -> float:
        """Of the whole run, how much is done."""
        if self.seconds_left is None:
            return 0.0
        return self.seconds_spent / max(self.seconds_spent + self.seconds_left, 1e-9)


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

    @property
    def is_shown(self) -> bool:
        """Whether anybody sees it."""
        return not self._bar.disable

    def say(self, text: str, share: float | None = None) -> None:
        """Show what happens now and, where it is known, what share of the run is done."""
        if not self.is_shown:
            return
        self._bar.bar_format, self._bar.n = (_STAGE, 0.0) if share is None else (_BAR, min(1.0, share))
        room = shutil.get_terminal_size().columns - (0 if share is None else _BAR_WIDTH) - 1
        self._bar.set_description_str(_whole_words(text, max(_NARROWEST, room)), refresh=True)

    def tell(self, text: str) -> None:
        """Say what a user must know, on a line of its own, to a pipe too."""
        tqdm.write(text, file=sys.stderr)

    def show(self, moment: Moment) -> None:
        """Show `moment`; the bar is the share of its time."""
        self.say(moment_line(moment), moment.share)


def moment_line(moment: Moment) -> str:
    """Time left, the stage and how much of it is done, and what runs now."""
    left = "" if moment.seconds_left is None else f"{format_clock(moment.seconds_left)} left · "
    return f"{left}{moment.stage} {moment.done}/{moment.total} · {moment.now}"


def _whole_words(text: str, width: int) -> str:
    """`text` in at most `width` columns, cut between two words."""
    if len(text) <= width:
        return text
    return text[: width - 1].rsplit(" ", 1)[0].rstrip(" ·") + "…"
