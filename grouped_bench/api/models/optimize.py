"""A network with each grouped convolution in its fastest form; behind `grouped-bench optimize`."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import backends
from grouped_bench.api.advise import Measuring
from grouped_bench.api.models.optimized import Optimized
from grouped_bench.api.models.optimized_layers import (
    FILE,
    FORMS,
    MARGIN,
    changes_of,
    grouped_layers,
    made_folds,
    measuring,
    pages_of,
    stand_ins_of,
    substitutes_of,
    why_none,
)
from grouped_bench.backends.base import usable_processors
from grouped_bench.errors import HostError, OutputError, SpaceError
from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.files.object_store import local_folder
from grouped_bench.store.files.temporary import TemporaryFolder
from grouped_bench.store.networks.files import PACKAGE, beside, may_have_parts, refuse_taken, restore
from grouped_bench.units import counted

if TYPE_CHECKING:
    from grouped_bench.analyse.advise.optimized import Lead
    from grouped_bench.harness.inspect.whole_model import WholeModel, Workers
    from grouped_bench.harness.plan import Cohort
    from grouped_bench.space.case import Setting

LAYERS_FILE = f"{PACKAGE}.py"
_NOTHING = "the model has no grouped convolution that has other forms; its other layers stay as they are"
_FOLDED = (
    "Folded to {}: convolutions of parts that are concatenated again. --restore gives Keras' grouped layers back, not "
    "the parts"
)


def optimize(
    model: Any,
    output: str | Path | None = None,
    *,
    input_shape: str | Sequence[int] | None = None,
    save_as: str = FILE,
    only_layers: bool = False,
    budget: str | float | None = "5m",
    out: str | Path = DEFAULT_OUT,
    force: bool = False,
    wait: bool = False,
    quiet: bool = True,
    **options: Any,
) -> Optimized:
    """Put each grouped convolution of a Keras model in its fastest form, and show that the model is faster by it.

    Every grouped layer is measured in the forms that keep its function, unless runs under `out` have done so here. A
    layer is replaced where a form is faster by more than 3%. The copy is compared with the original in float64, output
    and gradients, and a step of both is timed in five fresh processes. What was found of both before is kept in `out`.

    Args:
        model: path of a .keras file, or a Functional or Sequential `keras.Model`, which stays as it is.
        output: where to write the copy; only a faster one is written.
        input_shape: extents of an example, such as `224,224,3`; the model's own unless given.
        save_as: `file`: layers with the weights of Keras' own, in `grouped_layers.py` beside the copy. `builtin`:
            layers of Keras alone, with other weights. `layers`: those of `grouped_bench.layers`.
        only_layers: whether to try no other threads, compilers and values of environment variables.
        budget: seconds, or text such as `5m`, for measuring layers.
        out: folder of the runs to ask, and of what is measured.
        force: whether to replace files that are there.
        wait: whether to wait for another run on this machine to end before measuring.
        quiet: whether to show no progress on stderr.
        **options: one value each of `batch_size`, `passes`, `backend`, `device`. Of `env`, `threads` and `execution`
            there may be several: it optimises for each, and the fastest copy is written.

    Raises:
        SpaceError: not a model that can be read, one without a convolution, or an argument that breaks a rule.
        OutputError: the copy cannot be written.
        UnavailableError: another run is measuring.
        HostError: the backend does not start.
    """
    from grouped_bench.harness.inspect.networks import extents_of, file_of
    from grouped_bench.harness.inspect.whole_model import Workers
    from grouped_bench.report.optimization import compared

    if save_as not in FORMS:
        raise SpaceError("A copy must be of a known kind", received=save_as, remedy=f"Use {', '.join(FORMS)}")
    if output is not None:
        _check_free(Path(output), model, save_as, force=force)
    how = Measuring.of(out, budget, wait=wait, quiet=quiet, files=(), environments=False, any_answer=True)
    how = measuring(how, save_as, str(options.get("backend", "tensorflow")))
    with file_of(model) as (file, name), Workers() as workers, _folded(file, workers, options) as (whole, folds):
        by_setting, example, left_out = grouped_layers(whole, folds, input_shape, save_as, options)
        given = str(model) if isinstance(model, Path) else model
        blank = Optimized(name, (), None, _NOTHING, left_out, saved_as=save_as, _given=given)
        how = dataclasses.replace(how, network=name)
        network = _Network(file, folds, extents_of(input_shape), workers, how)
        each = [
            network.optimized(dataclasses.replace(blank, setting=setting), some) for setting, some in by_setting.items()
        ]
        each = each or [dataclasses.replace(blank, setting=example.setting)]
        best = min(each, key=lambda found: found.step_s)
        cohort = dataclasses.replace(example, setting=best.setting or example.setting)
        if len(each) > 1:
            best = dataclasses.replace(best, notes=(*compared(each, best), *best.notes))
        elif not only_layers:
            best = dataclasses.replace(best, leads=network.leads(best, cohort, options))
        if best.is_faster and output is not None:
            notes = _write(network.copy_of(best, cohort), Path(output), best.layers)
            best = dataclasses.replace(best, path=Path(output), notes=(*best.notes, *notes))
    return best


@dataclasses.dataclass(frozen=True)
class _Network:
    """A network in a file, whose copies are made, proved and timed.

    Args:
        file: of the original.
        folds: what may be folded in it, as `measure.models.copies.fold` answers.
        input_shape: extents of an example; None for the model's own.
        workers: to ask.
        how: layers are measured.
    """

    file: str
    folds: list[Json]
    input_shape: list[int] | None
    workers: "Workers"
    how: Measuring

    def optimized(self, found: Optimized, cohorts: "Sequence[Cohort]") -> Optimized:
        """`found` with what comes of it in the setting of `cohorts`."""
        from grouped_bench.harness.lock import alone
        from grouped_bench.harness.progress import Progress

        refused = self._whole(cohorts[0]).checked()
        if refused is not None:
            return dataclasses.replace(found, refusal=refused)
        found = dataclasses.replace(found, changes=changes_of(cohorts, self.how))
        found = dataclasses.replace(found, notes=(*found.notes, *pages_of(found.changes, local_folder(self.how.out))))
        substitutes = substitutes_of(found.changes)
        if not substitutes:
            return dataclasses.replace(found, refusal=why_none(found.changes))
        made, folds = stand_ins_of(substitutes, found.saved_as), made_folds(self.folds, substitutes)
        both = self._whole(cohorts[0], made.making, folds)
        with Progress(self.how.quiet) as progress, alone(progress.tell, wait=self.how.wait):
            whole, refused = both.judged(MARGIN, progress)
        if both.kept_at:
            folder = local_folder(self.how.out)
            told = f"Both networks were timed before, on {both.kept_at}; the answers are kept under {folder}."
            found = dataclasses.replace(found, notes=(*found.notes, told))
        is_odd = whole is not None and (refused is not None or not whole.is_as_predicted(found.changes))
        if folds:
            found = dataclasses.replace(found, notes=(*found.notes, _FOLDED.format(counted(len(folds), "layer"))))
        made_of = dataclasses.replace(found, layers=made.layers, _making=made.making, _folds=folds)
        return dataclasses.replace(made_of, whole=whole, refusal=refused, moves=both.moves() if is_odd else ())

    def copy_of(self, found: Optimized, cohort: "Cohort") -> "WholeModel":
        """The network and its copy in the setting of `cohort`."""
        return self._whole(cohort, found._making, found._folds)

    def leads(self, found: Optimized, cohort: "Cohort", options: Json) -> "tuple[Lead, ...]":
        """What a step takes in settings that nobody asked for, the fastest first."""
        from grouped_bench.harness.lock import alone
        from grouped_bench.harness.progress import Progress

        if self._whole(cohort).checked() is not None:
            return ()
        # Without a copy that computes the same, the network as it is was not timed yet.
        whole, usual = found.whole, [] if found.whole else [cohort.setting]
        made = (found._making, found._folds) if whole else ("", ())
        tried = []
        with Progress(self.how.quiet) as progress, alone(progress.tell, wait=self.how.wait):
            for setting in (*usual, *_other_settings(cohort.setting, options)):
                progress.say(f"trying {setting.title()}")
                both = self._whole(dataclasses.replace(cohort, setting=setting), *made)
                try:
                    tried.append(both.lead(setting, whole.steps_s if whole else {}))
                except HostError:
                    continue  # where nothing starts there is nothing to gain
        return tuple(sorted((one for one in tried if one is not None), key=lambda one: one.step_s))

    def _whole(self, cohort: "Cohort", making: str = "", folds: tuple[str, ...] = ()) -> "WholeModel":
        from grouped_bench.harness.inspect.whole_model import WholeModel
        from grouped_bench.store.networks.answers import Answers, digest_of

        case, setting = cohort.case, cohort.setting
        asked: Json = {
            **{"input_shape": self.input_shape, "batch_size": case.batch_size, "pass_": case.pass_},
            **{"execution": setting.execution, "device": setting.device, "making": making, "folds": folds},
        }
        answers = Answers(local_folder(self.how.out), setting.host, {**asked, "model": digest_of(self.file)})
        subject = {**asked, "file": str(Path(self.file).absolute())}
        return WholeModel(self.workers, setting.host, subject, answers)


def _other_settings(setting: "Setting", options: Json) -> "list[Setting]":
    """Settings that differ from one in threads, compiler or environment, as far as the user has left these open."""
    backend = backends.get(setting.backend)
    found = []
    if "env" not in options:
        found += [dataclasses.replace(setting, env=env) for env in backend.other_environments()]
    if "execution" not in options:
        others = [name for name in backend.executions if name not in (setting.execution, "eager")]
        found += [dataclasses.replace(setting, execution=name) for name in others]
    usable = usable_processors() or 1
    if "threads" not in options and usable > 1 and setting.device == "cpu":
        found.append(dataclasses.replace(setting, threads=usable // 2))
    return found


def restore_file(source: str | Path, output: str | Path, *, force: bool = False) -> int:
    """Write an optimised model with Keras' own grouped convolutions and the weights that it has now.

    Args:
        source: path of the model.
        output: where to write it.
        force: whether to replace a file that is there.

    Returns:
        How many layers changed.

    Raises:
        SpaceError: not a model that `optimize` wrote.
        OutputError: the file cannot be written.
    """
    target = Path(output)
    refuse_taken(target, source, force=force)
    with beside(target) as fresh:
        count = restore(Path(source), fresh) or _rebuilt(Path(source), fresh)
        fresh.replace(target)
    return count


def _rebuilt(source: Path, target: Path) -> int:
    """Write a model of Keras' own layers with grouped convolutions in the place of those that `optimize` put there."""
    from grouped_bench.harness.inspect.whole_model import Workers
    from grouped_bench.space.case import HostKey

    subject = {"file": str(source.absolute())}
    with Workers() as workers:
        told = workers.ask(HostKey(os.environ.get("KERAS_BACKEND", "tensorflow")), "restore", subject, path=str(target))
    if "status" in told:
        raise SpaceError(
            "A model to restore must be one that Keras loads",
            received=f"{source.name} ({told['reason']})",
            remedy="Name the file that `optimize` wrote",
        )
    return int(told["count"])


@contextlib.contextmanager
def _folded(file: str, workers: "Workers", options: Json) -> Iterator[tuple[str, list[Json]]]:
    """A file of the network with its folds as grouped layers while the block lasts, and what was folded."""
    from grouped_bench.space.case import HostKey

    if not may_have_parts(Path(file)):
        yield file, []
        return
    with TemporaryFolder() as folder:
        path = str(Path(folder) / "folded.keras")
        key = HostKey(str(options.get("backend", "tensorflow")))
        folds = workers.ask(key, "fold", {"file": str(Path(file).absolute())}, path=path).get("folds", [])
        yield (path if folds else file), folds


def _write(network: "WholeModel", target: Path, layers: str) -> tuple[str, ...]:
    """Write the copy and its layers' module, if it needs one, each whole or not there; what to say beside it."""
    from grouped_bench.report.optimization import module_text

    module = target.parent / LAYERS_FILE
    with beside(target) as fresh, beside(module) as fresh_module:
        told = network.save(str(fresh))
        problem = told.get("reason") if "status" in told else None
        try:
            if layers:
                fresh_module.write_text(module_text(layers, target.name), encoding="utf-8")
            if problem is None:
                if layers:
                    fresh_module.replace(module)
                fresh.replace(target)
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            raise OutputError(
                "The folder must take the copy",
                received=f"{target} ({problem})",
                remedy="Free it, or name another",
            )
    why = told["uncompiled"]
    if why is not None:
        return (f"The copy is not compiled, since the original cannot be loaded so: {why}.",)
    return () if told["has_state"] else ("The copy has other weights, so its optimizer begins anew.",)


def _check_free(target: Path, model: Any, save_as: str, *, force: bool) -> None:
    """Refuse a place that cannot take the copy, before anything is measured."""
    if target.suffix != ".keras":
        raise SpaceError("A copy must end in .keras", received=target.name, remedy="Write faster.keras")
    refuse_taken(target, model, force=force)
    if save_as == FILE:
        refuse_taken(target.parent / LAYERS_FILE, model, force=force)
