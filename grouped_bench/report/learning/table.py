"""A learning run as text: what it found, its networks, its comparisons, and what others published."""

import dataclasses
import json
import textwrap
from collections.abc import Sequence

from grouped_bench.analyse.learning.published import GainBeside, besides
from grouped_bench.analyse.learning.summary import Summary, summaries
from grouped_bench.analyse.learning.verdicts import Judged, judged
from grouped_bench.report.learning.sentences import POINTS, findings, headline, others, points
from grouped_bench.report.text import cells, ink
from grouped_bench.report.text.markup import pipes
from grouped_bench.report.text.sheet import Sheet, lines
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.learning import Training, study_of
from grouped_bench.units import counted, format_bytes, format_clock, format_count, format_seconds

_SCHEMA = 1
_NETWORK = ("network", "accuracy", "parameters", "MACs", "training", "memory", "seeds")
_COMPARISON = ("network", "beside", "points more", "verdict", "seeds")
_PUBLISHED = ("network", "beside", "published", "ours", "direction")


def render(trainings: Sequence[Training], facts: Facts, format: str, width: int = 80) -> str:
    """A run as `table`, `markdown` or `json`.

    Args:
        trainings, facts: of the run.
        format: which of these.
        width: columns of a table.
    """
    if format == "json":
        return json.dumps(_as_json(trainings, facts), indent=1)
    found = sheets(trainings, facts)
    if format == "markdown":
        told = [headline(trainings, facts), "", *(f"- {one}" for one in others(trainings, facts))]
        return "\n".join([*told, *(line for one in found for line in _piped(one))])
    body = [line for one in found for line in ("", *lines(one, width))]
    told = [line for one in others(trainings, facts) for line in _bullet(one, width)]
    head = textwrap.wrap(headline(trainings, facts), width)
    return "\n".join([*map(ink.strong, head), *textwrap.wrap(how(trainings, facts), width), "", *told, *body])


def sheets(trainings: Sequence[Training], facts: Facts) -> list[Sheet]:
    """The tables: networks, comparisons, and published figures where there are any."""
    asked = judged(study_of(facts), trainings)
    rows = tuple(_network_row(one) for one in summaries(trainings, facts))
    found = [
        Sheet("Networks", _NETWORK, rows, _failed(trainings), spare=5),
        Sheet("Comparisons", _COMPARISON, tuple(map(_comparison_row, asked))),
    ]
    if told := besides(asked):
        notes = tuple(dict.fromkeys(f"{one.figure.source}: {one.figure.setting}." for one in told))
        found.append(Sheet("Beside what was published", _PUBLISHED, tuple(map(_published_row, told)), notes))
    return found


def how(trainings: Sequence[Training], facts: Facts) -> str:
    """How it was found, and how sure it is."""
    study = study_of(facts)
    data = cells.clean(facts["data"]["name"])
    ended = {
        "budget": ", until the time was up",
        "user": ", until it was interrupted",
        "seeds": ", until the seeds were used up",
    }
    until = ended.get(facts["stopped_by"] or "", "")
    return (
        f"{counted(len(trainings), 'training')} of {counted(len(study.networks), 'network')} on {data}, "
        f"{format_clock(facts['seconds'])}{until}. {facts['backend']} {facts['backend_version']} on "
        f"{facts['machine']}. Of all verdicts together any is wrong in at most 5% of runs."
    )


def _bullet(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="- ", subsequent_indent="  ")


def _network_row(one: Summary) -> tuple[str, ...]:
    return (
        cells.clean(one.name),
        cells.DASH if one.accuracy is None else _percent(one),
        format_count(one.params),
        format_count(one.macs),
        cells.DASH if one.training_s is None else format_seconds(one.training_s),
        cells.DASH if one.peak_memory_bytes is None else format_bytes(one.peak_memory_bytes),
        str(one.seeds),
    )


def _percent(one: Summary) -> str:
    assert one.accuracy is not None
    low, middle, high = (f"{100 * value:.1f}" for value in (one.accuracy.low, one.accuracy.estimate, one.accuracy.high))
    return f"{middle}% [{low}–{high}]"


def _comparison_row(one: Judged) -> tuple[str, ...]:
    told = one.why if one.difference is None else points(one.difference).replace(f" {POINTS}", "")
    named = cells.clean(one.comparison.network), cells.clean(one.comparison.beside)
    return (*named, told, one.verdict, str(one.seeds))


def _published_row(one: GainBeside) -> tuple[str, ...]:
    published = "more" if one.figure.points is None else f"{one.figure.points:+g} {POINTS}".replace("-", "−")
    ours = cells.DASH if one.judged.difference is None else points(one.judged.difference)
    named = cells.clean(one.judged.comparison.network), cells.clean(one.judged.comparison.beside)
    return (*named, published, ours, one.direction)


def _failed(trainings: Sequence[Training]) -> tuple[str, ...]:
    failed = [one for one in trainings if one.accuracy is None]
    return tuple(
        f"{cells.clean(one.network)}, {one.phase} {one.seed}, rate {one.learning_rate:g}: {one.status}, "
        f"{cells.clean(one.reason or '')}."
        for one in failed
    )


def _piped(sheet: Sheet) -> list[str]:
    rows = [pipes(sheet.headers), pipes("---" for _ in sheet.headers), *map(pipes, sheet.rows)]
    return ["", f"**{sheet.title}**", "", *rows, *(f"\n{note}" for note in sheet.notes)]


def _as_json(trainings: Sequence[Training], facts: Facts) -> Json:
    asked = judged(study_of(facts), trainings)
    return {
        "schema": _SCHEMA,
        "run_id": facts["run_id"],
        "findings": findings(trainings, facts),
        "networks": [dataclasses.asdict(one) for one in summaries(trainings, facts)],
        "comparisons": [
            {
                **dataclasses.asdict(one.comparison),
                "difference": None if one.difference is None else dataclasses.asdict(one.difference),
                "verdict": one.verdict,
                "seeds": one.seeds,
                "reason": one.why or None,
            }
            for one in asked
        ],
        "published": [
            {**dataclasses.asdict(one.figure), "name": one.judged.comparison.published, "direction": one.direction}
            for one in besides(asked)
        ],
    }
