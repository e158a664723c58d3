"""Trainings of small networks beside each other; behind `grouped-bench learn`."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grouped_bench.errors import SpaceError
from grouped_bench.space.facts import Json
from grouped_bench.space.learning import EPOCHS, SEEDS, Study
from grouped_bench.space.studies import study_named
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import ObjectStore, is_url, local_folder
from grouped_bench.units import parse_duration

if TYPE_CHECKING:
    import pandas as pd

    from grouped_bench.analyse.learning.verdicts import Judged
    from grouped_bench.store.learning import Training


@dataclasses.dataclass(frozen=True)
class Learning:
    """A learning run: its trainings and what they say.

    Attributes:
        path: of its file.
        trainings: a row each.
        metadata: the run-wide facts.
    """

    path: Path
    trainings: "tuple[Training, ...]"
    metadata: Json

    @property
    def study(self) -> Study:
        """What was trained and compared."""
        from grouped_bench.store.learning import study_of

        return study_of(self.metadata)

    @property
    def rows(self) -> "tuple[tuple[Training, ...], Json]":
        """Trainings and facts, as reports take them."""
        return self.trainings, self.metadata

    @functools.cached_property
    def comparisons(self) -> "tuple[Judged, ...]":
        """Each comparison with its interval and verdict."""
        from grouped_bench.analyse.learning.verdicts import judged

        return tuple(judged(self.study, self.trainings))

    @functools.cached_property
    def findings(self) -> tuple[str, ...]:
        """Sentences, the decided ones first."""
        from grouped_bench.report.learning.sentences import findings

        return tuple(findings(self.trainings, self.metadata))

    @property
    def frame(self) -> "pd.DataFrame":
        """A row a training, with the columns of its file."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(one) for one in self.trainings])

    def report(self, path: str | Path | None = None) -> Path:
        """Write the page, beside the file unless `path` names another place. Raises OutputError."""
        from grouped_bench.report.learning.page import write

        return write(self.trainings, self.metadata, Path(path) if path else self.path.with_suffix(".html"))

    def __str__(self) -> str:
        from grouped_bench.report.learning.table import render

        return render(self.trainings, self.metadata, "table")


def learn(
    preset: str = "shuffle-mini",
    *,
    data: str | Path | None = None,
    backend: str | None = None,
    seeds: int = 20,
    budget: str | float | None = "30m",
    epochs: int | None = None,
    seed: int = 0,
    out: str | Path = DEFAULT_OUT,
    resume: str | Path | None = None,
    wait: bool = False,
    quiet: bool = True,
    command: Sequence[str] = (),
) -> Learning:
    """Train the networks of a preset from several seeds, and say which learn better.

    Args:
        preset: `shuffle-mini`, `resnext-mini` or `deep-roots-mini`.
        data: `mnist1d`, `digits`, `shapes`, or the path of an .npz file with x_train, y_train, x_test and y_test; that
            of the preset unless given.
        backend: framework under Keras; of those that are installed the one that trains fastest here unless given.
        seeds: of each network, at most; fewer where every comparison has its verdict.
        budget: seconds, or text such as `30m`, in which the run ends; None for as long as it takes.
        epochs: of a training; those of the preset unless given.
        seed: of the examples that are made.
        out: folder of runs.
        resume: a run that was cut short, by file, id or `latest`; it goes on with what it was asked for.
        wait: whether to wait for another run on this machine to end.
        quiet: whether to show no progress on stderr.
        command: the command line to record.

    Raises:
        SpaceError: an argument or the examples break a rule.
        UnavailableError: a library is missing, or another run is measuring.
        OutputError: the folder cannot be written.
        RunError: the run to resume is not there, or cannot go on here.
    """
    from grouped_bench.harness.learning.carry_out import carry_out
    from grouped_bench.harness.learning.learning_run import LearnRequest
    from grouped_bench.store import learning as store

    study = study_named(preset)
    if epochs is not None:
        study = dataclasses.replace(study, epochs=_whole(epochs, "epochs", *EPOCHS))
    request = LearnRequest(
        study=study,
        data=str(data or study.data),
        out=local_folder(out),
        backend=backend,
        most_seeds=_whole(seeds, "seeds", *SEEDS),
        budget=None if budget is None else _seconds(budget),
        seed=seed,
        quiet=quiet,
        wait=wait,
        command=tuple(command),
    )
    resumed = None
    if resume is not None:
        resumed = store.find(str(resume), local_folder(out))
        facts = store.read(resumed)[1]
        request = dataclasses.replace(request, study=store.study_of(facts), backend=str(facts["backend"]))
        if data is None:
            request = dataclasses.replace(request, data=str(facts["data"]["name"]), seed=int(facts["data"]["seed"]))
    store_of_all = ObjectStore(str(out)) if is_url(out) else None
    if store_of_all:
        store_of_all.check_writable()
    made = load_learning(carry_out(request, resumed))
    if store_of_all:
        store_of_all.upload([made.path], request.out)
    return made


def load_learning(path: str | Path, out: str | Path = DEFAULT_OUT) -> Learning:
    """A learning run by its file, its id or `latest`. Raises RunError."""
    from grouped_bench.store import learning as store

    found = store.find(str(path), out)
    trainings, facts = store.read(found)
    return Learning(found, tuple(trainings), facts)


def _whole(value: int, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SpaceError(
            f"The number of {name} must be an integer from {least} to {most:,}",
            received=value,
            remedy=f"Give {least} or more",
        )
    return value


def _seconds(text: str | float) -> float:
    try:
        found = parse_duration(text)
    except ValueError:
        found = 0.0
    if found <= 0:
        raise SpaceError("The budget must be a duration above 0", received=text, remedy="Write it like 30m")
    return found
