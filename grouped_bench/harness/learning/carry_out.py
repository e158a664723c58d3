"""A learning run from its request to its file."""

import dataclasses
from pathlib import Path

from grouped_bench import backends
from grouped_bench.harness.learning.examples import KINDS, made
from grouped_bench.harness.learning.learning_run import LearningRun, LearnRequest
from grouped_bench.harness.learning.workers import Asked, backend_seconds
from grouped_bench.harness.lock import alone
from grouped_bench.harness.processes.interrupts import interrupts
from grouped_bench.harness.progress import Progress
from grouped_bench.measure.models.learning.data import Examples, read
from grouped_bench.measure.rounds import Clock, read_clock
from grouped_bench.store.files.temporary import TemporaryFolder
from grouped_bench.store.runs import check_writable

_USUAL_BACKEND = "tensorflow"


def carry_out(request: LearnRequest, resumed: Path | None = None, clock: Clock = read_clock) -> Path:
    """Train what is asked for, and return the file.

    Args:
        request: what is asked for.
        resumed: file of an earlier run with the same request, whose trainings count.
        clock: read for every duration.

    Raises:
        SpaceError: the examples break a rule.
        OutputError: the folder cannot be written.
        UnavailableError: a library is missing, or another run is measuring.
        HostError: the backend does not start.
        RunError: the run cannot go on here.
        CutShortError: it was interrupted before the first training.
    """
    check_writable(request.out)
    if request.backend is not None:
        backends.get(request.backend)  # what is not there is refused before anything is made
    examples = _given(request)
    with (
        Progress(request.quiet) as progress,
        alone(progress.tell, wait=request.wait),
        interrupts() as stop,
        TemporaryFolder() as folder,
    ):
        began = clock()
        if examples is None:
            progress.say(f"making examples of {request.data}")
            examples = made(request.data, request.study.examples, request.seed)
        path = Path(folder) / "examples.npz"
        examples.write(path)
        seconds = {} if request.backend else backend_seconds(request.study, str(path), progress)
        backend = request.backend or min(seconds, key=lambda name: seconds[name], default=_USUAL_BACKEND)
        progress.say(f"starting {backend}")
        with Asked(backend) as ask:
            asked = dataclasses.replace(request, backend=backend)
            run = LearningRun(asked, ask, examples, str(path), progress, stop, clock, began)
            run.begin(ask.facts, ask.version, resumed)
            run.go()
    return run.path


def _given(request: LearnRequest) -> Examples | None:
    """The examples of a user's own file; None where they are made."""
    return None if request.data in KINDS else read(Path(request.data))
