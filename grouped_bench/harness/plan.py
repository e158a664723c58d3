"""A plan: the cohorts of a space in order, what was left out and why, and a rough estimate of the run."""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from grouped_bench import backends, variants
from grouped_bench.backends import onednn
from grouped_bench.errors import SHOWN, SpaceError, shown
from grouped_bench.space import variables
from grouped_bench.space.axes import Control, validate
from grouped_bench.space.case import KERAS_LAYOUT, Case, Setting
from grouped_bench.space.counts import Counts
from grouped_bench.space.facts import Facts, Json
from grouped_bench.space.space import Point, Space
from grouped_bench.store.schema import COHORT_KEY
from grouped_bench.units import counted
from grouped_bench.variants.base import ALL

PROCESSES = 6
# Visits before anything settles: as many as there must be for an interval.
LEAST_VISITS = 3


@dataclasses.dataclass(frozen=True)
class Cohort:
    """The tasks of one case and setting, measured together: one variant each."""

    case: Case
    setting: Setting
    variants: tuple[str, ...]
    multiplicity: int | None = None
    label: str | None = None
    in_use: str | None = None

    def counts(self, variant: str, choice: str | None = None) -> Counts:
        """Analytic counts of the task of `variant`, by its choice where it has one; by the likeliest unless given."""
        return variants.get(variant).with_choice(choice).counts(self.case)

    def title(self) -> str:
        """One line that names the cohort to a person."""
        return f"{self.case.title()}, {self.setting.title()}"

    def request(self, names: Sequence[str], seed: int, choices: Mapping[str, str] | None = None) -> Json:
        """What every message to a worker about the variants `names` of this cohort says.

        `choices` are those that a process of the cohort has made for its variants.
        """
        return {
            "case": self.case.to_columns(),
            "setting": dataclasses.asdict(self.setting),
            "seed": seed,
            "variants": list(names),
            "choices": {name: choice for name, choice in (choices or {}).items() if name in names},
        }

    def to_columns(self, variant: str | None) -> Json:
        """The analytic columns of the task of `variant`; None stands for the whole cohort."""
        counts = dataclasses.asdict(self.counts(variant)) if variant else dict.fromkeys(_COUNTS)
        return {
            **dataclasses.asdict(self.setting),
            **self.case.to_columns(),
            "variant": variant,
            "computes": variants.get(variant).computes if variant else None,
            "multiplicity": self.multiplicity,
            "label": self.label,
            "in_use": self.in_use,
            **counts,
        }


@dataclasses.dataclass(frozen=True)
class Skip:
    """A cohort that was left out of the plan, with the reason."""

    cohort: Cohort
    reason: str

    def to_columns(self) -> Json:
        """The cohort's columns and the reason."""
        return {**self.cohort.to_columns(None), "reason": self.reason}


@dataclasses.dataclass(frozen=True)
class Plan:
    """Ordered cohorts and skips."""

    cohorts: tuple[Cohort, ...]
    skipped: tuple[Skip, ...]

    @property
    def pairs(self) -> int:
        """The comparisons that a run corrects for: each variant with the baseline of its cohort, and each task with the
        same under the first environment of its family.
        """
        with_baseline = sum(len(c.variants) - 1 for c in self.cohorts if c.case.baseline in c.variants)
        return with_baseline + sum(len(c.variants) for family in self.families for c in family[1:])

    @property
    def families(self) -> list[tuple["Cohort", ...]]:
        """Cohorts of one case that differ in nothing but the environment, those under its first values first."""
        found: dict[tuple[Case, Setting], list[Cohort]] = {}
        for cohort in self.cohorts:
            found.setdefault((cohort.case, cohort.setting.apart), []).append(cohort)
        return [tuple(alike) for alike in found.values()]

    @property
    def variants(self) -> tuple[str, ...]:
        """Every variant that the plan names, once."""
        return tuple(dict.fromkeys(name for cohort in self.cohorts for name in cohort.variants))

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return sum(len(cohort.variants) for cohort in self.cohorts)

    def having(self, keys: Collection[tuple[Any, ...]]) -> "Plan":
        """The cohorts whose values of COHORT_KEY are among `keys`."""
        told = [{**cohort.setting.to_columns(), **cohort.case.to_columns()} for cohort in self.cohorts]
        named = [tuple(columns[name] for name in COHORT_KEY) for columns in told]
        kept = (cohort for cohort, key in zip(self.cohorts, named, strict=True) if key in keys)
        return dataclasses.replace(self, cohorts=tuple(kept))

    def to_columns(self) -> list[Json]:
        """The analytic columns of every task, in order."""
        return [cohort.to_columns(variant) for cohort in self.cohorts for variant in cohort.variants]

    def numbered(self) -> list[Json]:
        """The same, with the number of its cohort under `cohort`."""
        numbers = (number for number, cohort in enumerate(self.cohorts) for _ in cohort.variants)
        return [{"cohort": number, **columns} for number, columns in zip(numbers, self.to_columns(), strict=True)]


_LABEL_JOIN = "; "
# Where a host finds its temporary files and this package.
_OF_HOSTS = ("TMPDIR", "PYTHONPATH", "PYTHONSAFEPATH", variables.PADDING)
_COUNTS = tuple(field.name for field in dataclasses.fields(Counts))


def make_plan(space: Space) -> Plan:
    """The plan of `space`.

    Raises:
        SpaceError: no legal case is left, an execution that no chosen backend has, or a variant of another scope.
        UnavailableError: a variant or backend that does not exist or is not installed.
    """
    cohorts: dict[tuple[Case, Setting], Cohort] = {}
    skipped = []
    for cohort in _cohorts(space):
        problem = cohort.case.problem()
        key = (cohort.case, cohort.setting)
        if problem:
            skipped.append(Skip(cohort, problem))
        else:
            cohorts[key] = _united(cohorts[key], cohort) if key in cohorts else cohort
    if not cohorts and not skipped:
        raise SpaceError(
            f"{space.source}: at least one variant must have a form of torch.nn",
            received=", ".join(dict.fromkeys(point.case.scope for point in space.points())),
            remedy=f"Use --layout {KERAS_LAYOUT}, or scope layer",
        )
    if not cohorts:
        first = skipped[0]
        whole = "the case" if len(skipped) == 1 else f"at least one of {counted(len(skipped), 'case')}"
        raise SpaceError(
            f"{space.source}: {whole} must be valid",
            received=f"{shown(first.cohort.case.title())}: {first.reason}",
            remedy="Change the axis named in the reason",
            limit=SHOWN + 2 + len(first.reason),
        )
    return Plan(tuple(cohorts.values()), tuple(skipped))


def resolved(space: Space, options: Facts) -> tuple[Space, Control]:
    """The space with the axes among `options` in place of its own, and the controls."""
    controls = {key: value for key, value in options.items() if key in Control.model_fields}
    axes = {key: value for key, value in options.items() if key not in controls}
    space = space.replace(**axes) if axes else space
    return space, validate(Control, {**space.control, **controls}, "options")


def _cohorts(space: Space) -> Iterator[Cohort]:
    for point in space.points():
        if point.only == "onednn_off" and not onednn.is_left_off():
            continue
        chosen = _baseline_first(_named(point, space.source), point.case.baseline)
        for setting in _settings(point):
            names = tuple(name for name in chosen if variants.get(name).has_layout(setting.layout))
            if names:
                yield Cohort(point.case, setting, names, point.multiplicity, point.label, point.in_use)


def _named(point: Point, source: str) -> list[str]:
    scope = point.case.scope
    _refuse_missing_modules(point, source)
    named = [variants.get(name) for name in point.variants if name != ALL]
    for variant in named:
        if variant.scope != scope:
            raise SpaceError(
                f"{source}: a variant must have the scope of its case",
                received=f"{variant.name}, a variant of scope {variant.scope}, for scope {scope}",
                remedy=f"Use one of {', '.join(variants.names(scope))}, or all",
            )
    return variants.names(scope) if ALL in point.variants else [variant.name for variant in named]


def _baseline_first(names: Iterable[str], baseline: str) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: name != baseline))


def _refuse_missing_modules(point: Point, source: str) -> None:
    """SpaceError for a variant that the user named and that none of the layouts has."""
    if KERAS_LAYOUT in point.layouts or not point.names_variants:
        return
    lacking = [name for name in point.variants if name != ALL and not variants.get(name).has_module]
    if lacking:
        known = [name for name in variants.names(point.case.scope) if variants.get(name).has_module]
        raise SpaceError(
            f"{source}: a variant must have a form of torch.nn to be measured in a layout of it",
            received=", ".join(lacking),
            remedy=f"Use one of {', '.join(known)}, or --layout {KERAS_LAYOUT}" if known else "Leave the layout out",
        )


def _layouts(point: Point) -> dict[str, list[str | None]]:
    """Of each backend the layouts that it has; None is that of Keras."""
    found: dict[str, list[str | None]] = {}
    for name in point.backends:
        known = (KERAS_LAYOUT, *backends.get(name).layouts)
        found[name] = [None if one == KERAS_LAYOUT else one for one in point.layouts if one in known]
    missing = [one for one in point.layouts if one != KERAS_LAYOUT and not any(one in has for has in found.values())]
    if missing:
        having = [name for name in backends.names() if missing[0] in backends.named(name).layouts]
        raise SpaceError(
            "`layout` must be one that a chosen backend has",
            received=f"{missing[0]} with {', '.join(point.backends)}",
            remedy=f"Use --backend {','.join(having)}, or --layout {KERAS_LAYOUT}",
        )
    return found


def _settings(point: Point) -> Iterator[Setting]:
    _refuse_own_variables(point)
    layouts = _layouts(point)
    known = {name: backends.get(name).executions for name in point.backends}
    for execution in point.executions or ():
        if not any(execution in executions for executions in known.values()):
            raise SpaceError(
                "`execution` must be one that a chosen backend has",
                received=execution,
                remedy="Use one of " + "; ".join(f"{', '.join(every)} of {name}" for name, every in known.items()),
            )
    for backend, executions in known.items():
        wanted = [e for e in point.executions or executions[:1] if e in executions]
        for execution in wanted:
            for place in itertools.product(point.devices, point.caches, point.envs, point.threads, layouts[backend]):
                yield Setting(backend, execution, *place)


def _refuse_own_variables(point: Point) -> None:
    """SpaceError where `env` names a variable by which hosts and their backends are started."""
    named = {name for env in point.envs for name in variables.parsed(env)}
    own = {*_OF_HOSTS, *(name for one in backends.names() for name in backends.own_variables(one))}
    if taken := sorted(named & own):
        raise SpaceError(
            "`env` must not set a variable with which grouped-bench starts its processes",
            received=", ".join(taken),
            remedy="Leave that variable out; the axis `backend` chooses the backend",
        )


def _united(first: Cohort, second: Cohort) -> Cohort:
    """The cohort of a case that stands in two tables: all variants, multiplicities added, labels joined.

    As which variant the network has it is not known where the tables differ in that.
    """
    counts = [c.multiplicity for c in (first, second) if c.multiplicity is not None]
    labels = dict.fromkeys(label for c in (first, second) if c.label for label in c.label.split(_LABEL_JOIN))
    return dataclasses.replace(
        first,
        variants=_baseline_first(dict.fromkeys(first.variants + second.variants), first.case.baseline),
        multiplicity=sum(counts) if counts else None,
        label=_LABEL_JOIN.join(labels) or None,
        in_use=first.in_use if first.in_use == second.in_use else None,
    )
