"""Which measurements were made here in this environment, here in another one, or elsewhere."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from grouped_bench.analyse.environment.machines import in_force_differences, machine_differences, why_elsewhere
from grouped_bench.analyse.rows import is_timed
from grouped_bench.harness.inspect.trials import Trials
from grouped_bench.harness.processes.identification import machine_of
from grouped_bench.harness.processes.probing import full_name
from grouped_bench.harness.progress import Progress
from grouped_bench.measure.machine import environment
from grouped_bench.space.case import HostKey, Setting
from grouped_bench.store.identity import Identity
from grouped_bench.store.schema import Task
from grouped_bench.units import counted

# The machine of each run, by its id; None where its facts do not say.
Machines = dict[str, Identity | None]
_PLACE = ("backend", "execution", "device", "cache", "layout")


@dataclasses.dataclass(frozen=True)
class Sorted:
    """Rows by where they were measured.

    Attributes:
        own: here, with what is in force here; their environment is that of the question.
        others: here with other values of the environment, by these.
        elsewhere: of each other machine or state of it why it is one, and its rows, the newest first.
    """

    own: list[Task]
    others: dict[str, list[Task]]
    elsewhere: list[tuple[str, list[Task]]]


class Here:
    """This machine as its user has set it up, as far as it is asked.

    Args:
        machines: of the runs whose rows are sorted.
        trials: hosts in the environment as it is.
    """

    def __init__(self, machines: Mapping[str, Identity | None], trials: Trials) -> None:
        self._machines, self.trials = machines, trials

    def sort(self, asked: Setting, rows: Iterable[Task]) -> Sorted:
        """`rows` of the backend, execution, device and cache that are asked for, by where they were measured."""
        own: dict[str, tuple[tuple[Any, ...], list[Task]]] = {}
        others: dict[str, list[Task]] = {}
        elsewhere: dict[tuple[str, Any], tuple[str, list[Task]]] = {}
        rows = [row for row in rows if all(row[name] == getattr(asked, name) for name in _PLACE)]
        for row in rows:
            why, is_here = self._why_not(asked, row)
            if why is None:
                # Of a run in several environments that are alike in all that counts here, the first speaks for it.
                env, mine = own.setdefault(row.run_id, ((row.env, row.threads), []))
                if env == (row.env, row.threads):
                    mine.append(dataclasses.replace(row, env=asked.env, threads=asked.threads))
            elif is_here and row.env is not None:
                others.setdefault(row.env, []).append(dataclasses.replace(row, threads=asked.threads))
            else:
                place = (row.machine, row.in_force)
                elsewhere.setdefault(place, (why, []))[1].append(
                    dataclasses.replace(row, env=asked.env, threads=asked.threads)
                )
        newest = sorted(elsewhere.values(), key=lambda told: max(row.started_at for row in told[1]), reverse=True)
        return Sorted([row for _, mine in own.values() for row in mine], others, newest)

    def begin(self, asked: Setting, rows: Iterable[Task]) -> None:
        """Start at once the hosts that an answer will need: as things are, and as they were where the case was fastest.

        Args:
            asked: the setting as things are.
            rows: all that was measured of the case.
        """
        here = self._machine(asked.host, asked.device)
        own = [row for row in rows if not machine_differences(self._machines.get(row.run_id), here)]
        timed = [row for row in own if is_timed(row) and all(row[name] == getattr(asked, name) for name in _PLACE)]
        fastest = min(timed, key=lambda row: row.seconds, default=None)
        if fastest is not None:
            envs = dict.fromkeys((asked.env, fastest.env))
            self.trials.begin([dataclasses.replace(asked, env=env).host for env in envs])

    def changes(self, setting: Setting, env: str) -> bool:
        """Whether values of the environment change what is in force in a setting; False where it cannot start."""
        changed = self.trials.probe(dataclasses.replace(setting, env=env))
        as_it_is = self.trials.probe(setting)
        if changed is None or as_it_is is None:
            return False
        return bool(in_force_differences(changed.in_force, as_it_is.in_force))

    def _why_not(self, asked: Setting, row: Task) -> tuple[str | None, bool]:
        """Why the row is no evidence for the setting as things are here, and whether it is of this machine at all."""
        key = tuple(row[name] for name in ("run_id", "machine", "threads", "in_force"))
        return self._told(asked.host, asked.device, *key)

    @functools.cache  # noqa: B019  # lives as long as the command
    def _told(
        self, host: HostKey, device: str, run_id: str, machine: str, threads: int | None, in_force: str | None
    ) -> tuple[str | None, bool]:
        there, here = self._machines.get(run_id), self._machine(host, device)
        # A backend takes seconds to start, and is not asked where the machine is another one.
        is_here = not machine_differences(there, here)
        probe = self.trials.probe(_setting(host, device)) if is_here else None
        if is_here and probe is None:
            return f"{host.title()} does not start here", False
        why = why_elsewhere(there, here, in_force, probe.in_force if probe else {})
        if why is None and threads != host.threads and "threads" not in (in_force or ""):
            why = f"{_threads(threads)} there and {_threads(host.threads)} here"
        return why, is_here

    @functools.cache  # noqa: B019  # lives as long as the command
    def _machine(self, host: HostKey, device: str) -> Identity | None:
        """The machine that computes on `device` here; None where too little is known of it."""
        name = full_name(device)
        probe = self.trials.probe(_setting(host, device)) if name.startswith("gpu") else None
        if name.startswith("gpu") and (probe is None or name not in probe.devices):
            return None
        return machine_of([(host.backend, name)], {host.backend: probe} if probe else {}, environment.describe([]))


@contextlib.contextmanager
def looked_at(machines: Mapping[str, Identity | None], *, quiet: bool) -> Iterator[Here]:
    """This machine, while its hosts live."""
    with Progress(quiet) as progress, Trials(progress) as trials:
        yield Here(machines, trials)


def _threads(count: int | None) -> str:
    return counted(count, "thread") if count else "all threads"


def _setting(host: HostKey, device: str) -> Setting:
    return Setting(host.backend, "", device, env=host.env, threads=host.threads)
