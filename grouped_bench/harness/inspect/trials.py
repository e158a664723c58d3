"""Facts of the backends under the user's own settings, and a trial run of code before it is advised."""

import dataclasses
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from grouped_bench.errors import HostError, UnavailableError
from grouped_bench.harness.processes.hosts import Host
from grouped_bench.harness.processes.probing import Probe, probe_host
from grouped_bench.harness.processes.workers import Limits, TaskFailedError
from grouped_bench.harness.progress import Progress
from grouped_bench.space.case import Case, HostKey, Setting
from grouped_bench.space.facts import Json

# Hosts that start at once: each keeps a processor busy.
_AT_ONCE = 2
# What is built and called once takes a second; a compiler may take some more.
_PATIENCE_S = 60.0


@dataclasses.dataclass(frozen=True)
class Paste:
    """Code that ends in `layer = …`, and the variant and choice whose code it is, so that its values can be checked."""

    code: str
    variant: str | None = None
    choice: str | None = None


class Trials:
    """Hosts in the user's own environment, each started when it is first asked for.

    Args:
        progress: shows what is waited for.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._hosts: dict[HostKey, Host | str] = {}
        self._starting: dict[HostKey, Future[Host | str]] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._probes: dict[HostKey, Probe] = {}
        self._problems: dict[tuple[Case, Setting, Paste], str | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for key in list(self._starting):
            self._host(key)
        self._pool.shutdown()
        for host in self._hosts.values():
            if isinstance(host, Host):
                host.close()

    def begin(self, keys: Iterable[HostKey]) -> None:
        """Start hosts that will be asked for, at once: each takes seconds to import its framework."""
        for key in keys:
            if key not in self._hosts and key not in self._starting:
                self._starting[key] = self._pool.submit(_started, key)

    def probe(self, setting: Setting) -> Probe | None:
        """What a host of the setting finds; None where it cannot start."""
        key, host = setting.host, self._host(setting.host)
        if isinstance(host, str):
            return None
        if key not in self._probes:
            try:
                self._probes[key] = probe_host(host)
            except UnavailableError as error:
                host.close()
                self._hosts[key] = str(error.received)
                return None
        return self._probes[key]

    def problem(self, case: Case, setting: Setting, paste: Paste) -> str | None:
        """Why code does not work for the case here, in the words of what refuses it; None where it works.

        Args:
            case, setting: what is computed, and where.
            paste: the code.
        """
        key = (case, setting, paste)
        if key not in self._problems:
            host = self._host(setting.host)
            self._problems[key] = host if isinstance(host, str) else _tried(host, case, setting, paste)
        return self._problems[key]

    def _host(self, key: HostKey) -> Host | str:
        """The host, or why it cannot start."""
        if key not in self._hosts:
            self._progress.say(f"starting {key.title()}")
            self.begin([key])
            self._hosts[key] = self._starting.pop(key).result()
        return self._hosts[key]


def _started(key: HostKey) -> Host | str:
    """A host, or why it cannot start."""
    try:
        return Host(key.backend, env=key.env, threads=key.threads)
    except (HostError, UnavailableError) as error:
        return f"{error.rule}: {error.received}"


def _tried(host: Host, case: Case, setting: Setting, paste: Paste) -> str | None:
    request: Json = {"op": "trial", "variants": ["trial"], **dataclasses.asdict(paste)}
    columns = {"case": case.to_columns(), "setting": setting.to_columns()}
    try:
        worker = host.fork(Limits(_PATIENCE_S))
        try:
            answer = worker.ask({**request, **columns})
        finally:
            worker.close()
    except TaskFailedError as failure:
        return f"{failure.status}: {failure.reason}"
    except HostError as error:
        host.restart()
        return f"the host process ended: {error.received}"
    return f"{answer['status']}: {answer['reason']}" if "status" in answer else None
