"""One run at a time on a machine: two would spoil each other's figures. The lock ends with its owner."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from grouped_bench.errors import UnavailableError
from grouped_bench.variants.plugins import refuse_while_importing

WAITING = "waiting for another run on this machine to end"
# The same for all processes of a user: TMPDIR and HOME differ between a terminal, a cron job and a container's shell,
# HOME may be read-only, and /run/user/UID is there only while the user is logged in.
FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))
# Names another file, for runs whose figures nobody reads: tests, and smoke runs side by side.
VARIABLE = "GROUPED_BENCH_LOCK"


def lock_files() -> tuple[Path, ...]:
    """The files of which a user's runs hold the first that can be opened, while they measure."""
    if named := os.environ.get(VARIABLE):
        return (Path(named),)
    return tuple(folder / f"grouped-bench-{os.getuid()}.lock" for folder in FOLDERS)


@contextlib.contextmanager
def alone(say: Callable[[str], None], *, wait: bool) -> Iterator[None]:
    """Hold the lock within the block.

    Args:
        say: called with a sentence when another run must be waited for.
        wait: whether to wait for it, rather than to refuse.

    Raises:
        UnavailableError: another run holds the lock, or there is no folder for it.
        VariantError: it is a file of variants that asks, while it is imported.
    """
    refuse_while_importing()
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(_opened())
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
                f"The lock of this machine must be in {' or '.join(str(path.parent) for path in lock_files())}",
                received=error.strerror,
                remedy="Make one of these folders writable",
            ) from None
        os.utime(file.fileno())  # what clears old files away leaves it for the time of a run
        yield


def _opened() -> BinaryIO:
    """The first file that can be opened. Raises OSError where none can."""
    *others, last = lock_files()
    for path in others:
        with contextlib.suppress(OSError):
            return open(path, "ab", opener=_own)
    return open(last, "ab", opener=_own)


def _own(path: str, flags: int) -> int:
    """A descriptor of a user's own file, and of no link: what another user put there could be held for ever."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if os.fstat(descriptor).st_uid != os.getuid():
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "a file of another user")
    return descriptor
