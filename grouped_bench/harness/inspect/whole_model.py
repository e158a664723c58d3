"""A network and its copy in workers of their own: proved, timed in fresh processes, saved."""

from types import TracebackType
from typing import Any, Self

from grouped_bench.analyse.advise.optimized import PROCESSES, SIDES, Whole, judged
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.slots import in_worker
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.harness.progress import Progress
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

_NOT_FASTER = {
    "slower": "the whole model is slower",
    "equivalent": "the whole model is as fast as before",
    "undecided": "the whole model may be as fast as before",
}
# To load, to trace and to compile a large network may take minutes.
_PATIENCE_S = 900.0


class WholeModel:
    """Workers that all are asked about one network.

    Args:
        key: where it runs.
        subject: the fields of `measure.models.whole_model.Subject` but for `making`.
    """

    def __init__(self, key: HostKey, subject: Json) -> None:
        self._host = Host(key.backend, env=key.env, threads=key.threads)
        self._subject = {**subject, "making": ""}
        self._expected: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._host.close()

    def checked(self) -> str | None:
        """Why the network cannot be rebuilt and called; None where it can."""
        return self._ask("check").get("reason")

    def use(self, making: str) -> None:
        """Make the copy by the module `making`, in all that is asked from here on."""
        self._subject = {**self._subject, "making": making}

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
        for number in range(PROCESSES):
            progress.say(f"timing both networks, process {number + 1} of {PROCESSES}", number / PROCESSES)
            visits.append(self._visit(number))
            if "status" in visits[-1]:
                return None, f"both networks cannot be timed: {visits[-1]['reason']}"
        whole = judged(visits, margin, proof, [self.peak_bytes(name) for name in SIDES])
        return whole, None if whole.verdict == "faster" else _NOT_FASTER[whole.verdict]

    def _visit(self, seed: int) -> Json:
        """The answer of `visit`, in a process of its own; `status` and `reason` where a step fails."""
        told = self._ask("visit", seed=seed, expected_s=self._expected)
        for name, samples in told.get("samples", {}).items():
            self._expected[name] = min(one for one in samples if one is not None)
        return told

    def peak_bytes(self, name: str) -> int | None:
        """Peak memory of a step of `original` or `faster`; None where nothing counts it."""
        found = self._ask("peak", name=name).get("peak_bytes")
        return None if found is None else int(found)

    def save(self, path: str) -> Json:
        """Write the copy; `status` and `reason` where that fails."""
        return self._ask("convert", path=path)

    def _ask(self, what: str, seed: int | None = None, **more: Any) -> Json:
        subject = self._subject if seed is None else {**self._subject, "seed": seed}
        request = {"op": "whole_model", "variants": ["network"], "what": what, "subject": subject, **more}
        return in_worker(self._host, Limits(_PATIENCE_S), lambda worker: worker.ask(request))
