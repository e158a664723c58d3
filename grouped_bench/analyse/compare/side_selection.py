"""Which runs form each side of a comparison, and the comparison together with them."""

import dataclasses
import datetime
import json
import re
from collections.abc import Sequence

from grouped_bench.analyse.compare.compare import Comparison
from grouped_bench.analyse.environment.machines import are_alike
from grouped_bench.space.facts import Facts
from grouped_bench.store.older import in_force_of

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_FIRST_MOMENT = datetime.datetime.min.replace(tzinfo=datetime.UTC)
# Why a file that was found is not taken for its side.
OTHER_MACHINE = "of another machine than head's"
OTHER_TERMS = "of another machine, other libraries, threads or precision"
OTHER_STATE = "of another commit, or of other uncommitted changes"
HEAD_ITSELF, OF_HEAD, BASE_ITSELF = "head itself", "of head's commit", "base itself"
COPY = "a copy of another file"
NO_COMMIT = "no commit is recorded"
NO_CHANGES = "uncommitted changes that are not recorded"
# Those of which nobody but the user knows whether they repeat the newest.
UNTOLD = (NO_COMMIT, NO_CHANGES)


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A file that was found for a side and not taken: its name in the folder, and the reason."""

    name: str
    why: str


@dataclasses.dataclass(frozen=True)
class Taken:
    """The run-wide facts of the runs, or files of benchmarks, that stand for a side; which others were there."""

    runs: tuple[Facts, ...]
    others: tuple[LeftOut, ...] = ()

    @property
    def left_out(self) -> int:
        """How many others were there."""
        return len(self.others)

    @property
    def commit(self) -> str | None:
        """The commit that all of them measured; None where it is not recorded, or changes to it were not committed."""
        commits = {commit_of(facts) for facts in self.runs}
        return commits.pop() if len(commits) == 1 else None

    @property
    def is_rerun(self) -> bool:
        """Whether some of its tasks were measured again, side by side with the other."""
        return any("rerun_of" in _half(facts) for facts in self.runs)

    @property
    def is_one_state(self) -> bool:
        """Whether they record that all of them measured the same files."""
        states = {state_of(facts) for facts in self.runs}
        return len(states) == 1 and None not in states


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What `compare` finds: the tasks set against each other, and what was taken for either side."""

    comparison: Comparison
    base: Taken
    head: Taken

    @property
    def verdict(self) -> str:
        """The worst of the tasks'."""
        return self.comparison.verdict


def why_left_out(facts: Sequence[Facts], beside: Facts | None = None, *, as_one: bool = False) -> list[str | None]:
    """Why each run is not taken for its side: it does not repeat the newest. None where it does.

    Runs repeat each other that measured one commit, with the same uncommitted changes if any, on one machine, with the
    same libraries, threads and precision, and the same things in force. Their processes can be pooled. Where a run
    does not record what it measured, nothing shows that it repeats another.

    Args:
        facts: the run-wide facts of each run.
        beside: those of a run whose machine is the one whose runs are wanted, where there are any.
        as_one: whether all that were measured alike repeat each other, whatever their commits.
    """
    here = [place for place, one in enumerate(facts) if beside is not None and are_alike(one, beside)]
    here = sorted(here or range(len(facts)), key=lambda place: began(facts[place]))
    newest = facts[here[-1]]
    return [_why_not(one, newest, as_one) if place in here else OTHER_MACHINE for place, one in enumerate(facts)]


def _why_not(one: Facts, newest: Facts, as_one: bool) -> str | None:
    """Why a run is no repetition of the newest; None where it is one, or the newest itself."""
    if one is newest:
        return None
    if not as_one:
        state, wanted = state_of(one), state_of(newest)
        if state is None:
            return NO_CHANGES if _commit(one) else NO_COMMIT
        if state != wanted:
            return OTHER_STATE
    return None if _kind(one) == _kind(newest) else OTHER_TERMS


def commit_of(facts: Facts) -> str | None:
    """The commit that a run measured; None where it is not recorded, or changes to it were not committed."""
    commit = _commit(facts)
    return commit["id"] if commit.get("dirty") is False else None


def state_of(facts: Facts) -> str | None:
    """What a run measured: its commit, with the digest of changes that were not committed; None where not recorded."""
    commit = _commit(facts)
    changes = commit.get("changes")
    if commit.get("dirty") is True and isinstance(changes, str) and changes:
        return f"{commit['id']}+{changes}"
    return commit_of(facts)


def _commit(facts: Facts) -> Facts:
    """The commit of a run's facts; empty where they record none."""
    commit = facts.get("commit")
    if not isinstance(commit, dict) or not isinstance(commit.get("id"), str):
        return {}
    return commit if _COMMIT.fullmatch(commit["id"]) else {}


def began(facts: Facts) -> datetime.datetime:
    """When the run began; a run that does not record it is older than every other."""
    try:
        moment = datetime.datetime.fromisoformat(str(facts.get("started_at")))
        return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return _FIRST_MOMENT


def are_partners(base: Sequence[Facts], head: Sequence[Facts]) -> bool:
    """Whether the runs of two sides say of each other that their visits were made in turn.

    Several of a side are the first and those that measured some of its tasks again, in their order.
    """
    if len(base) != len(head) or not base:
        return False
    reruns = [(_half(one).get("rerun_of"), firsts[0].get("run_id")) for firsts in (base, head) for one in firsts[1:]]
    pairs = zip(base, head, strict=True)
    return all(of == first for of, first in reruns) and all(_are_halves(*pair) for pair in pairs)


def _are_halves(one: Facts, other: Facts) -> bool:
    """Whether two runs name each other as the halves of one measurement."""
    names = [facts.get("run_id") for facts in (one, other)]
    partners, roles = ([_half(facts).get(word) for facts in (one, other)] for word in ("partner", "role"))
    return None not in names and partners == names[::-1] and roles in (["base", "head"], ["head", "base"])


def _half(facts: Facts) -> Facts:
    """What a run says of its other half; empty where it has none."""
    return _section(facts, "side_by_side")


def _kind(facts: Facts) -> str:
    """What two runs must have in common, besides the commit, to be repetitions of each other."""
    control, environment = (_section(facts, name) for name in ("control", "environment"))
    chosen = [control.get(name) for name in ("threads", "tf32")]
    told = [facts.get("machine"), chosen, environment.get("libraries"), in_force_of(facts)]
    return json.dumps(told, sort_keys=True, default=str)


def _section(facts: Facts, name: str) -> Facts:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}
