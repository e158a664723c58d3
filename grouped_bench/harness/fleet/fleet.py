"""Runs on the nodes of an engine: one for each class of machine that the fleet has, its cohorts dealt out whole."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from grouped_bench import __version__
from grouped_bench.analyse.environment.differences import differences
from grouped_bench.errors import RunError, UnavailableError
from grouped_bench.harness.facts.commit import read_commit
from grouped_bench.harness.fleet import repeats
from grouped_bench.harness.fleet.nodes import Engine, Node, Opened, RemoteVisitor
from grouped_bench.harness.processes.interrupts import interrupts
from grouped_bench.harness.progress import Progress
from grouped_bench.harness.record import RESUMED, Written, measured
from grouped_bench.harness.request import RunRequest
from grouped_bench.harness.session import check_same, conclude, kept, new_journal, new_name, spent
from grouped_bench.harness.sweep.sweep import Sweep
from grouped_bench.harness.sweep.visits import LostError
from grouped_bench.measure.rounds import read_clock
from grouped_bench.space.facts import Json
from grouped_bench.store.journal import Journal
from grouped_bench.store.runs import check_writable
from grouped_bench.units import counted

# Tasks whose memory a node reads side by side, where it has room for them.
_READ_AT_ONCE = 2
# How often the main thread, which hears signals, looks whether the runs have ended.
_LOOK_S = 0.2


# The nodes of one class of machine: what decides the kernels is equal on them.
Squad = tuple[Opened, ...]


def carry_out(request: RunRequest, engine: Engine) -> list[Written]:
    """Measure what is asked for on the nodes of an engine, and return a run for each class of machine.

    Args:
        request: what is asked for.
        engine: what starts the nodes; it is closed by who has made it.

    Raises:
        OutputError: the folder cannot be written.
        UnavailableError: no node can measure it.
        CutShortError: a run ended before its file was written, as where every node was lost; its journal keeps what
            was measured.
    """
    check_writable(request.out)
    with _fleet(request, engine) as fleet:
        repeats.check(request, fleet.squads)
        _tell(fleet.squads, fleet.progress)
        return _together([functools.partial(_measured_anew, fleet, squad) for squad in fleet.squads])


def go_on(
    path: Path, header: Json, records: Sequence[Json], torn: bool, request: RunRequest, engine: Engine
) -> Written:
    """Go on with a run on the nodes that are of its class, and return it. What other nodes had begun is begun anew.

    Args:
        path: of its journal.
        header, records, torn: what the journal holds, and whether its last record was torn.
        request: what the run was asked for.
        engine: what starts the nodes.

    Raises:
        RunError: no node is of the class on which the run began.
        The others of `carry_out`.
    """
    with _fleet(request, engine) as fleet:
        alike = [squad for squad in fleet.squads if _same(squad[0].header, header)]
        if not alike:
            there = fleet.squads[0][0].header
            check_same(header, there)
            raise RunError(
                "A run must be resumed on machines of the class on which it began",
                received=f"{there['machine']}, which was {header['machine']}",
                remedy="Name a fleet that has such machines, or start a new run",
            )
        squad = alike[0]
        _tell([squad], fleet.progress)
        journal = Journal.reopen(path, header)
        journal.append({"kind": RESUMED, "at": spent(records), "torn": torn})
        return _measured(fleet, squad, journal, measured(records))


@dataclasses.dataclass(frozen=True)
class _Fleet:
    """What the runs of a request have in common."""

    request: RunRequest
    squads: list[Squad]
    left_out: list[str]
    progress: Progress
    began: float
    stop: Callable[[], bool]
    engine: Engine

    def newcomers(self, squad: Squad) -> list[RemoteVisitor]:
        """Nodes that have come since and are of a squad's class; others are left out."""
        names, found = [one.name for one in squad], list[RemoteVisitor]()
        for node in self.engine.late():
            opened, _ = _opened(self.request, [node], self.progress, names)
            for one in opened:
                if _same(one.header, squad[0].header):
                    found.append(RemoteVisitor(one.node, one.name))
                    self.progress.tell(f"{node.title} joins")
                else:
                    self.progress.tell(f"Left out {node.title}: another class, {one.header['machine']}")
                    node.end()
        return found


@contextlib.contextmanager
def _fleet(request: RunRequest, engine: Engine) -> Iterator[_Fleet]:
    """The nodes, which end with the block."""
    with Progress(request.quiet) as progress:
        nodes = list(engine.nodes(_device(request)))
        try:
            opened, left_out = _opened(request, nodes, progress)
            with interrupts() as stop:
                squads = _squads(opened)
                if not squads:
                    raise UnavailableError(
                        "A fleet must have a node that can measure",
                        received=left_out[0] if left_out else "no node",
                        remedy="Repair a node, or start the engine with another address",
                    )
                yield _Fleet(request, squads, left_out, progress, read_clock(), stop, engine)
        finally:
            for node in nodes:
                node.end()


def _measured_anew(fleet: _Fleet, squad: Squad) -> Written:
    request = fleet.request
    facts = {
        "executor": request.executor,
        "nodes": [one.facts for one in squad],
        "left_out": fleet.left_out,
    }
    peaks = _peaks(squad) if request.peaks else []
    own = {"peaks": peaks, "fleet": facts, "order": request.recorded, "commit": read_commit()}
    header = {**new_name(), **squad[0].header, **own}
    return _measured(fleet, squad, new_journal(request.out, header), ())


def _measured(fleet: _Fleet, squad: Squad, journal: Journal, recalled: Sequence[Json]) -> Written:
    """The run of a squad, whose journal holds what is recalled already."""
    asked, started = fleet.request, fleet.began - spent(recalled)
    with kept(journal, asked.named_out):
        sweep = Sweep(
            asked.plan, asked.control, visitors=[RemoteVisitor(one.node, one.name) for one in squad],
            keep=journal.append, progress=fleet.progress, seed=asked.seed, memory=asked.memory,
            memory_at_once=_READ_AT_ONCE, memory_bytes=min(one.memory_bytes for one in squad), force=asked.force,
            started=started, stop=fleet.stop, recalled=recalled,
            # Of several classes nobody knows to which a newcomer belongs.
            newcomers=functools.partial(fleet.newcomers, squad) if len(fleet.squads) == 1 else None,
        )  # fmt: skip
        stopped_by = sweep.run()
        time = {**sweep.time, "total_s": read_clock() - started}
        run_id, devices, others = journal.header["run_id"], None, tuple[Written, ...]()
        if stopped_by not in ("user", "failed"):
            there = [one for one in squad if one.name in sweep.places]
            devices, others = repeats.repeated(asked, there, run_id, fleet.progress, fleet.stop)
        more = {"devices": devices} if devices else {}
        made = conclude(journal, stopped_by, time, None, keep=asked.store is not None, facts=more)
        return dataclasses.replace(made, others=others)


def _peaks(squad: Squad) -> list[Json]:
    """Those of the first node that answers."""
    for one in squad:
        with contextlib.suppress(LostError):
            return list(one.node.call({"op": "peaks"}).get("peaks") or [])
    return []


def _device(request: RunRequest) -> str:
    """The one kind of device that a run in a fleet is for. Raises UnavailableError for several."""
    devices = list(dict.fromkeys(cohort.setting.device for cohort in request.plan.cohorts))
    if len(devices) > 1 or ":" in devices[0]:
        raise UnavailableError(
            "A run in a fleet must name one kind of device",
            received=", ".join(devices),
            remedy="Use --device cpu or --device gpu",
        )
    return devices[0]


def _opened(
    request: RunRequest, nodes: Sequence[Node], progress: Progress, taken: Sequence[str] = ()
) -> tuple[list[Opened], list[str]]:
    """The nodes that can measure, and of each other one why it is left out; `taken` are names of others."""
    message = {
        "op": "open",
        "version": __version__,
        "space": request.space,
        "options": {**request.control.model_dump(), **_options(request)},
        "files": {Path(file).name: Path(file).read_text(encoding="utf-8") for file in request.files},
    }
    progress.say(f"starting {counted(len(nodes), 'node')}")
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        answers = list(pool.map(lambda node: _asked(node, message), nodes))
    opened: list[Opened] = []
    left_out: list[str] = []
    for node, answer in zip(nodes, answers, strict=True):
        if refused := answer.get("refused"):
            left_out.append(f"{node.title}: {refused['rule']}. Received: {refused['received']}")
            progress.tell(f"Left out {left_out[-1]}. {refused['remedy']}.")
            node.end()
        else:
            name = _unused(str(answer["device"]), [*taken, *(one.name for one in opened)])
            put_back = tuple(answer.get("put_back", ()))
            opened.append(Opened(node, name, answer["header"], answer["memory_bytes"], put_back))
    return opened, left_out


def _options(request: RunRequest) -> Json:
    names = ("seed", "memory", "force", "command")
    return {name: getattr(request, name) for name in names}


def _asked(node: Node, message: Json) -> Json:
    try:
        return node.call(message)
    except LostError as error:
        return {"refused": error.words}


def _unused(name: str, names: Sequence[str]) -> str:
    """The name, with a number where another node of the same machine has it."""
    return name if name not in names else next(n for i in range(2, 10**6) if (n := f"{name}-{i}") not in names)


def _squads(opened: Sequence[Opened]) -> list[Squad]:
    """Nodes between which nothing differs that decides figures."""
    found: list[list[Opened]] = []
    for one in opened:
        for alike in found:
            if _same(one.header, alike[0].header):
                alike.append(one)
                break
        else:
            found.append([one])
    return [tuple(nodes) for nodes in found]


def _same(header: Json, other: Json) -> bool:
    """Whether runs with these headers were made in one environment, on machines of one class."""
    if header["machine"] != other["machine"]:
        return False
    return not any(one.is_certain for one in differences([json.loads(json.dumps(one)) for one in (header, other)]))


def _tell(squads: Sequence[Squad], progress: Progress) -> None:
    each = [f"{counted(len(squad), 'node')} of {squad[0].header['machine']}" for squad in squads]
    progress.tell(f"Measuring on {' and '.join(each)}")


def _together(actions: Sequence[Callable[[], Written]]) -> list[Written]:
    """What each action makes; all at once where there are several."""
    if len(actions) == 1:
        return [actions[0]()]
    with ThreadPoolExecutor(len(actions)) as pool:
        made = [pool.submit(action) for action in actions]
        while wait(made, timeout=_LOOK_S).not_done:
            pass
        return [one.result() for one in made]
