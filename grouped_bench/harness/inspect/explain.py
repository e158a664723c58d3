"""What ran inside a task's calls, as workers read it, and its share of the machine's peaks."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grouped_bench.analyse.reasons.causes import causes
from grouped_bench.harness.plan import Cohort
from grouped_bench.harness.processes.slots import HostLike, WorkerLike, in_worker
from grouped_bench.harness.processes.workers import Limits
from grouped_bench.measure.cold import UNKNOWN_ROTATION_BYTES, last_level_bytes
from grouped_bench.space.axes import Control
from grouped_bench.space.case import HostKey
from grouped_bench.space.facts import Json

if TYPE_CHECKING:
    import pandas as pd

# A task's time limit is of a sample; what is asked here is a build with a log of everything, and some calls.
_PATIENCE = 3
_READ = ("primitives", "primitive_counts", "primitive_seconds", "instructions", "kernels")


class Explainer:
    """Asks the hosts of a run what runs inside its tasks.

    Args:
        hosts: a host for each backend and environment.
        control: limits of a task.
        seed: of inputs and weights.
        peaks: what each backend reaches, as `read_peaks` gives them.
    """

    def __init__(
        self, hosts: Mapping[HostKey, HostLike], control: Control, seed: int, peaks: Sequence[Mapping[str, Any]]
    ) -> None:
        self._hosts, self._seed = hosts, seed
        self._limits = Limits(_PATIENCE * control.task_timeout, control.memory_limit)
        self._peaks = {
            (one["backend"], one.get("env"), one.get("threads"), one["device"], one["dtype"]): one for one in peaks
        }

    def cohort(self, cohort: Cohort) -> Iterator[Json]:
        """A look at each variant of the cohort, whose latency is that of one short visit."""
        call_s = self.call_s(cohort)
        for name in cohort.variants:
            timed = self._timed(cohort, name)
            yield self._task(cohort, name, timed, call_s)

    def ends(
        self, cohorts: Sequence[Cohort], frame: "pd.DataFrame", numbers: Sequence[int], stop: Callable[[], bool]
    ) -> Iterator[Json]:
        """A look at the slowest and the fastest ok variant of each cohort, until `stop` says so.

        Args:
            cohorts: of a run.
            frame: its tasks.
            numbers: of the cohort of each task.
            stop: asked before each cohort.
        """
        rows = frame[["variant", "status", "latency_s", "choice"]].assign(cohort=numbers).to_dict("records")
        for number, cohort in enumerate(cohorts):
            mine = [r for r in rows if r["cohort"] == number and r["status"] == "ok" and (r["latency_s"] or 0) > 0]
            if not mine or stop():
                continue
            mine.sort(key=lambda row: -float(row["latency_s"]))
            call_s = self.call_s(cohort)
            for row in mine[:1] + mine[1:][-1:]:
                choice = row["choice"] if isinstance(row["choice"], str) else None
                known = {"latency_s": float(row["latency_s"]), "choice": choice}
                yield self._task(cohort, str(row["variant"]), known, call_s)

    def _task(self, cohort: Cohort, name: str, timed: Json, call_s: float | None) -> Json:
        """A look at one variant, whose latency and choice are known, or why it has none."""
        latency_s, choice = timed.get("latency_s"), timed.get("choice")
        answer = timed if latency_s is None else self._ask(cohort, name, "explain", choice)
        look: Json = {
            "task": cohort.to_columns(name),
            "variant": name,
            "choice": choice,
            "case": cohort.case.title(),
            "setting": cohort.setting.title(),
            "status": answer.get("status", "ok"),
            "reason": answer.get("reason"),
            "latency_s": latency_s,
            "call_s": call_s,
            "logged_s": answer.get("logged_s"),
            "cache_bytes": last_level_bytes(cohort.setting.device) or UNKNOWN_ROTATION_BYTES,
            **self._used(cohort, name, choice, latency_s),
            **{key: answer.get(key, {} if key.startswith("primitive_") else []) for key in _READ},
        }
        return {**look, "causes": causes(look)}

    def call_s(self, cohort: Cohort) -> float | None:
        """Seconds of a call that computes nothing; None where it cannot be read."""
        found: float | None = self._ask(cohort, cohort.variants[0], "empty", None).get("call_s")
        return found

    def _used(self, cohort: Cohort, name: str, choice: str | None, latency_s: float | None) -> Json:
        """Rates that the task reaches, and their shares of the peaks; None where there is no latency or no peak."""
        counts, setting = cohort.counts(name, choice), cohort.setting
        peak = self._peaks.get((setting.backend, setting.env, setting.threads, setting.device, cohort.case.dtype), {})
        rates = {"flops_per_s": 2 * counts.macs, "bytes_per_s": counts.min_bytes}
        reached = {key: None if latency_s is None else amount / latency_s for key, amount in rates.items()}
        shares = {key: rate / peak[key] if rate is not None and peak else None for key, rate in reached.items()}
        return {
            "macs": counts.macs,
            "min_bytes": counts.min_bytes,
            "peak": {key: peak[key] for key in rates} if peak else None,
            **reached,
            "share_of_peak": shares["flops_per_s"],
            "share_of_bandwidth": shares["bytes_per_s"],
        }

    def _timed(self, cohort: Cohort, name: str) -> Json:
        """Seconds of a call in a process of its own and the choice that it made, or what became of it."""
        request = cohort.request([name], self._seed)

        def timed(worker: WorkerLike) -> Json:
            built = worker.ask({"op": "build", **request, "iterations": {}, "check": True})
            visit = {} if built["failed"] else worker.ask({"op": "visit", **request, "rounds": None})
            failed: Json = {**built["failed"], **visit.get("failed", {})}
            if name in failed:
                return {key: failed[name][key] for key in ("status", "reason")}
            choice = built["built"][name].get("choice")
            return {"latency_s": statistics.median(visit["samples"][name]), "choice": choice}

        return self._in_worker(cohort, timed)

    def _ask(self, cohort: Cohort, name: str, op: str, choice: str | None) -> Json:
        choices = {} if choice is None else {name: choice}
        request = {"op": op, **cohort.request([name], self._seed, choices)}
        return self._in_worker(cohort, lambda worker: worker.ask(request))

    def _in_worker(self, cohort: Cohort, action: Callable[[WorkerLike], Json]) -> Json:
        return in_worker(self._hosts[cohort.setting.host], self._limits, action)
