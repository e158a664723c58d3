"""Runs in object stores, by fsspec: found by URL, read from a local copy, written whole or not at all.

What is measured is written to a local folder first, and uploaded when its run has ended. Credentials come from where
the store's own library looks for them; none is read, recorded or printed here.

Source: https://filesystem-spec.readthedocs.io/en/latest/features.html#transactions.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from grouped_bench.errors import GroupedBenchError, OutputError, RunError, SpaceError, UnavailableError
from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.temporary import beside

# The extra that brings what a scheme takes, and the library of each extra.
SCHEMES = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "memory": "s3"}
_LIBRARIES = {"s3": "s3fs", "gcs": "gcsfs"}
_MARK = "://"
# A store that does not answer is to be named in seconds; each library's own patience is minutes.
_OPTIONS: Json = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"max_attempts": 3}}},
}
_NAME = "grouped-bench"
_LONGEST_REASON = 300
_REMEDY = "See that it answers, or correct its URL or the credentials"

# A folder or file, by path or URL.
Location = str | Path
LATEST = "latest"


def is_url(place: Location) -> bool:
    """Whether a name is that of an object store or of something in it."""
    return isinstance(place, str) and _MARK in place


def local_folder(out: Location) -> Path:
    """The local folder of runs that go to `out`: itself, or for an object store one that is named like it."""
    if not isinstance(out, str) or not is_url(out):
        return Path(out)
    scheme, _, rest = out.partition(_MARK)
    parts = (part for part in rest.split("/") if part not in ("", ".", ".."))
    return _base("XDG_STATE_HOME", ".local/state").joinpath(scheme.lower(), *parts)


def refuse_store(out: Location, what: str) -> None:
    """Raises SpaceError where `out` is that of an object store: `what`, in the plural, is written locally alone."""
    if is_url(out):
        raise SpaceError(f"{what} must be written to a local path", received=out, remedy="Name a local path")


def in_store(name: str, out: Location) -> bool:
    """Whether what is called `name` lies in an object store: by its own URL, or by that of `out` if it is no path."""
    return is_url(name) or (is_url(out) and not os.path.lexists(name))


def copies(name: str, out: Location, suffix: str, but: tuple[str, ...] = ()) -> list[Path]:
    """Local copies of what is called `name` in an object store, in the order of their names; empty where nothing is.

    Args:
        name: URL of a file or folder, or of `latest` in one; else an id or `latest` under `out`.
        out: URL of a folder.
        suffix: of the files that are looked for.
        but: suffixes of those among them that are not.

    Raises:
        SpaceError, UnavailableError: as `ObjectStore`.
        RunError: the store cannot be read.
    """
    url = name if is_url(name) else f"{out}/{name}"
    head, _, last = url.rstrip("/").rpartition("/")
    by_id = not is_url(name)
    store = ObjectStore(head if by_id or last == LATEST else url)
    found = [path for path in store.find(suffix) if not path.name.endswith(but)]
    found.sort(key=lambda path: path.name)
    if last == LATEST:
        found = found[-1:]
    elif by_id:
        found = [path for path in found if path.name == f"{last}{suffix}"]
    return [store.copy_of(path) for path in found]


class ObjectStore:
    """A folder of an object store.

    Args:
        url: such as `s3://bucket/prefix`.

    Raises:
        SpaceError: no URL of a store that is known, or one that holds a password.
        UnavailableError: the store's library is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        scheme, _, rest = url.partition(_MARK)
        scheme = scheme.lower()
        if scheme not in SCHEMES or not rest.strip("/"):
            raise SpaceError(
                "A URL of runs must name a place in s3://, gs:// or gcs://",
                received=f"{scheme}{_MARK}" if "@" in rest else url,
                remedy="Name a local folder, or a store like s3://bucket/prefix",
            )
        if "@" in rest.partition("/")[0]:
            raise SpaceError(
                "A URL of runs must hold no user or password",
                received=f"{scheme}{_MARK}…@{rest.partition('@')[2]}",
                remedy="Give them where the store's own library looks for them, such as AWS_PROFILE",
            )
        try:
            import fsspec

            with self._answering(RunError, "be reachable", _REMEDY):
                self._files, self._root = fsspec.core.url_to_fs(
                    f"{scheme}{_MARK}{rest.rstrip('/')}", **_OPTIONS.get(scheme, {})
                )
        except ImportError as error:
            library = error.name or _LIBRARIES[SCHEMES[scheme]]
            raise UnavailableError(
                f"{scheme}{_MARK} takes the library {library}",
                received=f"no module {library}",
                remedy=f"Install it with `pip install 'grouped-bench[{SCHEMES[scheme]}]'`",
            ) from None

    def find(self, suffix: str) -> list[PurePosixPath]:
        """The files below that end so. Raises RunError."""
        with self._answering(RunError, "be one that can be read", _REMEDY):
            self._files.invalidate_cache()
            self._facts: Json = self._files.find(self._root, detail=True)
        return [PurePosixPath(path) for path in self._facts if path.endswith(suffix)]

    def copy_of(self, path: PurePosixPath) -> Path:
        """A local copy of a file as `find` found it, made once. Raises RunError and OutputError."""
        from fsspec.utils import tokenize

        known = tokenize(self._files.protocol, self._facts[str(path)])
        copy: Path = _base("XDG_CACHE_HOME", ".cache") / known / path.parent.name / path.name
        if copy.exists():
            return copy
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            with beside(copy) as fresh:
                with self._answering(RunError, "be one that can be read", _REMEDY):
                    self._files.get_file(str(path), str(fresh))
                fresh.replace(copy)
        except OSError as error:
            raise OutputError(
                "The cache of runs from object stores must be writable",
                received=f"{copy.parent} ({error.strerror})",
                remedy="Set XDG_CACHE_HOME to a folder with free space",
            ) from None
        return copy

    def check_writable(self) -> None:
        """Raises OutputError unless a file can be written there."""
        probe = f"{self._root}/.{_NAME}-{secrets.token_hex(4)}"
        with self._answering(OutputError, "be writable", f"{_REMEDY}, or name another one"):
            self._write(probe, b"")
        with contextlib.suppress(Exception):  # whoever may write may not always delete
            self._files.rm_file(probe)

    def upload(self, files: Sequence[Path], folder: Path) -> list[str]:
        """Bring local files there, each whole or not at all, and return their URLs.

        Args:
            files: below `folder`; the last one is that which readers look for.
            folder: that stands for the store.

        Raises:
            OutputError: the store does not take them.
        """
        made = []
        for file in files:
            below = file.relative_to(folder).as_posix()
            with self._answering(OutputError, "be writable", _REMEDY):
                self._write(f"{self._root}/{below}", file)
            made.append(f"{self.url}/{below}")
        return made

    def _write(self, path: str, content: bytes | Path) -> None:
        """A file that nobody sees before it is whole."""
        with self._files.transaction, self._files.open(path, "wb") as target:
            if isinstance(content, bytes):
                target.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, target, 2**23)

    @contextlib.contextmanager
    def _answering(self, kind: type[GroupedBenchError], rule: str, remedy: str) -> Iterator[None]:
        """A context in which whatever a store's library raises is an error of the given kind."""
        try:
            yield
        except (ImportError, GroupedBenchError):
            raise
        except Exception as error:  # each library has a family of its own
            told: Any = getattr(error, "strerror", None) or error
            reason = next(iter(str(told).splitlines()), "") or type(error).__name__
            told = f"{self.url} ({reason})"
            raise kind(f"An object store must {rule}", received=told, remedy=remedy, limit=_LONGEST_REASON) from None


def _base(variable: str, usual: str) -> Path:
    """Our folder in one of the XDG base directories, or among the runs where there is no home."""
    asked = os.environ.get(variable, "")
    try:
        return (Path(asked) if Path(asked).is_absolute() else Path.home() / usual) / _NAME
    except RuntimeError:
        return DEFAULT_OUT / _NAME
