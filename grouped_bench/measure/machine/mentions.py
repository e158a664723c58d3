"""Environment variables that nothing in this process can read: no library that it has loaded mentions them."""

import contextlib
import mmap
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_PACKAGE = Path(__file__).resolve().parents[2]  # which names variables of others
# oneDNN puts its prefix before the names in its code when it asks.
_PREFIXES = ("ONEDNN_", "DNNL_")


def unread(names: Sequence[str]) -> list[str]:
    """Those of `names` that stand in no loaded library and no imported Python file; none where that is unknown.

    A name that stands somewhere may still do nothing: that a library mentions a variable is all that is known of it.
    """
    left = {name: _wanted(name) for name in names}
    for path in _files() if left and _MAPS.exists() else ():
        left = {name: wanted for name, wanted in left.items() if not _mentions(path, wanted)}
        if not left:
            break
    return list(left) if _MAPS.exists() else []


def _wanted(name: str) -> bytes:
    bare = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
    return bare.encode()


def _files() -> Iterator[Path]:
    """Libraries that are mapped, the largest last, then the files of imported modules."""
    libraries = {line.split(maxsplit=5)[5].strip() for line in _lines() if ".so" in line and line.count("/")}
    yield from sorted(map(Path, libraries), key=_size)
    modules = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    sources = [Path(file) for file in modules if isinstance(file, str) and file.endswith(".py")]
    yield from (path for path in sources if _PACKAGE not in path.parents)


def _lines() -> Iterable[str]:
    return _MAPS.read_text(errors="replace").splitlines()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _mentions(path: Path, wanted: bytes) -> bool:
    # A library that was replaced since, or an empty file, mentions nothing.
    with (
        contextlib.suppress(OSError, ValueError),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        return content.find(wanted) >= 0
    return False
