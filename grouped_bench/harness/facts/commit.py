"""The commit of the user's project that a run measured, according to git in the current folder."""

import hashlib
import subprocess
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from grouped_bench.space.facts import Json
from grouped_bench.store.checks import CommitFacts

_TIMEOUT_S = 10.0
_COMMIT = TypeAdapter(CommitFacts)
# Whatever the user's configuration would add to the answer, or run to give it.
_GIT = ("git", "--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
# All of the checkout wherever in it the current folder lies; binary files and submodules by their content.
_CHANGES = (
    *("-c", "diff.relative=false", "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"),
    *("--binary", "--full-index", "--submodule=diff", "--ignore-submodules=untracked", "HEAD"),
)


def read_commit(folder: Path | None = None) -> Json | None:
    """`{"id", "date", "dirty"}` of the checkout that `folder` lies in; None without git or a commit there.

    `date` is the committer's, with its zone; `dirty` whether a tracked file differs from the commit, and then `changes`
    a digest of the differences, if git can show them. What CI systems say in variables is not used, since they may
    check out another commit than they name.

    Args:
        folder: the current one unless given.
    """
    told = _ask(folder, "log", "-1", "--format=%H%n%cI", "HEAD")
    changed = _ask(folder, "status", "--porcelain", "--untracked-files=no")
    if told is None or changed is None:
        return None
    name, _, date = told.decode("utf-8", "replace").strip().partition("\n")
    changes = _ask(folder, *_CHANGES) if changed.strip() else None
    digest = {} if changes is None else {"changes": hashlib.sha256(changes).hexdigest()}
    try:
        return dict(_COMMIT.validate_python({"id": name, "date": date, "dirty": bool(changed.strip()), **digest}))
    except ValidationError:  # a date that no calendar has can be committed, and no file of a run may hold it
        return None


def _ask(folder: Path | None, *words: str) -> bytes | None:
    """What git answers; None where it is not there, refuses, or takes too long."""
    try:
        done = subprocess.run(
            [*_GIT, *words], capture_output=True, cwd=folder, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
