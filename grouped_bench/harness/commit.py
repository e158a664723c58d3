"""The commit of the user's project that a run measured, according to git in the current folder."""

import subprocess

from pydantic import TypeAdapter, ValidationError

from grouped_bench.space.facts import Json
from grouped_bench.store.checks import CommitFacts

_TIMEOUT_S = 10.0
_COMMIT = TypeAdapter(CommitFacts)
# Whatever the user's configuration would add to the answer, or run to give it.
_GIT = ("git", "--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")


def read_commit() -> Json | None:
    """`{"id", "date", "dirty"}` of the checkout that the current folder lies in; None without git or a commit there.

    `date` is the committer's, with its zone; `dirty` whether a tracked file differs from the commit. What CI systems
    say in variables is not used, since they may check out another commit than they name.
    """
    told = _ask("log", "-1", "--format=%H%n%cI", "HEAD")
    changes = _ask("status", "--porcelain", "--untracked-files=no")
    if told is None or changes is None:
        return None
    name, _, date = told.strip().partition("\n")
    try:
        return dict(_COMMIT.validate_python({"id": name, "date": date, "dirty": bool(changes.strip())}))
    except ValidationError:  # a date that no calendar has can be committed, and no file of a run may hold it
        return None


def _ask(*words: str) -> str | None:
    """What git answers; None where it is not there, refuses, or takes too long."""
    try:
        done = subprocess.run(
            [*_GIT, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")
