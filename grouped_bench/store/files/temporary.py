"""What lasts no longer than its process: folders for temporary files, and files that are to take another's place.

Each is locked while its process lives, so whoever makes the next one in the same place removes what a killed one left.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from grouped_bench.errors import OutputError

# Of files and folders alike; those of earlier versions, which lock none, have other names.
_NAME = re.compile(r"\.?grouped-bench\.[a-z0-9_]{8}(-.*)?", re.DOTALL)
# A name may have 255 bytes, and a character up to four.
_LONGEST_END = 40


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder for temporary files, removed with all in it by `cleanup` or at the end of a `with` block.

    A process that gets `descriptor` keeps the folder locked for as long as it lives.
    """

    descriptor = -1

    def __init__(self) -> None:
        _clear(Path(tempfile.gettempdir()))
        while True:
            super().__init__(prefix="grouped-bench.", ignore_cleanup_errors=True)
            with contextlib.suppress(FileNotFoundError):
                self.descriptor = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY)
                if _locked(self.descriptor, self.name):
                    return
            self.cleanup()

    def cleanup(self) -> None:
        """Remove the folder."""
        super().cleanup()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def new_file(path: Path, ending: str = ".part") -> BinaryIO:
    """A new file beside `path`, open and locked, that is to be renamed to it; its `name` has the `ending`."""
    _clear(path.parent)
    while True:
        name = f".grouped-bench.{secrets.token_hex(4)}-{path.name[-_LONGEST_END:]}{ending}"
        file = (path.parent / name).open("x+b")
        if _locked(file.fileno(), file.name):
            return file
        file.close()


@contextlib.contextmanager
def beside(path: Path, ending: str = ".part") -> Iterator[Path]:
    """The path of a new file that is to be renamed to `path`, and is removed where it was not. Raises OSError."""
    with new_file(path, ending) as file:
        fresh = Path(file.name)
        try:
            yield fresh
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)


@contextlib.contextmanager
def unwritable(rule: str, path: Path | str, remedy: str) -> Iterator[None]:
    """A context in which a system that refuses to write is an OutputError.

    Args:
        rule: that is broken then.
        path: of what is written, as it is shown.
        remedy: what helps.
    """
    try:
        yield
    except OSError as problem:
        raise OutputError(rule, received=f"{path} ({problem.strerror or problem})", remedy=remedy) from None


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, so that no reader ever sees a part of it. Raises OSError."""
    with beside(path) as fresh:
        fresh.write_bytes(content)
        fresh.replace(path)


def _locked(descriptor: int, name: str) -> bool:
    """Lock what was just made, where its file system can; whether nobody removed it before it was locked."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return Path(name).exists()


def _clear(folder: Path) -> None:
    """Remove from `folder` what this user's processes left there that live no more."""
    with contextlib.suppress(OSError):
        for path in [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]:
            with contextlib.suppress(OSError):
                _remove_dead(path)


def _remove_dead(path: Path) -> None:
    """Remove a file or folder that no process has locked. Raises OSError where one has."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    finally:
        os.close(descriptor)
