"""The host process, which holds an imported backend and forks, and its children, the workers, which measure.

Run as `python -m grouped_bench.measure.worker BACKEND FD THREADS TF32 [FILE.py …]`, with THREADS 0 and TF32 `own` for
the backend's own choice. The host answers messages on the socket FD, one JSON object a line; `fork` brings along the
descriptors of the new worker's own socket, of the file that takes what it prints, and of the file that says whose turn
it is. Needs the standard library, NumPy and the backend only.
"""

import gc
import json
import os
import platform
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from grouped_bench import backends, variants
from grouped_bench.backends.base import Backend
from grouped_bench.errors import VariantError
from grouped_bench.measure.attempt import attempt
from grouped_bench.measure.machine.in_force import in_force
from grouped_bench.measure.machine.mentions import unread
from grouped_bench.measure.machine.versions import library_versions
from grouped_bench.measure.marks import TurnMark, end_with_parent, marker
from grouped_bench.measure.rounds import read_clock
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Case, Setting
from grouped_bench.space.facts import Json
from grouped_bench.variants.integrity import Seal

if TYPE_CHECKING:
    from grouped_bench.measure.models.learning.training import Trainer

_VISIT_CHOICES = ("visit_s", "reference")
_LONGEST_REQUEST = 1 << 16
_FORK_DESCRIPTORS = 3
_CHOICES = {"on": True, "off": False, "own": None}


def main(arguments: list[str]) -> None:
    """Load the backend, say so, and fork a worker for each request until the socket closes."""
    name, descriptor, threads, tf32, *files = arguments
    control = socket.socket(fileno=int(descriptor))
    start = read_clock()
    backend = backends.load(name, int(threads) or None, tf32=_CHOICES[tf32])
    try:
        variants.import_files(files)
    except VariantError as error:
        _send(control, {"refused": error.words})
        os._exit(1)
    seal = Seal()
    # Objects made so far are shared with every worker; collecting them would copy their pages.
    gc.freeze()
    _send(control, {"ready": True, "import_s": read_clock() - start, "version": backend.version()})
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _LONGEST_REQUEST, _FORK_DESCRIPTORS)
        if not data:
            os._exit(0)  # frameworks' own threads may hang an ordinary exit
        request = json.loads(data)
        if request["op"] == "fork":
            _send(control, {"pid": _fork(backend, control, descriptors, seal)})
        elif request["op"] == "reap":
            _, status = os.waitpid(request["pid"], 0)
            _send(control, {"exit": os.waitstatus_to_exitcode(status)})


def _fork(backend: Backend, control: socket.socket, descriptors: list[int], seal: Seal) -> int:
    asked, host = read_clock(), os.getpid()
    pid = os.fork()
    if pid:
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    status = 1
    try:
        control.close()
        _settle(descriptors[1], host)
        _serve(backend, socket.socket(fileno=descriptors[0]), descriptors[2], asked, seal)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _settle(printed: int, host: int) -> None:
    """Make a forked child a process of its own: its group, its output, its end with its parent."""
    os.setpgid(0, 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    end_with_parent()
    if sys.platform == "linux" and os.getppid() != host:  # which died before it could be asked for
        os._exit(1)


def _serve(backend: Backend, connection: socket.socket, marks: int, asked: float, seal: Seal) -> None:
    """Answer requests on `connection` until it closes."""
    mark = marker(marks)
    benches: list[Workbench] = []
    trainers: list[Trainer] = []
    answers: dict[str, Callable[[Json], Json]] = {
        "probe": lambda request: _probe(backend, request.get("variables", ())),
        "in_force": lambda request: in_force(backend),
        "build": lambda request: _build(benches, backend, mark, request),
        "visit": lambda request: _visit(benches[0], request, seal),
        "memory": lambda request: _memory(backend, mark, request),
        "peaks": lambda request: _peaks(backend, request),
        "explain": lambda request: _explain(backend, mark, request),
        "trial": lambda request: _trial(backend, request),
        "empty": lambda request: _empty(backend, mark, request),
        "whole_model": lambda request: _whole_model(backend, request),
        "learn": lambda request: _learn(trainers, backend, request),
    }
    with connection.makefile("r", encoding="utf-8") as requests:
        for line in requests:
            request = json.loads(line)
            start = read_clock()
            answer = answers[request["op"]](request)
            _send(connection, {**answer, "seconds": read_clock() - start, "start_s": start - asked})


def _probe(backend: Backend, variables: Sequence[str]) -> Json:
    devices = [{"name": device.name, "model": device.model} for device in backend.devices()]
    return {
        "devices": devices,
        "facts": backend.facts(),
        "libraries": library_versions(),
        "python": platform.python_version(),
        "unread": unread(variables),
    }


def _bench(backend: Backend, mark: TurnMark, request: Json) -> Workbench:
    mark(request["variants"][0])
    case, setting = Case.from_columns(request["case"]), Setting(**request["setting"])
    return Workbench(case, setting, request["seed"], backend, mark, request.get("choices"))


def _build(benches: list[Workbench], backend: Backend, mark: TurnMark, request: Json) -> Json:
    benches.append(_bench(backend, mark, request))
    return benches[0].build(
        request["variants"],
        request["iterations"],
        request.get("expected_s", {}),
        check=request["check"],
        within_s=request.get("within_s"),
    )


def _visit(bench: Workbench, request: Json, seal: Seal) -> Json:
    chosen = {name: request[name] for name in _VISIT_CHOICES if name in request}
    answer = bench.visit(request["variants"], request["seed"], request["rounds"], **chosen)
    broken = seal.broken()
    if broken:
        reason = f"{broken[0]} was replaced in the process that measures"
        failed = {name: {"status": "error", "reason": reason} for name in request["variants"]}
        return {**answer, "samples": {}, "failed": failed}
    return answer


def _memory(backend: Backend, mark: TurnMark, request: Json) -> Json:
    from grouped_bench.measure import memory

    memory.give_back_pages()
    backend.count_memory()
    return _bench(backend, mark, request).peak_memory(request["variants"][0], request.get("expected_s", {}))


def _peaks(backend: Backend, request: Json) -> Json:
    from grouped_bench.measure.machine import peaks

    return attempt(backend, lambda: peaks.peaks(backend, request["device"], request["dtype"]))


def _explain(backend: Backend, mark: TurnMark, request: Json) -> Json:
    from grouped_bench.measure.explain import explanation

    name = request["variants"][0]
    return attempt(backend, lambda: explanation.explain(_bench(backend, mark, request), name))


def _trial(backend: Backend, request: Json) -> Json:
    from grouped_bench.measure import trial

    case, setting = Case.from_columns(request["case"]), Setting(**request["setting"])
    whose = request["code"], request["variant"], request["choice"]
    return attempt(backend, lambda: trial.try_code(backend, case, setting, *whose))


def _whole_model(backend: Backend, request: Json) -> Json:
    from grouped_bench.measure.models import copies, whole_model

    subject, what = whole_model.Subject.of(request["subject"]), request["what"]
    if what == "peak":
        backend.count_memory()
    actions: dict[str, Callable[[], Json]] = {
        "check": lambda: whole_model.check(subject),
        "prove": lambda: whole_model.prove(backend, subject),
        "visit": lambda: whole_model.visit(backend, subject, request["expected_s"], request.get("only")),
        "peak": lambda: whole_model.peak_memory(backend, subject, request["name"]),
        "fold": lambda: copies.fold(subject.file, request["path"]),
        "operations": lambda: whole_model.operations(backend, subject),
        "convert": lambda: copies.convert(subject.file, subject.making, subject.folds, request["path"]),
        "restore": lambda: copies.restore(subject.file, request["path"]),
    }
    return attempt(backend, actions[what])


def _learn(trainers: "list[Trainer]", backend: Backend, request: Json) -> Json:
    from grouped_bench.measure.models.learning import training
    from grouped_bench.space.learning import Network

    network, recipe = Network.of_json(request["network"]), training.Recipe(**request["recipe"])

    def learned() -> Json:
        if not trainers:
            if request["what"] == "memory":
                backend.count_memory()
            trainers.append(training.Trainer(backend, network, recipe, request["carriers"]))
        trainer = trainers[0]
        return trainer.peak_memory(recipe.batch_size) if request["what"] == "memory" else trainer.train(recipe)

    return attempt(backend, learned)


def _empty(backend: Backend, mark: TurnMark, request: Json) -> Json:
    from grouped_bench.measure.explain import explanation

    return attempt(backend, lambda: {"call_s": explanation.empty_call_s(_bench(backend, mark, request))})


def _send(connection: socket.socket, message: Json) -> None:
    connection.sendall((json.dumps(message) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
