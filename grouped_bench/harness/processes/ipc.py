"""The channel between the parent and its processes: JSON lines over a socket, and a nameless file for output."""

import contextlib
import ctypes
import json
import os
import re
import select
import socket
import tempfile
from collections.abc import Sequence
from typing import Any

from grouped_bench.space.facts import Json

_TAIL_BYTES = 2000
_PUNCH_HOLE_KEEP_SIZE = 0x03
_MOST_PRINTED_BYTES = 16 * 2**20
# How TensorFlow and XLA begin a line of their log: severity, time, process and place in their source.
_LOGGED = re.compile(
    r"([IWEF])\d{4} \d\d:\d\d:\d+\.\d+\s+\d+ \S+:\d+\] |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ([IWEF]) \S+:\d+\] "
)
# What they print at every start on a machine without a GPU, whatever comes of it.
_AT_START = (
    *("All log messages before absl", "cuInit", "Could not find cuda", "cuDNN factory", "cuBLAS factory"),
    *("cuFFT factory", "computation placer", "TensorRT", "oneDNN custom operations", "This TensorFlow binary"),
    "To enable the following instructions",
)


class Channel:
    """One JSON object a line over a socket, with a limit on the wait."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._received = b""

    def send(self, message: Json, descriptors: Sequence[int] = ()) -> None:
        """Send `message` and, with it, file descriptors."""
        data = (json.dumps(message) + "\n").encode()
        if descriptors:
            socket.send_fds(self.connection, [data], list(descriptors))
        else:
            self.connection.sendall(data)

    def receive(self, seconds: float) -> Json | None:
        """The next message, or None when `seconds` passed without one. Raises EOFError at the other end's end."""
        while b"\n" not in self._received:
            if not select.select([self.connection], [], [], seconds)[0]:
                return None
            try:
                data = self.connection.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: Json = json.loads(line)
        return message


def scratch() -> Any:
    """A file without a name; in memory where the system can, so that no disk that is full touches a measurement."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("grouped-bench"), "w+b")
    return tempfile.TemporaryFile()


def bound(printed: Any) -> None:
    """Drop all but the end of what a worker has printed once it takes much room; it continues at its old place."""
    with contextlib.suppress(OSError):
        found = os.fstat(printed.fileno())
        if found.st_blocks * 512 > _MOST_PRINTED_BYTES and not _punched(printed, found.st_size - _TAIL_BYTES):
            end = _end(printed)  # what is written between here and the next line is lost
            os.ftruncate(printed.fileno(), 0)
            os.pwrite(printed.fileno(), end, found.st_size - len(end))


def _punched(file: Any, count: int) -> bool:
    """Whether the first `count` bytes were given back, and the rest stays whatever is written meanwhile: on Linux."""
    fallocate = getattr(ctypes.CDLL(None), "fallocate64", None)
    if fallocate is None or count <= 0:
        return False
    arguments = ctypes.c_int64(0), ctypes.c_int64(count)
    return bool(fallocate(file.fileno(), _PUNCH_HOLE_KEEP_SIZE, *arguments) == 0)


def tail(file: Any) -> str:
    """The last printed lines in `file` that say something, on one line."""
    text = _end(file).replace(b"\0", b"").decode(errors="replace")  # `bound` leaves a hole
    lines = [told for line in text.splitlines() if (told := _told(line.strip()))]
    return " | ".join(lines[-3:])


def _told(line: str) -> str:
    """A line without its time and process, which make like reasons differ; nothing of what every start prints."""
    logged = _LOGGED.match(line)
    told = line[logged.end() :] if logged else line
    is_start = any(word in told for word in _AT_START) and not (logged and "F" in logged.groups())
    return "" if is_start or (logged and {"I", "W"} & set(logged.groups())) else told


def _end(file: Any) -> bytes:
    """The last bytes in `file`."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
