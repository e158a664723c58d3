"""Runs: `run`, `resume`, `load` and the `Run` that they return; `plan_run`, `show`, `write_report`, `write_figures`."""

import collections
import contextlib
import dataclasses
import functools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import variants
from grouped_bench.errors import CutShortError, NotUploadedError, OutputError
from grouped_bench.harness.plan import Plan, make_plan, resolved
from grouped_bench.space.axes import Control
from grouped_bench.space.facts import Facts
from grouped_bench.space.space import Space
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import Location, ObjectStore, local_folder, refuse_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from grouped_bench.harness.record import Written
    from grouped_bench.harness.request import RunRequest
    from grouped_bench.report.drawing.files import SavedFigure
    from grouped_bench.variants import Files


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
    """A run as its file holds it.

    `frame` has one row per task under the columns of `grouped-bench list columns`; `metadata` is what holds for all
    rows: environment, space, controls, skips, where the time went. `page` is the HTML page that was written with the
    run; None for a run that is read. `url` is that of its file in an object store, where it went there. `others` are
    those of a fleet's other classes of machine, each with its own file.
    A notebook shows its headline and a table.
    """

    frame: "pd.DataFrame"
    metadata: Facts
    path: Path
    page: Path | None = None
    url: str | None = None
    others: "tuple[Run, ...]" = ()

    @functools.cached_property
    def findings(self) -> list[str]:
        """What the run found, in sentences."""
        from grouped_bench.report.findings.findings import findings
        from grouped_bench.report.text.cells import clean

        return [clean(finding.text) for finding in findings(self.frame, [self.metadata])]

    @functools.cached_property
    def samples(self) -> "pd.DataFrame":
        """Every sample of the tasks that ended ok, one a row: see `analyse.samples`."""
        from grouped_bench.analyse.statistics.samples import samples

        return samples(self.frame)

    def __repr__(self) -> str:
        from grouped_bench.report.run import preview

        columns = shutil.get_terminal_size((100, 24)).columns
        return preview.as_text(preview.preview(self.frame, self.metadata), columns)

    def _repr_html_(self) -> str:
        from grouped_bench.report.run import preview

        return preview.as_html(preview.preview(self.frame, self.metadata))

    def report(self, path: str | Path, figures: str | Path | None = None) -> Path:
        """Write the HTML page to `path` and, where asked, the figures into a folder; see `write_figures`."""
        return write_report([self], path, figures)


def plan_run(space: Space, *, files: "Files" = (), **options: Any) -> tuple[Plan, Control]:
    """What `run` would measure with the same arguments, and its controls; measures nothing."""
    variants.import_files(files)
    space, control = resolved(space, options)
    return make_plan(space), control


def run(space: Space, **options: Any) -> Run:
    """Measure `space`, write the Parquet file and the page, and return the run.

    Args:
        space: what to sweep.
        **options: what `RunRequest` names (`out`, `seed`, `memory`, `page`, `quiet`, `files`, `force`, `wait`,
            `explain`, `command`, `executor`, `address`, `repeat_devices`), axes that replace those of the space
            (`device="cpu"`), and controls (`budget="10m"`).

    Raises:
        SpaceError: an argument breaks a rule, or no legal case is left.
        VariantError: a file of variants cannot be used, or a variant is known to this process alone.
        UnavailableError: a device, backend or variant is not there, or another run is measuring.
        OutputError: the folder cannot be written.
        HostError: a backend cannot start.
        CutShortError: the run ended before its file was written; `resume` continues it.
        NotUploadedError: the object store did not take the run, which the error has as `run`; `resume` uploads it.
    """
    from grouped_bench.harness.request import LOCAL, RunRequest
    from grouped_bench.harness.session import carry_out

    request = RunRequest.of(space, options)
    _check_store(request)
    if request.executor == LOCAL:
        return _finished(carry_out(request), request)
    from grouped_bench.harness.fleet import fleet
    from grouped_bench.harness.fleet.engine_process import EngineProcess

    with contextlib.closing(EngineProcess(request.executor, request.address)) as engine:
        first, *others = [_finished(one, request) for one in fleet.carry_out(request, engine)]
    return dataclasses.replace(first, others=tuple(others))


def resume(name: str | Path, *, space: Space | None = None, out: str | Path = DEFAULT_OUT, **options: Any) -> Run:
    """Resume an unfinished run and return it; what it measured is not measured again.

    Args:
        name: its journal, its run id, or `latest`.
        space: may be the run's own, and no other.
        out: folder of run ids and `latest`.
        **options: `quiet`, `wait` and `command` as of `run`; `page` and `explain` are those of the run unless given;
            others may repeat those of the run.

    Raises:
        RunError: the run has ended, was asked for something else, or was made by another version or machine.
        The others of `run`.
    """
    from grouped_bench.harness.record import Written, as_read
    from grouped_bench.harness.request import LOCAL, RunRequest
    from grouped_bench.harness.resume import refuse_half
    from grouped_bench.harness.session import go_on
    from grouped_bench.store.records import read_checked
    from grouped_bench.store.runs import find_journal, read_facts

    path = find_journal(str(name), local_folder(out))
    header, records, torn = read_checked(path)
    as_read(header, records, path)  # refuses facts and values that no run has written
    refuse_half(header, path)
    request = RunRequest.again(header, space, {"out": out, **options})
    _check_store(request)
    if (ended := path.with_suffix(".parquet")).is_file() and request.store and read_facts(ended).get("finished"):
        return _finished(Written(*_read(ended), ended), request)
    begun = path, header, records, torn
    if request.executor == LOCAL:
        return _finished(go_on(*begun, request), request)
    from grouped_bench.harness.fleet import fleet
    from grouped_bench.harness.fleet.engine_process import EngineProcess

    with contextlib.closing(EngineProcess(request.executor, request.address)) as engine:
        return _finished(fleet.go_on(*begun, request, engine), request)


def _finished(written: "Written", request: "RunRequest") -> Run:
    """The run, with its page where that is wanted."""
    from grouped_bench.harness.progress import Progress

    result = Run(written.frame, written.metadata, written.path)
    for one in written.others:
        _uploaded(Run(one.frame, one.metadata, one.path), request)
    if request.page:
        with Progress(request.quiet) as progress:
            progress.say("writing the page")
            try:
                result = dataclasses.replace(result, page=result.report(result.path.with_suffix(".html")))
            except KeyboardInterrupt:
                raise _without_page(result, request.named_out) from None
    return _uploaded(result, request)


def _check_store(request: "RunRequest") -> None:
    """Raises OutputError where the object store of a run takes no file, before anything is measured."""
    if request.store:
        ObjectStore(request.store).check_writable()


def _uploaded(made: Run, request: "RunRequest") -> Run:
    """The run, which a store gets when it has ended; only then its journal goes."""
    from grouped_bench.harness.progress import Progress
    from grouped_bench.store.journal import SUFFIX, resume_command

    if request.store is None or not made.metadata["finished"]:
        return made
    with Progress(request.quiet) as progress:
        progress.say(f"uploading to {request.store}")
        files = [file for file in (made.page, made.path) if file is not None]
        try:
            *_, url = ObjectStore(request.store).upload(files, request.out)
        except (OutputError, KeyboardInterrupt) as error:
            told = error if isinstance(error, OutputError) else None
            refused = NotUploadedError(
                told.rule if told else "A run must end before it is uploaded",
                received=told.received if told else "an interrupt",
                remedy=f"{'Correct that, then upload' if told else 'Upload'} {made.path.name} with "
                f"`{resume_command(made.path, request.store)}`",
            )
            refused.run = made
            raise refused from None
    made.path.with_suffix(SUFFIX).unlink(missing_ok=True)
    return dataclasses.replace(made, url=url)


def _without_page(made: Run, out: Location) -> CutShortError:
    """What to say of a run that was written and whose page was interrupted."""
    from grouped_bench.store.journal import resume_command

    ended = made.metadata["finished"]
    go_on = f"grouped-bench report {made.path}" if ended else resume_command(made.path, out)
    return CutShortError(
        f"The page of a run must be written without an interrupt; the run is {'complete' if ended else 'kept'} "
        f"in {made.path}",
        received="an interrupt",
        remedy=f"{'Write the page' if ended else 'Resume'} with `{go_on}`",
    )


def load(name: str | Path, out: str | Path = DEFAULT_OUT) -> Run:
    """The newest run that `name` stands for: a file, a folder of runs, a run id, or `latest`.

    Raises:
        RunError: there is no such run, or its file cannot be read as one.
    """
    return load_all([str(name)], out)[-1]


def load_all(names: list[str], out: str | Path = DEFAULT_OUT) -> list[Run]:
    """Every run that `names` stand for, each once, in their order."""
    from grouped_bench.store.runs import find_all_runs

    return [Run(*_judged(path), path) for path in find_all_runs(names, out)]


def load_newest(names: list[str], out: str | Path, most: int) -> tuple[list[Run], int]:
    """Of the runs that `names` stand for the newest of each machine in turn, and how many there are in all.

    Args:
        names, out: as of `load_all`.
        most: tasks from which on no further run is taken; where all have fewer, all are.

    Raises:
        RunError: as of `load_all`.
    """
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import count_rows, find_all_runs

    paths = find_all_runs(names, out)
    taken, tasks = set[Path](), 0
    for path in _in_turn(paths):
        if tasks >= most:
            break
        taken.add(path)
        tasks += 0 if path.suffix == SUFFIX else count_rows(path)
    return [Run(*_judged(path), path) for path in paths if path in taken], len(paths)


def _in_turn(paths: "Sequence[Path]") -> "list[Path]":
    """Files of runs, the newest of each folder first, then the second newest of each, and so on."""
    taken = collections.Counter[Path]()
    ranks = {}
    for path in sorted(paths, key=lambda one: one.stem, reverse=True):
        ranks[path] = taken[path.parent]
        taken[path.parent] += 1
    return sorted(ranks, key=lambda path: ranks[path])


def _judged(path: Path) -> "tuple[pd.DataFrame, Facts]":
    """Frame and metadata of a run, its verdicts by the rules of today, under the types of a file."""
    from grouped_bench.analyse.statistics.derive import by_present_rules
    from grouped_bench.store.runs import as_written

    frame, metadata = _read(path)
    judged, _ = by_present_rules(frame, metadata, path)
    return (frame, metadata) if judged is frame else as_written(judged, metadata, path)


def _read(path: Path) -> "tuple[pd.DataFrame, Facts]":
    from grouped_bench.harness.record import read_unfinished
    from grouped_bench.store.journal import SUFFIX
    from grouped_bench.store.runs import read_run

    # A run may end between the moment it is found and now.
    if path.suffix == SUFFIX and path.exists():
        return read_unfinished(path)
    return read_run(path.with_suffix(".parquet") if path.suffix == SUFFIX else path)


def show(
    runs: list[Run],
    *,
    by: str | None = None,
    sort: str | None = None,
    where: str | None = None,
    format: str = "table",
    width: int = 80,
    styled: bool = False,
) -> str:
    """Tables and findings of `runs` as text.

    Args:
        runs: one or more, as `load` gives them.
        by: a column by which the rows are grouped, instead of by cohort.
        sort: `latency`, `speedup`, `memory`, `params` or any column.
        where: an expression over the columns that holds for the rows to keep, such as `groups > 1`.
        format: `table`, `markdown`, `csv` or `json`.
        width: columns of a `table`.
        styled: whether a `table` has a terminal's weight and colour.

    Raises:
        SpaceError: a column does not exist, or `where` cannot be read as an expression over the columns.
    """
    from grouped_bench.report.run import tables

    facts = [run.metadata for run in runs]
    chosen = {"by": by, "sort": sort, "where": where}
    return tables.render(joined(runs), facts, **chosen, format=format, width=width, styled=styled)


def write_report(
    runs: list[Run], path: str | Path, figures: str | Path | None = None, *, of: int | None = None
) -> Path:
    """Write one HTML page for all `runs`, and return its path.

    Args:
        runs: one or more, as `load` gives them.
        path: of the page; a file there is replaced.
        figures: folder for the figures, as `write_figures` writes them; None writes none.
        of: how many runs there are, where these are the newest of them, as `load_newest` gives them.

    Raises:
        OutputError: the page or a figure cannot be written.
    """
    from grouped_bench.report.drawing import registry
    from grouped_bench.report.page import html
    from grouped_bench.store.runs import check_writable

    for place, what in ((path, "Pages"), (figures or "", "Figures")):
        refuse_store(place, what)
    path, frame, metadata = Path(path), joined(runs), [run.metadata for run in runs]
    check_writable(path.parent)
    if figures is not None:
        registry.save(frame, Path(figures), metadata)
    return html.write(frame, metadata, path, of=of)


def write_figures(
    runs: list[Run],
    folder: str | Path,
    *,
    names: "Sequence[str]" = (),
    formats: "str | Sequence[str]" = ("svg", "png", "pdf"),
    width: str | None = None,
    captions: bool = False,
    where: str | None = None,
) -> "list[SavedFigure]":
    """Write the figures of all `runs`, and return the files of each, or why it has nothing to show.

    Args:
        runs: one or more, as `load` gives them.
        folder: made where it is missing; files of the same names are replaced.
        names: of the figures, such as `latency`; all where there is none.
        formats: of `svg`, `png` and `pdf`, in which text stays text.
        width: of every figure, such as `85mm` or `3.35in`; None for that of the page.
        captions: write title and notes into a text file beside each figure instead of into it.
        where: an expression over the columns that holds for the tasks to draw, such as `groups > 1`.

    Raises:
        SpaceError: a name, format, width or expression breaks its rule, or a figure that is named has nothing to show.
        OutputError: the folder cannot be written.
    """
    from grouped_bench.report.drawing import files, registry

    refuse_store(folder, "Figures")
    how = files.print_of(formats, width, captions=captions)
    frame = joined(runs)
    selected = frame if where is None else frame[selection(frame, where)]
    return registry.save(selected, folder, [run.metadata for run in runs], names=names, how=how)


def selection(frame: "pd.DataFrame", where: str) -> list[bool]:
    """Of each row of `frame` whether the expression `where` holds for it. Raises SpaceError where it is none."""
    from grouped_bench.analyse.rows import plain
    from grouped_bench.report.run.where import select

    rows = plain(frame)
    kept = {id(row) for row in select(rows, where)}
    return [id(row) in kept for row in rows]


def joined(runs: list[Run]) -> "pd.DataFrame":
    """The frames of all `runs` as one."""
    import pandas as pd

    return pd.concat([run.frame for run in runs], ignore_index=True)
