"""Advice as text, code to paste included, or as JSON."""

import json
from collections.abc import Sequence

from grouped_bench.analyse.advise.advice import Advice, Alternative, Option, leaders
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.report.advice.several import LEAST, differ_in_groups_alone, together
from grouped_bench.report.advice.text import WHAT, alone, code_of, next_step
from grouped_bench.report.learning.accuracy import accuracy_json, accuracy_sheet
from grouped_bench.report.text.paragraphs import Piece, lines
from grouped_bench.space.facts import Facts, Json
from grouped_bench.store.learning import Training


def render(
    found: Sequence[Advice],
    format: str,
    command: str,
    width: int = 80,
    learned: tuple[Sequence[Training], Facts] | None = None,
) -> str:
    """Advices as text.

    Args:
        found: the advices.
        format: `table` or `json`.
        command: that was asked; an abstention names the one that would answer.
        width: columns of a line; only code and commands may be longer.
        learned: trainings and facts of a learning run, whose accuracies stand beside the advice.
    """
    if format == "json":
        return json.dumps(_as_json(found, command, learned), indent=1)
    if not found:
        return "No advice: the runs contain no such layers."
    parts = alone(found[0], command) if len(found) == 1 else together(found, command)
    accuracy: list[Piece] = (
        ["", accuracy_sheet(*learned, [one.question.case.groups for one in found])] if learned else []
    )
    return "\n".join(lines([*parts, *accuracy], width)).rstrip()


def _as_json(found: Sequence[Advice], command: str, learned: tuple[Sequence[Training], Facts] | None = None) -> Json:
    told: Json = {"schema": 1, "advice": [_one_as_json(advice, command) for advice in found]}
    for advice, one in zip(found, told["advice"], strict=True):
        one["accuracy"] = accuracy_json(*learned, advice.question.case.groups) if learned else None
    if len(found) > 1 and differ_in_groups_alone(found):
        told["least"] = {
            name: [one.question.case.groups for one in leaders(found, figure)] for name, figure in LEAST.items()
        }
    return told


def _one_as_json(advice: Advice, command: str) -> Json:
    return {
        **advice.question.columns(),
        "label": advice.question.label,
        "machine": advice.evidence[0].machine if advice.evidence else None,
        "elsewhere": advice.why_elsewhere is not None,
        "why_elsewhere": advice.why_elsewhere,
        "computes": advice.question.computes,
        "basis": advice.basis,
        "use": advice.best.variant if advice.best and not advice.why_elsewhere else None,
        "tried": advice.tried,
        "environment": _alternative_as_json(advice.alternative) if advice.alternative else None,
        "options": [_option_as_json(option) for option in advice.options],
        "regular": _option_as_json(advice.regular) if advice.regular else None,
        "ties": advice.ties,
        "at_most": advice.at_most,
        "left_out": [{"variant": name, "reason": reason} for name, reason in advice.left_out],
        "evidence": [
            {name: row[name] for name in ("run_id", "variant", *WHAT, "latency_s")} for row in advice.evidence
        ],
        "abstains": advice.abstains,
        "kept_open": advice.kept_open,
        "next": None if advice.is_settled else next_step(advice, command)[1],
        "code": code_of(advice),
    }


def _alternative_as_json(found: Alternative) -> Json:
    return {
        "env": found.env,
        "use": found.advice.best.variant if found.advice.best else None,
        "over": _figure_as_json(found.over),
        "options": [_option_as_json(option) for option in found.advice.options],
        "code": code_of(found.advice),
    }


def _option_as_json(option: Option) -> Json:
    return {
        "variant": option.variant,
        "choice": option.choice,
        "latency_s": _figure_as_json(option.latency),
        "over_regular": _figure_as_json(option.over_regular),
        "over_grouped": _figure_as_json(option.over_grouped),
        "peak_memory_bytes": _figure_as_json(option.memory),
        "params": option.params,
    }


def _figure_as_json(figure: Estimate | None) -> dict[str, float | None] | None:
    return None if figure is None else {"value": figure.value, "low": figure.low, "high": figure.high}
