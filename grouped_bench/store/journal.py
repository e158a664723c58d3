"""The journal of a run: a header and one record a visit, each on disk before the next visit begins."""

import json
import os
from pathlib import Path
from typing import Any

from grouped_bench.errors import OutputError, RunError

SUFFIX = ".journal"


class Journal:
    """An append-only file of JSON lines; its first line is the run's header."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("x", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                "The output folder must be writable",
                received=f"{path.parent} ({error.strerror})",
                remedy="Give another folder with --out",
            ) from None
        self.append(header)

    def append(self, record: dict[str, Any]) -> None:
        """Write `record` and wait until it is on disk. Raises OutputError when the disk refuses."""
        try:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(
                "A visit's record must reach the disk before the next visit",
                received=f"{self.path.name} ({error.strerror})",
                remedy="Make room, or give another folder with --out",
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def remove(self) -> None:
        """Close and delete the file: the run's Parquet file now holds all of it."""
        self.close()
        self.path.unlink()


def read_journal(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """Header, records, and whether a torn last record was dropped."""
    lines = path.read_bytes().split(b"\n")
    torn = lines[-1] != b""
    try:
        header, *records = [dict(json.loads(line)) for line in lines[:-1]]
    except (TypeError, ValueError, RecursionError):
        raise RunError(
            "A journal holds one JSON object a line", received=path.name, remedy="Measure the run again"
        ) from None
    return header, records, torn
