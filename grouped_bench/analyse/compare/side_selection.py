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


@dataclasses.dataclass(frozen=True)
class Taken:
    """The run-wide facts of the runs, or files of benchmarks, that stand for a side; how many others were there."""

    runs: tuple[Facts, ...]
    left_out: int = 0

    @property
    def commit(self) -> str | None:
        """The commit that all of them measured; None where it is not recorded, or changes to it were not committed."""
        commits = {commit_of(facts) for facts in self.runs}
        return commits.pop() if len(commits) == 1 else None


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


def repetitions(facts: Sequence[Facts], beside: Facts | None = None) -> list[int]:
    """Places of the runs that measured the newest commit, in the order in which they began.

    Their processes can be pooled: they ran on one machine, with the same libraries, threads and precision, and the same
    things in force. A run without a commit, or with uncommitted changes, is repeated by none.

    Args:
        facts: the run-wide facts of each run.
        beside: those of a run whose machine is the one whose runs are wanted, where there are any.
    """
    here = [place for place, one in enumerate(facts) if beside is not None and are_alike(one, beside)]
    ordered = sorted(here or range(len(facts)), key=lambda place: began(facts[place]))
    newest = facts[ordered[-1]]
    commit = commit_of(newest)
    if commit is None:
        return ordered[-1:]
    return [place for place in ordered if commit_of(facts[place]) == commit and _kind(facts[place]) == _kind(newest)]


def commit_of(facts: Facts) -> str | None:
    """The commit that a run measured; None where it is not recorded, or changes to it were not committed."""
    commit = facts.get("commit")
    if not isinstance(commit, dict) or commit.get("dirty") is not False:
        return None
    name = commit.get("id")
    return name if isinstance(name, str) and _COMMIT.fullmatch(name) else None


def began(facts: Facts) -> datetime.datetime:
    """When the run began; a run that does not record it is older than every other."""
    try:
        moment = datetime.datetime.fromisoformat(str(facts.get("started_at")))
        return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return _FIRST_MOMENT


def are_partners(base: Sequence[Facts], head: Sequence[Facts]) -> bool:
    """Whether two runs say of each other that their visits were made in turn."""
    if len(base) != 1 or len(head) != 1:
        return False
    told = [one.get("side_by_side") for one in (*base, *head)]
    if not all(isinstance(one, dict) for one in told):
        return False
    names = [one.get("run_id") for one in (*base, *head)]
    partners = [one.get("partner") for one in told if isinstance(one, dict)]
    roles = [one.get("role") for one in told if isinstance(one, dict)]
    return None not in names and partners == names[::-1] and roles in (["base", "head"], ["head", "base"])


def _kind(facts: Facts) -> str:
    """What two runs must have in common, besides the commit, to be repetitions of each other."""
    control, environment = (_section(facts, name) for name in ("control", "environment"))
    chosen = [control.get(name) for name in ("threads", "tf32")]
    told = [facts.get("machine"), chosen, environment.get("libraries"), in_force_of(facts)]
    return json.dumps(told, sort_keys=True, default=str)


def _section(facts: Facts, name: str) -> Facts:
    found = facts.get(name)
    return found if isinstance(found, dict) else {}
