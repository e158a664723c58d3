"""The answer of a run on one screen: what each case takes as it is, its fastest form, and how sure that is."""

import collections
import dataclasses
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from grouped_bench.analyse.answer import Answer, answers
from grouped_bench.analyse.reasons.reasons import explain_reason
from grouped_bench.analyse.reasons.refusals import Refusal
from grouped_bench.analyse.rows import case_title, is_ok, measured_nothing, plain, varying
from grouped_bench.report.findings.findings import of_rows
from grouped_bench.report.run.answer_table import joined, table
from grouped_bench.report.run.headline import headline
from grouped_bench.report.run.next_steps import Next, next_steps
from grouped_bench.report.run.summary import stop, tally
from grouped_bench.report.text import cells, ink
from grouped_bench.space import variables
from grouped_bench.space.case import Setting
from grouped_bench.space.facts import Facts
from grouped_bench.store.schema import COHORT_KEY, STATUSES, Task
from grouped_bench.units import counted, format_clock

MOST_LINES = 15
_FEWEST_CASES, _MOST_WARNINGS, _MOST_NAMES = 3, 3, 3
# What tells cases apart, and no settings.
_OF_CASE = tuple(name for name in COHORT_KEY if name not in {field.name for field in dataclasses.fields(Setting)})
# What a space is called that was given by options or from Python.
_UNNAMED = ("options", "Space")
_BUSY = ("stolen_cpu", "throttled", "speed_changed")


def of_run(frame: pd.DataFrame, facts: Facts, *, width: int = 80, after: Next | None = None) -> list[str]:
    """The answer of a run in at most MOST_LINES lines, styled.

    Args:
        frame, facts: of the run.
        width: columns of the terminal; only a path in `after` may be longer.
        after: what the run has just left, so that the lines end with what to do next.
    """
    rows = plain(frame)
    return screen(rows, facts, width=width, after=next_steps(rows, facts, after) if after else ())


def screen(rows: Sequence[Task], facts: Facts, *, width: int = 80, after: Iterable[str] = ()) -> list[str]:
    """The answer in at most MOST_LINES lines, styled; without `after` fewer.

    Args:
        rows: plain rows of one run.
        facts: what holds for all of them.
        width: columns of the terminal; only what `after` says may be longer.
        after: lines that end the screen.
    """
    found, last = answers(rows), list(after)
    head = [ink.strong(cells.shorten(_title(rows, facts, width), width)), *_warnings(rows, width)]
    effect = _effect(found, rows, facts, width)
    room = MOST_LINES - len(head) - len(effect) - len(last)
    return _spaced([head, table(found, max(_FEWEST_CASES, room - 1), width), effect, last])


def unmeasured(rows: Sequence[Task], facts: Facts) -> str:
    """Why no task of a run was measured, and the way out; empty where one was.

    Args:
        rows: plain rows of one run.
        facts: what holds for all of them.
    """
    if any(map(is_ok, rows)):
        return ""
    statuses = tally((row.status for row in rows), STATUSES)
    if not measured_nothing(row.status for row in rows):
        return f"Nothing could be measured here: {statuses}. That is a finding; the reason of each is in the table."
    if facts.get("stopped_by") != "budget":
        return f"Nothing was measured: {statuses}."
    took = _took(facts)
    spent = f"; starting took {took}" if took else ""
    return f"Nothing was measured: the budget ended before the first figure. Set a longer --budget{spent}."


def _spaced(parts: Iterable[list[str]]) -> list[str]:
    """The lines of all parts, with a blank line between them where MOST_LINES leave room."""
    some = [part for part in parts if part]
    spaced = sum(map(len, some)) + len(some) - 1 <= MOST_LINES
    return [line for place, part in enumerate(some) for line in ([""] if place and spaced else []) + part]


def _title(rows: Sequence[Task], facts: Facts, width: int) -> str:
    """What was measured, and where: `net.keras · training · batch 8 · tensorflow 2.21.0 graph · 2 processors`."""
    first = rows[0]
    space = facts.get("space")
    source = space.get("source") if isinstance(space, dict) else None
    one = not varying(rows, _OF_CASE)
    named = "" if not source or source in _UNNAMED else str(source).removesuffix(".toml")
    passes = cells.listed(dict.fromkeys(row.pass_ for row in rows))
    passes = ", ".join(dict.fromkeys(row.pass_ for row in rows))
    what = [case_title(first)] if one else [named, passes, _batches(rows)]
    backends, machine = _backends(rows), _machine(first, facts, width)
    fuller = ([*what, backends, machine], [*what[:2], backends, machine], [*what[:2], backends], what[:2])
    told = [cells.clean(" · ".join(filter(None, parts))) for parts in fuller]
    return next((title for title in told if cells.display_width(title) <= width), told[-1])


def _batches(rows: Sequence[Task]) -> str:
    found = sorted({row.batch_size for row in rows})
    return f"batch {found[0]}" + (f"{' and' if len(found) == 2 else ' to'} {found[-1]}" if len(found) > 1 else "")


def _backends(rows: Iterable[Task]) -> str:
    """The one backend with its version and execution, or the names of several."""
    found = dict.fromkeys(
        (row.backend, ".".join((row.backend_version or "").split(".")[:2]), row.execution) for row in rows
    )
    names = dict.fromkeys(backend for backend, _, _ in found)
    return " ".join(filter(None, next(iter(found)))) if len(found) == 1 else ", ".join(names)


def _machine(first: Task, facts: Facts, width: int) -> str:
    """How many processors there are, and where there is room which; the device's name of any other."""
    if not str(first.device).startswith("cpu"):
        return str(first.device_name or first.device)
    environment = facts.get("environment")
    processor = environment.get("processor") if isinstance(environment, dict) else None
    known = processor if isinstance(processor, dict) else {}
    count = next((known[name] for name in ("usable", "logical", "cores") if isinstance(known.get(name), int)), None)
    told = [str(known["model"])] if width >= 120 and known.get("model") else []
    return ", ".join([*told, *([counted(count, "CPU")] if count else [])])


def _warnings(rows: Sequence[Task], width: int) -> list[str]:
    """What kept the answer from being whole: refusals with their remedy, other failures, a busy machine."""
    told = [*_refused(rows), *_failed(rows)][: _MOST_WARNINGS - 1]
    moved = [row for row in rows if set(_BUSY) & set(row.flags or ())]
    if moved:
        named = [cause.replace("_", " ") for cause in _BUSY if any(cause in (row.flags or ()) for row in moved)]
        told.append(f"busy machine: {len(moved)} of {counted(len(rows), 'task')} disturbed ({', '.join(named)})")
    wrapped = [
        line
        for one in told
        for line in textwrap.wrap(cells.clean(f"! {one}"), width, subsequent_indent="  ", max_lines=2, placeholder=" …")
    ]
    return [ink.warning(line) for line in wrapped[:_MOST_WARNINGS]]


def _refused(rows: Sequence[Task]) -> Iterator[str]:
    """Known refusals, the commonest first: which variants, where, and what allows them."""
    same: dict[Refusal, list[Task]] = collections.defaultdict(list)
    for row in rows:
        refusal = None if is_ok(row) else explain_reason(row.reason, row)
        if refusal:
            same[dataclasses.replace(refusal, remedy="") if refusal.env else refusal].append(row)
    for refusal, refused in sorted(same.items(), key=lambda pair: -len(pair[1])):
        names = cells.listed(dict.fromkeys(row.variant for row in refused))
        where = f"{names} cannot run in {counted(len(refused), 'case')}"
        yield f"{where}{_way_out(refusal.env, rows)}" if refusal.env else f"{where}: {refusal.cause}"


def _way_out(env: tuple[str, str], rows: Iterable[Task]) -> str:
    """The environment that allows what was refused, or that it was measured too."""
    name, value = env
    is_known = any(is_ok(row) and variables.parsed(row.env).get(name) == value for row in rows)
    return f" without {name}={value}" if is_known else f". Try {name}={value}"


def _failed(rows: Sequence[Task]) -> list[str]:
    """Tasks without a figure that no known refusal explains."""
    failed = [row for row in rows if not is_ok(row) and not explain_reason(row.reason, row)]
    statuses = tally((row.status for row in failed), STATUSES)
    names = list(dict.fromkeys(cells.text_of(row.variant) for row in failed))
    listed = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    return [f"no figure for {len(failed)} of {counted(len(rows), 'task')} ({statuses}): {listed}"] if failed else []


def _effect(found: Sequence[Answer], rows: Sequence[Task], facts: Facts, width: int) -> list[str]:
    """The effect, how sure it is, and what it cost."""
    cost = _cost(facts)
    if nothing := unmeasured(rows, facts):
        return [line for text in (nothing, cost) for line in textwrap.wrap(cells.clean(text), width)]
    if not found:
        told = [one.text for one in of_rows(rows, [facts])][:3]
        return [line for text in [*told, cost] for line in textwrap.wrap(cells.clean(text), width)]
    whole = joined(found)
    said = headline(whole)
    style = ink.good if whole.faster else str
    first = [ink.strong(style(line)) for line in textwrap.wrap(cells.clean(said.effect), width)]
    return [*first, *textwrap.wrap(cost, width)]


def _took(facts: Facts) -> str | None:
    time = facts.get("time")
    total = time.get("total_s") if isinstance(time, dict) else None
    return format_clock(total) if isinstance(total, int | float) else None


def _cost(facts: Facts) -> str:
    took, visits = _took(facts), facts.get("visits")
    told = [took] if took else []
    told += [counted(visits, "visit")] if isinstance(visits, int) else []
    why = {"budget": "; the budget was spent", "user": "; interrupted"}.get(str(facts.get("stopped_by")), "")
    if facts.get("finished") is False and not why:
        why = f"; {stop(facts)}"
    return f"Took {', '.join(told)}{why}." if told else ""
