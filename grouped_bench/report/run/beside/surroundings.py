"""The same tasks under several environments, side by side with the verdict between them."""

import math
import string
from collections.abc import Iterable, Sequence

from grouped_bench.analyse.rows import VERDICTS, case_title, gathered, is_ok
from grouped_bench.report.findings.sentences import Finding
from grouped_bench.report.text import cells, factors
from grouped_bench.report.text.sheet import Sheet
from grouped_bench.space import variables
from grouped_bench.space.case import Setting
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted

_HEADERS = ("variant", "in", "latency", "against A", "verdict")
_LETTERS = string.ascii_uppercase
_FAMILY = ("run_id", *(name for name in COHORT_KEY if name not in ("env", "threads")))
_MOST_CASES = 30
_NOTE = (
    "Each turn visits a case in all environments, one after another. Intervals are "
    "corrected for all comparisons of the run."
)


def families(rows: Iterable[Task]) -> list[list[Task]]:
    """The rows of each case and setting that was measured under several environments, the first environment first."""
    found = gathered(rows, _FAMILY)
    return [family for family in found if len({_environment(row) for row in family}) > 1]


def environment_sheets(rows: Sequence[Task]) -> list[Sheet]:
    """A table for each case that was measured under several environments: a row a variant and environment."""
    found = families(rows)
    sheets = [_sheet(family) for family in found[:_MOST_CASES]]
    left_out = len(found) - _MOST_CASES
    more = [f"{counted(left_out, 'more case')} not shown."] if left_out > 0 else []
    return [*sheets[:-1], *(Sheet(s.title, s.headers, s.rows, (_NOTE, *more)) for s in sheets[-1:])]


def environment_findings(rows: Sequence[Task]) -> list[Finding]:
    """What each environment changes against the first of its run: comparisons, then variants that work there alone."""
    compared: dict[tuple[str, str], list[Task]] = {}
    alone: dict[str, list[Task]] = {}
    for family in families(rows):
        first = _environment(family[0])
        worked = {row.variant for row in family if _environment(row) == first and is_ok(row)}
        for row in family:
            name = name_of(row, family)
            if row.env_verdict is not None:
                compared.setdefault((name, name_of(family[0], family)), []).append(row)
            elif is_ok(row) and _environment(row) != first and row.variant not in worked:
                alone.setdefault(name, []).append(row)
    told = [_compared(name, first, found) for (name, first), found in compared.items()]
    return [*told, *(_alone(name, found) for name, found in alone.items())]


def name_of(row: Task, family: Sequence[Task]) -> str:
    """The row's environment in words, without what is the same in all of its family."""
    shared = set.intersection(*(set(variables.parsed(other.env).items()) for other in family))
    own = {name: value for name, value in variables.parsed(row.env).items() if (name, value) not in shared}
    alike = len({other.threads for other in family}) == 1
    setting = Setting("", "", "", env=variables.described(own) or None, threads=None if alike else row.threads)
    return setting.host.surroundings or "unchanged"


def _environment(row: Task) -> tuple[str | None, int | None]:
    return row.env, row.threads


def _sheet(family: Sequence[Task]) -> Sheet:
    first = family[0]
    where = Setting.from_columns(first).apart.title()
    names = dict.fromkeys(map(_environment, family))
    of = dict(zip(names, map(letters, range(len(names))), strict=True))
    told = {of[_environment(row)]: name_of(row, family) for row in family}
    legend = "; ".join(f"{letter}: {name}" for letter, name in told.items())
    by_variant = gathered(family, ("variant",))
    table = tuple(_texts(row, of[_environment(row)]) for alike in by_variant for row in alike)
    return Sheet(cells.clean(f"Environments: {case_title(first)}, {where}. {legend}"), _HEADERS, table)


def letters(place: int) -> str:
    """A to Z, then AA, AB and so on."""
    more, last = divmod(place, len(_LETTERS))
    return (letters(more - 1) if more else "") + _LETTERS[last]


def _texts(row: Task, name: str) -> tuple[str, ...]:
    variant = cells.text_of(row.variant)
    if not is_ok(row):
        return (variant, name, cells.text_of(row.status), cells.DASH, cells.DASH)
    is_first = name == _LETTERS[0]
    ends = row.env_speedup_low, row.env_speedup_high
    factor = factors.factor(row.env_speedup, *ends) if row.env_speedup else cells.DASH
    return (variant, name, cells.latency(row), factor, cells.DASH if is_first else _verdict(row))


def _verdict(row: Task) -> str:
    return cells.text_of(row.env_verdict)


def _compared(name: str, first: str, rows: Sequence[Task]) -> Finding:
    verdicts = [_verdict(row) for row in rows]
    counts = ", ".join(f"{verdicts.count(one)} {one}" for one in VERDICTS if one in verdicts)
    text = f"{name} against {first}, in {counted(len(rows), 'task')}: {counts}."
    faster = [row for row in rows if _verdict(row) == "faster"]
    if faster:
        best = max(faster, key=lambda row: row.env_speedup_low or 0.0)
        change = factors.factor(best.env_speedup or 1.0, best.env_speedup_low, best.env_speedup_high)
        text += f" Largest gain: {best.variant}, {change} in {case_title(best)}."
    effect = max((math.log(row.env_speedup_low or 1.0) for row in faster), default=0.0)
    return Finding(cells.clean(text), tuple(rows), max(0.0, effect))


def _alone(name: str, rows: Sequence[Task]) -> Finding:
    variants = cells.listed(dict.fromkeys(str(row.variant) for row in rows))
    return Finding(cells.clean(f"Only {name} supports {variants}, in {counted(len(rows), 'task')}."), tuple(rows))
