"""What was found of whole networks on this machine, kept beside the runs, so that it is not measured twice."""

import contextlib
import datetime
import hashlib
import json
import os
import platform
import zipfile
from importlib import metadata
from pathlib import Path

from grouped_bench import __version__, backends
from grouped_bench.measure.machine.environment import is_recorded
from grouped_bench.space import variables
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json
from grouped_bench.store import identity
from grouped_bench.store.files.temporary import replace

SUFFIX = ".network"
_SCHEMA = 1
_LARGEST = 2**20
_DIGITS = 20
# It holds when the file was saved, which changes nothing.
_METADATA = "metadata.json"
_LIBRARIES = ("keras", "numpy")


class Answers:
    """What workers said of one network in one setting.

    Args:
        folder: of the runs.
        key: where it runs.
        question: what else the answers depend on.
    """

    def __init__(self, folder: Path, key: HostKey, question: Json) -> None:
        machine = identity.name_here()
        facts = json.dumps([_SCHEMA, _surroundings(machine, key), question], sort_keys=True).encode()
        name = hashlib.sha256(facts).hexdigest()[:_DIGITS]
        self._path = folder / machine / f"{name}{SUFFIX}"
        self._known, self._day = _read(self._path)
        self.kept_at: str | None = None

    def get(self, name: str) -> Json | None:
        """The answer called `name`, None where there is none."""
        found = self._known.get(name)
        if not isinstance(found, dict):
            return None
        self.kept_at = self._day
        return found

    def keep(self, name: str, told: Json) -> None:
        """Keep an answer; where the folder does not take it, it is asked for again."""
        self._known[name] = told
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace(self._path, json.dumps(self._known).encode())


def digest_of(model: str) -> str:
    """Of what a .keras file holds, whenever it was saved: names, sizes and check sums of its members."""
    with zipfile.ZipFile(model) as archive:
        told = [(one.filename, one.file_size, one.CRC) for one in archive.infolist() if one.filename != _METADATA]
    return hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()


def _read(path: Path) -> tuple[Json, str]:
    """What is kept there, and the day when it was last added to; nothing where that is no table."""
    try:
        state = path.stat()
        told = json.loads(path.read_text(encoding="utf-8")) if state.st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        return {}, ""
    day = datetime.datetime.fromtimestamp(state.st_mtime, datetime.UTC).date().isoformat()
    return (told, day) if isinstance(told, dict) else ({}, "")


def _surroundings(machine: str, key: HostKey) -> Json:
    """Machine, libraries and variables: what decides how fast a step is, besides the network."""
    libraries = {name: metadata.version(name) for name in _LIBRARIES}
    return {
        "machine": machine,
        "version": __version__,
        "python": platform.python_version(),
        "backend": [key.backend, backends.get(key.backend).version(), key.threads],
        "libraries": libraries,
        "variables": {
            name: value for name, value in sorted(variables.applied(os.environ, key.env).items()) if is_recorded(name)
        },
    }
