"""A network with each grouped convolution in its fastest form; behind `grouped-bench optimize`."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grouped_bench import backends
from grouped_bench.api.advise import Measuring, answers, evidence
from grouped_bench.api.layer_code import refuse_several
from grouped_bench.errors import OutputError, SpaceError
from grouped_bench.plan import make_plan, resolved
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE
from grouped_bench.space.facts import Json
from grouped_bench.store import DEFAULT_OUT
from grouped_bench.store.networks import PACKAGE, beside, refuse_taken, restore
from grouped_bench.units import format_percent

if TYPE_CHECKING:
    import pandas as pd

    from grouped_bench.analyse.advise.advice import Question
    from grouped_bench.analyse.advise.optimized import LayerChange, Whole
    from grouped_bench.analyse.estimate import Estimate
    from grouped_bench.harness.inspect.whole_model import WholeModel
    from grouped_bench.plan import Cohort
    from grouped_bench.variants.modules import StandIns

# Forms with the weights of Keras' layer whose classes fill one page.
_FORMS = (NATIVE, MERGED, DEPTHWISE)
_OWN = ("regular", "grouped")
_NOTHING = "the model has no Conv layer with groups; its depthwise and other layers stay as they are"
_MARGIN = 0.03
LAYERS_FILE = f"{PACKAGE}.py"


@dataclasses.dataclass(frozen=True)
class Optimized:
    """What `optimize` found.

    Args:
        source: what was optimised, as it is named to a person.
        changes: the grouped convolutions, each distinct one once, the greatest saving first.
        whole: both networks as they were timed; None where no layer is changed, or the copy is refused.
        refusal: why there is no copy, or none that may be written; None where it is faster.
        notes: what is left out, and what else to know, in sentences.
        layers: source of the module to import before the copy is loaded; empty without a copy.
        path: of the copy; None where none was written.
        env: values of environment variables for which it was optimised; None for those at hand.
    """

    source: str
    changes: "tuple[LayerChange, ...]"
    whole: "Whole | None"
    refusal: str | None
    notes: tuple[str, ...] = ()
    layers: str = ""
    path: Path | None = None
    env: str | None = None
    _given: Any = dataclasses.field(default=None, repr=False)
    _making: str = dataclasses.field(default="", repr=False)

    @property
    def is_faster(self) -> bool:
        """Whether the copy was shown to be faster."""
        return self.whole is not None and self.whole.verdict == "faster" and self.refusal is None

    @property
    def speedup(self) -> "Estimate":
        """How many times as fast the copy is; 1 without one."""
        from grouped_bench.analyse.estimate import Estimate

        return self.whole.speedup if self.whole and self.is_faster else Estimate(1.0, 1.0, 1.0)

    @property
    def step_s(self) -> float:
        """Seconds of a step of the better of both networks; infinite where none was timed."""
        if self.whole is None:
            return math.inf
        return (self.whole.after if self.is_faster else self.whole.before).seconds.value

    @property
    def table(self) -> "pd.DataFrame":
        """The layers, one a row: what each was and is, and what that saves."""
        import pandas as pd

        from grouped_bench.report.optimization import records

        return pd.DataFrame(records(self))

    @functools.cached_property
    def model(self) -> Any:
        """The copy as a Keras model of this process, with the weights of the original; that itself without a copy.

        It is not compiled.
        """
        from grouped_bench.measure.models.whole_model import replaced

        return replaced(self._original(), self._making) if self.is_faster else self._original()

    def restore(self) -> Any:
        """The original, not compiled, with the weights that `model` has now."""
        from grouped_bench.measure.models.whole_model import same_state, unchanged

        found = unchanged(self._original())
        same_state(self.model, found)
        return found

    def _original(self) -> Any:
        import keras

        is_file = isinstance(self._given, str)
        return keras.models.load_model(self._given, compile=False) if is_file else self._given


def optimize(
    model: Any,
    output: str | Path | None = None,
    *,
    input_shape: str | Sequence[int] | None = None,
    budget: str | float | None = "5m",
    out: str | Path = DEFAULT_OUT,
    force: bool = False,
    wait: bool = False,
    quiet: bool = True,
    **options: Any,
) -> Optimized:
    """Put each grouped convolution of a Keras model in its fastest form, and show that the model is faster by it.

    Every grouped layer is measured in the forms that keep its weights, unless runs under `out` have done so here. A
    layer is replaced where a form is faster by more than 3%. The copy is compared with the original in float64, output
    and gradients, and a step of both is timed in five fresh processes.

    Args:
        model: path of a .keras file, or a Functional or Sequential `keras.Model`, which stays as it is.
        output: where to write the copy, with `grouped_layers.py` beside it; only a faster one is written.
        input_shape: extents of an example, such as `224,224,3`; the model's own unless given.
        budget: seconds, or text such as `5m`, for measuring layers.
        out: folder of the runs to ask, and of what is measured.
        force: whether to replace files that are there.
        wait: whether to wait for another run on this machine to end before measuring.
        quiet: whether to show no progress on stderr.
        **options: one value each of `batch_size`, `passes`, `backend`, `execution`, `device`, `threads`. Of `env` there
            may be several: it optimises for each, and the fastest copy is written.

    Raises:
        SpaceError: not a model that can be read, one without a convolution, or an argument that breaks a rule.
        OutputError: the copy cannot be written.
        UnavailableError: another run is measuring.
        HostError: the backend does not start.
    """
    from grouped_bench.harness.inspect.networks import extents_of, file_of
    from grouped_bench.harness.inspect.whole_model import WholeModel
    from grouped_bench.report.optimization import compared

    if output is not None:
        _check_free(Path(output), model, force=force)
    with file_of(model) as (file, name):
        by_env, left_out = _grouped(file, input_shape, options)
        given = str(model) if isinstance(model, Path) else model
        blank = Optimized(name, (), None, _NOTHING, left_out, _given=given)
        how = Measuring.of(
            out, budget, wait=wait, quiet=quiet, files=(), tried=_FORMS, environments=False, any_answer=True
        )
        shape = extents_of(input_shape)
        each = [_in_one(dataclasses.replace(blank, env=env), file, shape, some, how) for env, some in by_env.items()]
        best = min(each, key=lambda found: found.step_s, default=blank)
        if len(each) > 1:
            best = dataclasses.replace(best, notes=(*compared(each, best), *best.notes))
        if best.is_faster and output is not None:
            cohort = by_env[best.env][0]
            with WholeModel(cohort.setting.host, _subject(file, shape, cohort)) as network:
                network.use(best._making)
                notes = _write(network, Path(output), best.layers)
            best = dataclasses.replace(best, path=Path(output), notes=(*best.notes, *notes))
    return best


def _in_one(
    found: Optimized, file: str, shape: list[int] | None, cohorts: "Sequence[Cohort]", how: Measuring
) -> Optimized:
    """`found` with what comes of it in the environment of `cohorts`."""
    from grouped_bench.harness.inspect.whole_model import WholeModel
    from grouped_bench.harness.lock import alone
    from grouped_bench.harness.progress import Progress

    with WholeModel(cohorts[0].setting.host, _subject(file, shape, cohorts[0])) as network:
        refused = network.checked()
        if refused is not None:
            return dataclasses.replace(found, refusal=refused)
        found = dataclasses.replace(found, changes=_changes(cohorts, how))
        made = _stand_ins(found.changes)
        if made is None:
            return dataclasses.replace(found, refusal=_why_none(found.changes))
        network.use(made.making)
        with Progress(how.quiet) as progress, alone(progress.tell, wait=how.wait):
            whole, refused = network.judged(_MARGIN, progress)
    return dataclasses.replace(found, whole=whole, refusal=refused, layers=made.layers, _making=made.making)


def restore_file(source: str | Path, output: str | Path, *, force: bool = False) -> int:
    """Write an optimised model with Keras' own layers and the weights that it has now; how many layers changed.

    Args:
        source: path of the model.
        output: where to write it.
        force: whether to replace a file that is there.

    Raises:
        SpaceError: not a model that `optimize` wrote.
        OutputError: the file cannot be written.
    """
    target = Path(output)
    refuse_taken(target, source, force=force)
    with beside(target) as fresh:
        count = restore(Path(source), fresh)
        fresh.replace(target)
    return count


def _grouped(
    file: str, input_shape: str | Sequence[int] | None, options: dict[str, Any]
) -> "tuple[dict[str | None, list[Cohort]], tuple[str, ...]]":
    """The distinct grouped convolutions that Keras has as such, by the environment; and what is left out of them."""
    from grouped_bench.analyse.network import OWN_GROUPED
    from grouped_bench.harness.inspect.networks import OF_VARIANTS, read_network

    backend = str(options.get("backend", "tensorflow"))
    space, _ = resolved(read_network(file, input_shape, backend=backend), options)
    plan = make_plan(space)
    refuse_several([_question(one) for one in plan.cohorts])
    skipped = (f"Left out: {skip.cohort.label or skip.cohort.case.title()}: {skip.reason}" for skip in plan.skipped)
    # Of variants that are left out the space speaks too; here others are measured.
    left_out = (*(one for one in space.left_out if not one.startswith(OF_VARIANTS)), *skipped)
    by_env: dict[str | None, list[Cohort]] = {}
    for one in plan.cohorts:
        if one.case.groups > 1 and (one.in_use or OWN_GROUPED) == OWN_GROUPED:
            by_env.setdefault(one.setting.env, []).append(one)
    return by_env, left_out


def _question(cohort: "Cohort") -> "Question":
    from grouped_bench.analyse.advise.advice import question

    found = question(cohort.case, cohort.setting)
    return dataclasses.replace(found, label=cohort.label, in_use=cohort.in_use)


def _changes(cohorts: "Sequence[Cohort]", how: Measuring) -> "tuple[LayerChange, ...]":
    from grouped_bench.analyse.advise.optimized import LayerChange
    from grouped_bench.analyse.advise.replacements import advised

    rows, machines = evidence((), how.out)
    rows = [row for row in rows if row.variant in (*_FORMS, *_OWN)]
    found = answers([_question(one) for one in cohorts], rows, machines, how, measure=True)
    changes = [
        LayerChange(advised(advice), cohort.multiplicity or 1, _MARGIN)
        for advice, cohort in zip(found, cohorts, strict=True)
    ]
    return tuple(sorted(changes, key=lambda change: -change.saved))


def _stand_ins(changes: "Sequence[LayerChange]") -> "StandIns | None":
    """The modules of the layers that change; None where none does."""
    from grouped_bench.report.advice.module import substitute_of
    from grouped_bench.variants.modules import stand_ins

    made = [substitute_of(change.replacement) for change in changes if change.is_made]
    substitutes = [one for one in made if one is not None]
    if not substitutes:
        return None
    backend = backends.get(changes[0].replacement.question.setting.backend)
    return stand_ins(substitutes, guarded=backend.refuses_by_processor)


def _why_none(changes: "Sequence[LayerChange]") -> str:
    from grouped_bench.report.advice.text import why_not

    for change in changes:
        advice = change.replacement.advice
        if advice is not None and not advice.answers:
            return f"no layer has a form that is shown to be faster: {why_not(advice)}"
    return f"no layer has a form that is shown to be more than {format_percent(_MARGIN)} faster"


def _subject(file: str, input_shape: list[int] | None, cohort: "Cohort") -> Json:
    """What is asked of workers: the network, and how it is called."""
    case, setting = cohort.case, cohort.setting
    return {
        **{"file": str(Path(file).absolute()), "input_shape": input_shape, "batch_size": case.batch_size, "seed": 0},
        **{"pass_": case.pass_, "execution": setting.execution, "device": setting.device},
    }


def _write(network: "WholeModel", target: Path, layers: str) -> tuple[str, ...]:
    """Write the copy and its layers' module, each whole or not there; what to say beside it."""
    from grouped_bench.report.optimization import module_text

    module = target.parent / LAYERS_FILE
    with beside(target) as fresh, beside(module) as fresh_module:
        told = network.save(str(fresh))
        problem = told.get("reason") if "status" in told else None
        try:
            fresh_module.write_text(module_text(layers, target.name), encoding="utf-8")
            if problem is None:
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
    return () if why is None else (f"The copy is not compiled, since the original cannot be loaded so: {why}.",)


def _check_free(target: Path, model: Any, *, force: bool) -> None:
    """Refuse a place that cannot take the copy, before anything is measured."""
    if target.suffix != ".keras":
        raise SpaceError("A copy must end in .keras", received=target.name, remedy="Write faster.keras")
    refuse_taken(target, model, force=force)
    refuse_taken(target.parent / LAYERS_FILE, model, force=force)
