"""What a page is of: its title, and when, with what, on what and by which command it was measured."""

import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from typing import Any

from grouped_bench.report.text import cells
from grouped_bench.space.case import format_extents
from grouped_bench.space.facts import Facts
from grouped_bench.store.identity import identity_of
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, format_clock

FRAMEWORKS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
# Spaces that were typed, not named.
_UNNAMED = ("options", "Space")
_MOST_VALUES = 4
_MOST_FACTS = 12
_MOST_RUNS = 4
# Axes that a title names where the cases differ in them, and how.
_AXES = {
    "in_channels": "{} channels",
    "groups": "{} groups",
    "cardinality": "{} paths",
    "kernel_size": "kernel {}",
    "size": "on {}",
    "batch_size": "batch {}",
}


@dataclasses.dataclass(frozen=True)
class Heading:
    """The title of a page, facts to stand below it, and the commands of its runs."""

    title: str
    facts: tuple[str, ...]
    commands: tuple[str, ...]


def heading(rows: Sequence[Task], metadata: Sequence[Facts], of: int | None = None) -> Heading:
    """The heading of a page.

    Args:
        rows: plain rows of the record.
        metadata: the run-wide facts of each run; any may be missing.
        of: how many runs there are, where these are the newest of them.
    """
    commands = dict.fromkeys(filter(None, map(_command, metadata)))
    facts = dict.fromkeys(
        [*_part(metadata, of), *_axes(rows, metadata), *_software(rows, metadata), *_machines(rows, metadata),
         *_moments(metadata)]
    )  # fmt: skip
    runs = [counted(len(metadata), "run")] if len(metadata) > 1 else []
    told = [*runs, *filter(None, [_subject(rows, metadata)]), *_same(rows)]
    return Heading(
        title=cells.clean(" · ".join(told)) or "Nothing measured",
        facts=tuple(list(facts)[:_MOST_FACTS]),
        commands=tuple(commands)[:_MOST_RUNS],
    )


def _part(metadata: Sequence[Facts], of: int | None) -> list[str]:
    """That there are more runs than these, and which these are."""
    if of is None or of <= len(metadata):
        return []
    return [f"the newest of each machine, of {counted(of, 'run')} in all"]


def _subject(rows: Sequence[Task], metadata: Sequence[Facts]) -> str:
    """A network or preset by its name, else what is convolved."""
    names = list(dict.fromkeys(filter(None, map(_name, metadata))))
    if names:
        cases = len({_case(row) for row in rows})
        is_network = any(row.multiplicity is not None for row in rows)
        what = "" if is_network or not rows else f": {counted(cases, 'case')}"
        return f"{cells.listed(names[:_MOST_RUNS])}{what}"
    return _of_axes(rows) if rows else ""


def _name(facts: Facts) -> str | None:
    """The preset, file or model that a run measured; None where its options name none."""
    space = facts.get("space")
    source = str(space.get("source") or "") if isinstance(space, dict) else ""
    return None if source in ("", *_UNNAMED) else source.rpartition("/")[2].removesuffix(".toml")


def _case(row: Task) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("rank", "scope", "out_channels", "stride", "width", *_AXES))


def _of_axes(rows: Sequence[Task]) -> str:
    first, count = rows[0], len({_case(row) for row in rows})
    if count == 1 and first.scope == "layer":
        return ", ".join([f"Conv{first.rank}D {first.in_channels}→{first.out_channels}", *_values(rows)[1:]])
    ranks = {row.rank for row in rows}
    kind = "residual blocks" if first.scope == "block" else f"Conv{first.rank}D" if len(ranks) == 1 else "convolutions"
    return f"{counted(count, 'case')} of {kind}"


def _axes(rows: Sequence[Task], metadata: Sequence[Facts]) -> list[str]:
    """What the axes of a sweep that was typed hold."""
    is_typed = not any(map(_name, metadata)) and len({_case(row) for row in rows}) > 1
    return [", ".join(_values(rows))] if is_typed else []


def _values(rows: Sequence[Task]) -> list[str]:
    return [words.format(_span(rows, name)) for name, words in _AXES.items() if any(row[name] for row in rows)]


def _span(rows: Sequence[Task], name: str) -> str:
    values = sorted({row[name] for row in rows if row[name] is not None})
    texts = [format_extents(value) if isinstance(value, tuple) else str(value) for value in values]
    return cells.listed(texts) if len(texts) <= _MOST_VALUES else f"{texts[0]} to {texts[-1]}"


def _same(rows: Sequence[Task]) -> Iterator[str]:
    """What all rows share: the pass, of a network its batch too."""
    passes = list(dict.fromkeys(row.pass_ for row in rows if row.pass_))
    if passes:
        yield cells.listed(passes[:_MOST_RUNS])
    batches = {row.batch_size for row in rows}
    if len(batches) == 1 and any(row.multiplicity is not None for row in rows):
        yield f"batch {batches.pop()}"
    dtypes = {row.dtype for row in rows} - {"float32", None}
    if dtypes:
        yield cells.listed(sorted(dtypes))


def _software(rows: Sequence[Task], metadata: Sequence[Facts]) -> Iterator[str]:
    used = dict.fromkeys((row.backend, row.backend_version) for row in rows if row.backend)
    for backend, version in used:
        yield cells.clean(f"{FRAMEWORKS.get(backend, backend)} {version or ''}").strip()
    for facts in metadata:
        found = facts.get("environment")
        libraries = found.get("libraries") if isinstance(found, dict) else None
        if isinstance(libraries, dict) and libraries.get("keras"):
            yield cells.clean(f"Keras {libraries['keras']}")


def _machines(rows: Sequence[Task], metadata: Sequence[Facts]) -> Iterator[str]:
    """The class of each machine, never its name alone where more is known."""
    told = False
    for facts in metadata:
        machine = identity_of(facts)
        if machine is not None:
            told = True
            kind = ", ".join(filter(None, [machine.microarchitecture, machine.level]))
            count = counted(machine.count, "processor" if machine.kind == "processor" else "GPU")
            named = f"{machine.name} ({kind})" if kind else machine.name
            yield cells.clean(", ".join(filter(None, [named, count, machine.machine_class])))
    if not told:
        yield from (cells.clean(name) for name in dict.fromkeys(row.machine for row in rows if row.machine))


def _moments(metadata: Sequence[Facts]) -> Iterator[str]:
    for facts in metadata:
        date = _date(facts.get("started_at"))
        spent = facts.get("time")
        total = spent.get("total_s") if isinstance(spent, dict) else None
        took = f", {format_clock(total)} min" if isinstance(total, (int, float)) and total >= 60 else ""
        if date:
            yield f"{date}{took}"


def _date(moment: object) -> str:
    try:
        found = datetime.datetime.fromisoformat(str(moment))
    except ValueError:
        return ""
    return f"{found.day} {found:%B %Y}"


def _command(facts: Facts) -> str:
    found = facts.get("environment")
    words = facts.get("command") or (found.get("command") if isinstance(found, dict) else None) or ()
    return cells.clean(" ".join(map(str, words)))
