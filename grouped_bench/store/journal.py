"""The journal of a run: a header and one record a visit, each on disk before the next visit begins."""

import contextlib
import errno
import fcntl
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any, BinaryIO, Self

from grouped_bench.errors import OutputError, RunError, UnavailableError, shown
from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import Location, local_folder
from grouped_bench.store.files.temporary import new_file, unwritable
from grouped_bench.store.schema import SCHEMA_VERSION

SUFFIX = ".journal"
KIND = "grouped-bench journal"
_HEADER = ("schema", "version", "run_id", "machine", "started_at", "space", "control", "seed", "tasks", "order")


class Journal:
    """An append-only file of JSON lines; its first line is the run's header, its last one may be torn."""

    def __init__(self, path: Path, header: Json) -> None:
        self.path, self.header = path, {"kind": KIND, **header}
        self._file: BinaryIO
        with unwritable("The output folder must be writable", path.parent, "Name another folder for the output"):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self._file = new_file(path)  # a journal without a header is none
        fresh = Path(self._file.name)
        try:
            self.append(self.header)
            fresh.replace(path)
            synchronise_folder(path.parent)
        except OutputError:
            self.close()
            fresh.unlink()
            raise

    @classmethod
    def reopen(cls, path: Path, header: Json) -> Self:
        """The journal at `path`, whose header is known, opened to be continued; a torn last record is dropped from it.

        Raises:
            OutputError: the file cannot be written.
            UnavailableError: another run is writing it.
        """
        journal = cls.__new__(cls)
        journal.path, journal.header = path, header
        with unwritable("The journal of a resumed run must be writable", path.name, "Change its permissions"):
            journal._file = path.open("r+b")
            _own(journal._file, path)
            journal._file.truncate(path.read_bytes().rindex(b"\n") + 1)
            journal._file.seek(0, os.SEEK_END)
        return journal

    def append(self, record: Json) -> None:
        """Write `record` and wait until it is on disk. Raises OutputError when the disk refuses."""
        with unwritable(
            "A visit's record must reach the disk before the next visit",
            self.path.name,
            "Free disk space, or name another folder for the output",
        ):
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; what the disk refused before may be refused again."""
        with contextlib.suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Close and delete the file: the run's Parquet file now holds all of it."""
        self.close()
        self.path.unlink()


def read_journal(path: Path) -> tuple[Json, list[Json], bool]:
    """Header, whole records, and whether a torn last record was left out.

    Raises:
        RunError: not a journal, or one whose run ended before it had a whole header.
    """
    try:
        records, torn = [], False
        with path.open("rb") as file:
            for line in file:  # one by one: the text of a long run is much larger than what it says
                torn = not line.endswith(b"\n")
                if not torn:
                    records.append(dict(json.loads(line, object_pairs_hook=_interned)))
        header = records.pop(0)
    except OSError as error:
        raise RunError(
            "A journal must be readable", received=f"{path.name} ({error.strerror})", remedy="Measure the run again"
        ) from None
    except (TypeError, ValueError, RecursionError, IndexError):
        header, records, torn = {}, [], False
    if header.get("kind") != KIND or any(name not in header for name in _HEADER):
        raise RunError(
            "A journal must have one JSON object a line, the first of them its header",
            received=path.name,
            remedy="Measure the run again",
        )
    if not isinstance(header["schema"], int) or header["schema"] > SCHEMA_VERSION:
        raise RunError(
            f"The schema of a file must be at most {SCHEMA_VERSION} for this version",
            received=f"{path.name} with schema {shown(header['schema'])}",
            remedy="Upgrade grouped-bench",
        )
    return header, records, torn


def _interned(pairs: list[tuple[str, Any]]) -> Json:
    """An object whose keys every other record shares: most of a long journal is keys."""
    return {sys.intern(key): value for key, value in pairs}


def resume_command(path: Path, out: Location) -> str:
    """What a user types to go on with the run whose file or journal is at `path`, having given `out`."""
    where = [] if str(out) == str(DEFAULT_OUT) else ["--out", str(out)]
    named = path.stem if path.is_relative_to(local_folder(out)) else str(path.with_suffix(SUFFIX))
    return shlex.join(["grouped-bench", "run", "--resume", named, *where])


def _own(file: BinaryIO, path: Path) -> None:
    """Keep a journal to one writer, where its file system can; the hold ends with the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise UnavailableError(
            "A journal must have one writer",
            received=f"{path.name}, which a run is writing",
            remedy="Wait until that run ends",
        ) from None
    except OSError:
        return


def synchronise_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on disk, where its file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
