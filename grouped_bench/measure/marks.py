"""Whose turn it is, told by a child of the measurement to its parent through a file, and the child's end with it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

MARK_BYTES = 128
# Of a variant's turn, what it is doing: no stage is that which the request names.
CHOOSING, COMPILING, CHECKING, SAMPLING = "choosing", "compiling", "checking", "sampling"
TurnMark = Callable[..., None]
_PR_SET_PDEATHSIG = 1


def marker(descriptor: int) -> TurnMark:
    """A function that writes into a file the number of the turn, a name of one word, and the stage of the turn, if any.

    A new stage is no new turn. A file, not the socket: a message would wake the parent in the middle of a sample.
    """
    turns = 0

    def mark(name: str, stage: str = "") -> None:
        nonlocal turns
        turns += not stage
        os.pwrite(descriptor, f"{turns} {name} {stage}".ljust(MARK_BYTES).encode()[:MARK_BYTES], 0)

    return mark


def unmarked(name: str, stage: str = "") -> None:
    """Tells nobody, where there is no parent."""


def end_with_parent() -> None:
    """Have the system end this process with its parent, on Linux; Ctrl-C is for the parent alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
