"""Interrupts of a run, such as Ctrl-C: the first ends it after the visit, the second at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WORD = b"\nFinishing the visit; once more ends it at once.\n"


class Interrupts:
    """Whether somebody has asked for an end. Raises KeyboardInterrupt when it is asked for again."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self) -> bool:
        return self._asked

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Take note of a signal."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        # No Python stream: the signal may have come in the middle of another write to it. A closed terminal takes none.
        try:
            os.write(2, _WORD)
        except OSError:
            return


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Interrupts within the block; outside the main thread, and where a signal is ignored, nothing changes."""
    asked = Interrupts()
    here = threading.current_thread() is threading.main_thread()
    taken = [one for one in _SIGNALS if here and signal.getsignal(one) is not signal.SIG_IGN]
    before = {one: signal.signal(one, asked.ask) for one in taken}
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
