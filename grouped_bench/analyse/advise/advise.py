"""Which variant to use for a case: from its own measurement, else from similar cases, else no answer."""

import dataclasses
from collections.abc import Iterable, Mapping

from grouped_bench.analyse.advise.advice import (
    FAILURES,
    TIME,
    Advice,
    Alternative,
    Question,
    failures,
    question,
)
from grouped_bench.analyse.advise.estimated import from_neighbours
from grouped_bench.analyse.advise.measured import from_measured
from grouped_bench.analyse.rows import gathered, is_timed
from grouped_bench.space.case import SETTING, Case, Setting
from grouped_bench.space.facts import Columns
from grouped_bench.store.schema import COHORT_KEY, Task
from grouped_bench.units import counted

# Cases that differ in one of these say nothing of each other.
KIND = (
    *("scope", "rank", "padding", "bias", "dtype", "data_format", "pass"),
    *SETTING,
)


def advise(asked: Question, rows: Iterable[Task]) -> Advice:
    """What `rows`, plain rows of one machine, say to the question."""
    columns, alike = asked.columns(), of_kind(asked, rows)
    exact = [row for row in alike if _agree(row, columns, COHORT_KEY)]
    return from_measured(asked, exact) or _kept_open(from_neighbours(asked, alike), exact)


def with_alternative(advice: Advice, others: Mapping[str, Iterable[Task]]) -> Advice:
    """`advice` with the environment in which the case was measured to be faster by its interval, if there is one.

    Args:
        advice: from what is in force here.
        others: rows of this machine with other values of the environment, by these.
    """
    found = [one for one in (_alternative(advice, env, rows) for env, rows in others.items()) if one]
    best = max(found, key=lambda one: one.over.low or 0.0 if one.over else 0.0, default=None)
    return dataclasses.replace(advice, alternative=best)


def _alternative(advice: Advice, env: str, rows: Iterable[Task]) -> Alternative | None:
    """What the case itself says under `env`, in the run on which the advice rests where it rests on one."""
    asked = dataclasses.replace(advice.question, setting=dataclasses.replace(advice.question.setting, env=env))
    columns = asked.columns()
    runs = {row.run_id for row in advice.evidence}
    same = [row for row in rows if _agree(row, columns, COHORT_KEY) and (advice.best is None or row.run_id in runs)]
    told = from_measured(asked, same)
    if told is None or told.best is None:
        return None
    if advice.best is None:
        return Alternative(env, told, None)
    over = advice.best.latency.over(told.best.latency)
    return Alternative(env, told, over) if over.exceeds(1) else None


def _kept_open(advice: Advice, exact: Iterable[Task]) -> Advice:
    """An abstention that says what kept the case's own measurement, where it has one, from an answer."""
    computes = advice.question.computes
    same = [row for row in exact if row.computes == computes]
    if not same or not advice.abstains:
        return advice
    left_out = tuple({**dict(advice.left_out), **failures(same, computes)}.items())
    advice = dataclasses.replace(advice, left_out=left_out)
    if any(row.status == "interrupted" for row in same):
        why = "the time ended before two variants of this function were measured"
        return dataclasses.replace(advice, kept_open=TIME, abstains=why)
    if not any(map(is_timed, same)):
        why = f"none of {counted(len({row.variant for row in same}), 'measured variant')} of this function works here"
        return dataclasses.replace(advice, kept_open=FAILURES, abstains=why)
    return advice


def of_kind(asked: Question, rows: Iterable[Task]) -> list[Task]:
    """The rows that may say something to the question."""
    columns = asked.columns()
    return [row for row in rows if _agree(row, columns, KIND)]


def is_measured(asked: Question, rows: Iterable[Task]) -> bool:
    """Whether the very case was measured in the setting, whatever came of it."""
    columns = asked.columns()
    return any(_agree(row, columns, COHORT_KEY) for row in rows)


def of_case(asked: Question, rows: Iterable[Task]) -> list[Task]:
    """The rows of the very case that is asked for, in whatever setting."""
    columns = asked.case.to_columns()
    return [row for row in rows if _agree(row, columns, columns)]


def without(asked: Question, rows: Iterable[Task]) -> list[Task]:
    """`rows` but for those of the very case and setting that is asked for."""
    columns = asked.columns()
    return [row for row in rows if not _agree(row, columns, COHORT_KEY)]


def questions(rows: Iterable[Task], computes: str | None = None) -> list[Question]:
    """A question for every layer that `rows` hold, in their order, each in the environment as it is."""
    names = [name for name in COHORT_KEY if name != "env"]
    layers = gathered((row for row in rows if row.scope == "layer"), names)
    return [_question(found[0], computes) for found in layers]


def _question(row: Task, computes: str | None) -> Question:
    asked = question(Case.from_columns(row), _setting(row), computes)
    return dataclasses.replace(asked, label=row.label, in_use=row.in_use)


def sensible(rows: Iterable[Task]) -> list[Task]:
    """Those of cases that can be computed: a file from elsewhere may hold any numbers."""
    return [row for row in rows if _makes_sense(row)]


def _makes_sense(row: Task) -> bool:
    counts = (row[name] for name in ("batch_size", "in_channels", "out_channels", "groups", "min_bytes"))
    return all(counts) and Case.from_columns(row).problem() is None


def _agree(row: Task, columns: Columns, names: Iterable[str]) -> bool:
    return all(row[name] == columns[name] for name in names)


def _setting(row: Task) -> Setting:
    return dataclasses.replace(Setting.from_columns(row), env=None)
