"""A capture of what this process prints, by the libraries' C code too."""

import contextlib
import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

_STDOUT = 1


@contextlib.contextmanager
def printed() -> Iterator[BinaryIO]:
    """A file that takes what is printed to stdout while the block runs."""
    with tempfile.TemporaryFile() as file:
        flush()
        before = os.dup(_STDOUT)
        os.dup2(file.fileno(), _STDOUT)
        try:
            yield file
        finally:
            flush()
            os.dup2(before, _STDOUT)
            os.close(before)


def flush() -> None:
    """Have everything that was printed so far reach its file."""
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
