"""One run at a time on a machine: two would spoil each other's figures. The lock ends with its owner."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from grouped_bench.errors import UnavailableError

WAITING = "waiting for another run on this machine to end"


def lock_path() -> Path:
    """The file that a user's runs hold while they measure."""
    return Path(tempfile.gettempdir()) / f"grouped-bench-{os.getuid()}.lock"


@contextlib.contextmanager
def alone(say: Callable[[str], None], *, wait: bool) -> Iterator[None]:
    """Hold the lock within the block.

    Args:
        say: called with a sentence when another run must be waited for.
        wait: whether to wait for it, rather than to refuse.

    Raises:
        UnavailableError: another run holds the lock, or there is no folder for it.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(lock_path().open("ab"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise UnavailableError(
                    "A run must have the machine to itself",
                    received="another run that is measuring",
                    remedy="Wait for it with --wait, or wait=True in Python",
                ) from None
            say(WAITING)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise UnavailableError(
                "The folder for temporary files must be writable",
                received=error.strerror,
                remedy="Set TMPDIR to another",
            ) from None
        yield
