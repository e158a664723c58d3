"""A network and its copy in workers of their own: proved, timed in fresh processes, saved."""

import statistics
from types import TracebackType
from typing import Any, Self

from grouped_bench.analyse.advise.optimized import PROCESSES, SIDES, Lead, Move, Whole, judged
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.slots import in_worker
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.harness.progress import Progress
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.case import HostKey, Setting
from grouped_bench.space.facts import Json
from grouped_bench.store.networks.answers import Answers
from grouped_bench.units import format_clock

_NOT_FASTER = {
    "slower": "the whole model is slower",
    "equivalent": "the whole model is as fast as before",
    "undecided": "the whole model may be as fast as before",
}
# A setting may make a network some times as fast; beyond this many times it is not tried.
_HOPELESS = 4.0
# To load, to trace and to compile a large network may take minutes.
_PATIENCE_S = 900.0


class Workers:
    """Hosts that start when they are first asked, and whose workers each answer once."""

    def __init__(self) -> None:
        self._hosts: dict[HostKey, Host] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for host in self._hosts.values():
            host.close()

    def ask(self, key: HostKey, what: str, subject: Json, **more: Any) -> Json:
        """What a new worker answers; `status` and `reason` where it cannot. Raises HostError where none starts."""
        if key not in self._hosts:
            self._hosts[key] = Host(key.backend, env=key.env, threads=key.threads)
        request = {"op": "whole_model", "variants": ["network"], "what": what, "subject": subject, **more}
        return in_worker(self._hosts[key], Limits(_PATIENCE_S), lambda worker: worker.ask(request))


class WholeModel:
    """A network and a copy of it in one setting.

    Args:
        workers: to ask.
        key: where they run.
        subject: the fields of `measure.models.whole_model.Subject`, but for `seed`; without `making` there is no copy.
        answers: those that were kept.
    """

    def __init__(self, workers: Workers, key: HostKey, subject: Json, answers: Answers) -> None:
        self._workers, self._key, self._subject, self._answers = workers, key, subject, answers
        self._expected: dict[str, float] = {}

    @property
    def kept_at(self) -> str | None:
        """The day of the answers that were kept; None where all are fresh."""
        return self._answers.kept_at

    def checked(self) -> str | None:
        """Why the network cannot be rebuilt and called; None where it can."""
        return self._ask("check").get("reason")

    def judged(self, margin: float, progress: Progress) -> tuple[Whole | None, str | None]:
        """Both networks, and why the copy is refused; None where it is the same function and faster.

        Args:
            margin: largest change that counts as equivalent, as a share.
            progress: shows what is done.
        """
        progress.say("comparing both networks with float64")
        proof = self._ask("prove")
        if "status" in proof:
            is_wrong = proof["status"] == "incorrect"
            rule = "the copy is not the same function" if is_wrong else "both networks cannot be compared"
            return None, f"{rule}: {proof['reason']}"
        visits: list[Json] = []
        start = read_clock()
        for number in range(PROCESSES):
            left = (read_clock() - start) * (PROCESSES - number) / number if number else None
            told = "" if left is None else f"{format_clock(left)} left · "
            progress.say(f"{told}timing both networks, process {number + 1} of {PROCESSES}", number / PROCESSES)
            visits.append(self._visit(number))
            if "status" in visits[-1]:
                return None, f"both networks cannot be timed: {visits[-1]['reason']}"
        whole = judged(visits, margin, proof, [self._peak_bytes(name) for name in SIDES])
        return whole, None if whole.verdict == "faster" else _NOT_FASTER[whole.verdict]

    def lead(self, setting: Setting, expected_s: dict[str, float]) -> Lead | None:
        """What a step takes in the setting of `key`, in one process; None where it fails there.

        Args:
            setting: that of `key`.
            expected_s: what it may take, by side; what is dear is called but twice, and a network that is many times
                slower than its copy not at all, since no setting makes up for that.
        """
        self._expected = dict(expected_s)
        before, after = (expected_s.get(name, 0.0) for name in SIDES)
        told = self._visit(0, only=SIDES[1] if 0 < after * _HOPELESS < before else None)
        if "status" in told:
            return None
        medians = {
            name: statistics.median(one for one in samples if one is not None)
            for name, samples in told["samples"].items()
        }
        return Lead(setting, *map(medians.get, SIDES))

    def moves(self) -> tuple[Move, ...]:
        """Kinds of operations by the seconds that a step of the copy spends more in them, the greatest change first."""
        told = self._ask("operations").get("operations", {})
        before, after = (told.get(name, {}) for name in SIDES)
        kinds = {*before, *after}
        found = [Move(kind, after.get(kind, 0.0) - before.get(kind, 0.0)) for kind in kinds]
        return tuple(sorted(found, key=lambda one: (-abs(one.seconds), one.kind)))

    def save(self, path: str) -> Json:
        """Write the copy; `status` and `reason` where that fails."""
        return self._fresh("convert", path=path)

    def _visit(self, seed: int, only: str | None = None) -> Json:
        """The answer of `visit`, in a process of its own; `status` and `reason` where a step fails."""
        told = self._ask("visit", seed=seed, only=only, expected_s=self._expected)
        for name, samples in told.get("samples", {}).items():
            self._expected[name] = min(one for one in samples if one is not None)
        return told

    def _peak_bytes(self, name: str) -> int | None:
        """Peak memory of a step of `original` or `faster`; None where nothing counts it."""
        found = self._ask("peak", name=name).get("peak_bytes")
        return None if found is None else int(found)

    def _ask(self, what: str, seed: int = 0, **more: Any) -> Json:
        """The answer, kept or fresh; one that is a failure is not kept."""
        side = more.get("name") or more.get("only")
        called = " ".join([what, *([str(seed)] if what == "visit" else []), *([side] if side else [])])
        told = self._answers.get(called)
        if told is None:
            told = self._fresh(what, seed, **more)
            if "status" not in told:
                self._answers.keep(called, told)
        return told

    def _fresh(self, what: str, seed: int = 0, **more: Any) -> Json:
        return self._workers.ask(self._key, what, {**self._subject, "seed": seed}, **more)
