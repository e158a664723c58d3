"""Advice as text of at most 80 columns, code to paste included, or as JSON."""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from tabulate import tabulate

from grouped_bench.analyse.advice import MEASURED, Advice, Option, leaders
from grouped_bench.analyse.neighbours import Figure
from grouped_bench.analyse.network import OWN_GROUPED, gathered
from grouped_bench.report import cells
from grouped_bench.report.rows import case_title
from grouped_bench.report.snippets import snippet
from grouped_bench.space.case import BASELINE
from grouped_bench.units import earned_digits, format_bytes, format_count, format_seconds, significant

WIDTH = 80
_MOST_LEFT_OUT = 12
_NAME_WIDTH = 24
_NEAREST = 3
_LEAST: dict[str, Callable[[Option], Figure | None]] = {
    "latency": lambda option: option.latency,
    "memory": lambda option: option.memory,
    "parameters": lambda option: Figure(option.params, option.params, option.params),
}
_EVIDENCE = (
    "run_id",
    "variant",
    "batch_size",
    "in_channels",
    "out_channels",
    "groups",
    "size",
    "kernel_size",
    "stride",
)


def render(found: Sequence[Advice], format: str) -> str:
    """Advices as `table` or `json`."""
    if format == "json":
        return json.dumps(_as_json(found), indent=1)
    if not found:
        return "There is no layer to advise on: the runs hold none."
    lines = list(_alone(found[0]) if len(found) == 1 else _together(found))
    return "\n".join(lines).rstrip()


# One case


def _alone(advice: Advice) -> Iterator[str]:
    yield from _heading(advice)
    best = advice.best
    if best is None:
        yield from _wrapped(f"No advice: {cells.clean(advice.abstains)}. {_way_out(advice)}")
        yield from _left_out(advice)
        return
    yield from _wrapped(f"Use {cells.clean(best.variant)}: {_latency(best)} a call.")
    yield from (f"  {line}" for line in _gains(advice, best))
    yield ""
    yield from _wrapped(f"How sure: {_how_sure(advice)}")
    yield from _wrapped(f"Cost: {_cost(advice, best)}")
    yield ""
    yield from _table(advice)
    yield from _left_out(advice)
    yield from _wrapped(_rests_on(advice))
    yield from _paste(advice, best)


def _heading(advice: Advice) -> Iterator[str]:
    setting = advice.question.setting.title()
    machine = advice.evidence[0]["machine"] if advice.evidence else None
    yield from _wrapped(cells.clean(advice.question.case.title()))
    yield from _wrapped(cells.clean(f"{setting}, {machine}" if machine else setting))
    yield ""


def _gains(advice: Advice, best: Option) -> Iterator[str]:
    grouped = advice.question.keras == OWN_GROUPED
    function = "the dense layer, another function" if grouped else "Keras' dense layer"
    for name, gain, gloss in (
        (BASELINE, best.over_regular, function),
        (OWN_GROUPED, best.over_grouped, "Keras' own groups=" if grouped else "Keras' groups=, another function"),
    ):
        if gain is not None and name != best.variant and not (advice.question.case.groups == 1 and name == OWN_GROUPED):
            yield f"{_ratio(gain)} as fast as {name} ({gloss})"


def _how_sure(advice: Advice) -> str:
    others = len(advice.options) - 1
    if advice.basis == MEASURED:
        told = f"measured beside {cells.counted(others, 'other way')} to compute the same function; "
        clear = "the fastest, by intervals that tell it from each of them."
    else:
        count = len(gathered(advice.evidence, _EVIDENCE[2:]))
        told = f"not measured, but estimated from {cells.counted(count, 'neighbour')}; "
        clear = "ahead of every other way by more than the estimates have been wrong when each neighbour was left out."
    if not advice.ties:
        return told + clear
    worst = "" if advice.at_most is None else f"; at worst it is {_percent(advice.at_most)} slower than that"
    return f"{told}it cannot be told from {cells.listed(map(cells.clean, advice.ties))}{worst}."


def _cost(advice: Advice, best: Option) -> str:
    told = f"{_memory(best)} of memory, {format_count(best.params)} parameters"
    if advice.regular is None:
        return told + "."
    return f"{told}; {BASELINE} takes {_memory(advice.regular)} and {format_count(advice.regular.params)}."


def _table(advice: Advice) -> Iterator[str]:
    options = [*advice.options, *([advice.regular] if advice.regular else [])]
    grid = [
        (
            cells.shorten(cells.clean(option.variant), _NAME_WIDTH),
            _latency(option),
            DASH if option.over_regular is None else _short_ratio(option.over_regular),
            DASH if option.over_grouped is None else _short_ratio(option.over_grouped),
            _memory(option),
        )
        for option in options
    ]
    headers = ("variant", "latency", "over regular", "over grouped", "memory")
    yield from tabulate(grid, headers=headers, tablefmt="simple", disable_numparse=True).splitlines()
    if advice.regular:
        yield from _wrapped(f"{BASELINE} is the dense layer: shown beside the others, and not one of them.")
    yield ""


def _left_out(advice: Advice) -> Iterator[str]:
    if advice.left_out:
        yield "Not ranked:"
        for name, reason in advice.left_out[:_MOST_LEFT_OUT]:
            told = textwrap.shorten(f"{cells.clean(name)}: {cells.clean(reason)}", 3 * WIDTH, placeholder=" …")
            yield from textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="    ")
        yield ""


def _rests_on(advice: Advice) -> str:
    runs = [(str(rows[0]["run_id"]), len(rows)) for rows in gathered(advice.evidence, ("run_id",))]
    told = cells.listed(f"{cells.shorten(cells.clean(run), 40)} ({cells.counted(n, 'row')})" for run, n in runs)
    versions = sorted({str(row["backend_version"]) for row in advice.evidence})
    with_ = cells.clean(f"{advice.question.setting.backend} {', '.join(versions)}")
    text = f"It rests on {'run' if len(runs) == 1 else 'runs'} {told}, with {with_}."
    if advice.basis == MEASURED:
        return text
    nearest = [case_title(rows[0]) for rows in gathered(advice.evidence, _EVIDENCE[2:])][:_NEAREST]
    return f"{text} The nearest: {cells.clean('; '.join(nearest))}."


def _paste(advice: Advice, best: Option) -> Iterator[str]:
    code = _code(advice)
    yield ""
    if code is None:
        yield from _wrapped(f"There is no code to paste for {cells.clean(best.variant)}: see where it is defined.")
        return
    yield "Paste:"
    yield ""
    yield from code.splitlines()


def _code(advice: Advice) -> str | None:
    question = advice.question
    if advice.best is None:
        return None
    return snippet(advice.best.variant, question.case, question.setting.backend, question.setting.execution)


def _way_out(advice: Advice) -> str:
    return "Measure the case: repeat the command with --measure, or `grouped-bench run` with more --visits."


# Several cases


def _together(found: Sequence[Advice]) -> Iterator[str]:
    if _differ_in_groups_alone(found):
        yield from _by_groups(found)
        return
    for alike in _by_setting(found):
        yield from _wrapped(cells.clean(alike[0].question.setting.title()))
        for advice in alike:
            yield from textwrap.wrap(
                cells.clean(advice.question.case.title()), WIDTH, initial_indent="  ", subsequent_indent="    "
            )
            yield from textwrap.wrap(_in_short(advice), WIDTH, initial_indent="    ", subsequent_indent="      ")
        yield ""
    yield from _wrapped("For the evidence and the code of one case, ask for it alone, or with --format json.")


def _in_short(advice: Advice) -> str:
    best = advice.best
    if best is None:
        return f"no advice: {cells.clean(advice.abstains)}"
    gains = [
        f"{_ratio(gain)} as fast as {name}"
        for name, gain in ((BASELINE, best.over_regular), (OWN_GROUPED, best.over_grouped))
        if gain is not None and name != best.variant and not (advice.question.case.groups == 1 and name == OWN_GROUPED)
    ]
    sure = "measured" if advice.basis == MEASURED else "from neighbours"
    ties = f", not told from {cells.listed(map(cells.clean, advice.ties))}" if advice.ties else ""
    return "; ".join([f"{cells.clean(best.variant)}, {_latency(best)}", *gains, f"{sure}{ties}"])


def _by_groups(found: Sequence[Advice]) -> Iterator[str]:
    yield from _wrapped(
        cells.clean(found[0].question.case.title()).replace(_groups(found[0]), f"groups {_counts(found)}")
    )
    yield from list(_heading(next((one for one in found if one.best), found[0])))[1:]
    grid = [
        (one.question.case.groups, cells.shorten(cells.clean(one.best.variant), _NAME_WIDTH), _latency(one.best),
         _memory(one.best), format_count(one.best.params), one.basis)
        if one.best
        else (one.question.case.groups, DASH, DASH, DASH, DASH, "no advice")
        for one in found
    ]  # fmt: skip
    headers = ("groups", "use", "latency", "memory", "params", "basis")
    yield from tabulate(grid, headers=headers, tablefmt="simple", disable_numparse=True).splitlines()
    yield ""
    for name in _LEAST:
        yield from _wrapped(f"Least {name}: {_least(found, name)}")
    yield from _wrapped("Layers of unlike group counts are unlike functions: what fewer parameters cost in accuracy "
                        "is not measured here.")  # fmt: skip
    for one in found:
        if one.best is None:
            yield from _wrapped(f"No advice on {_groups(one)}: {cells.clean(one.abstains)}. {_way_out(one)}")
    yield from _wrapped("For the evidence and the code, ask for one group count alone, or with --format json.")


def _least(found: Sequence[Advice], name: str) -> str:
    first = leaders(found, _LEAST[name])
    if not first:
        return "not known of all."
    counts = cells.listed(one.question.case.groups for one in first)
    if len(first) == 1:
        return f"{cells.counted(first[0].question.case.groups, 'group')}."
    return f"equal with {counts} groups." if name == "parameters" else f"not decided between {counts} groups."


def _counts(found: Sequence[Advice]) -> str:
    return ", ".join(str(one.question.case.groups) for one in found)


def _groups(advice: Advice) -> str:
    return f"groups {advice.question.case.groups}"


def _differ_in_groups_alone(found: Sequence[Advice]) -> bool:
    keys = [{**one.question.columns(), "groups": None} for one in found]
    return all(key == keys[0] for key in keys)


def _by_setting(found: Iterable[Advice]) -> list[list[Advice]]:
    settings: dict[Any, list[Advice]] = {}
    for one in found:
        settings.setdefault(one.question.setting, []).append(one)
    return list(settings.values())


# Values

DASH = cells.DASH


def _latency(option: Option) -> str:
    value, low, high = option.latency.value, option.latency.low, option.latency.high
    if low is None or high is None:
        return f"{format_seconds(value, 2)}"
    return f"{format_seconds(value, _digits(option.latency))} [{format_seconds(low, 2)}–{format_seconds(high, 2)}]"


def _digits(figure: Figure) -> int:
    return earned_digits(figure.value, figure.low, figure.high)


def _ratio(figure: Figure) -> str:
    return cells.ratio(figure.value, figure.low, figure.high)


def _short_ratio(figure: Figure) -> str:
    return "1×" if figure.low == figure.high == 1 else cells.bare_ratio(figure.value, figure.low, figure.high)


def _memory(option: Option) -> str:
    if option.memory is None:
        return DASH
    return f"{'~' if option.is_coarse else ''}{format_bytes(option.memory.value)}"


def _percent(share: float) -> str:
    return f"{significant(100 * share, 2)} %"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


# JSON


def _as_json(found: Sequence[Advice]) -> dict[str, Any]:
    told: dict[str, Any] = {"schema": 1, "advice": [_one_as_json(advice) for advice in found]}
    if len(found) > 1 and _differ_in_groups_alone(found):
        told["least"] = {
            name: [one.question.case.groups for one in leaders(found, figure)] for name, figure in _LEAST.items()
        }
    return told


def _one_as_json(advice: Advice) -> dict[str, Any]:
    return {
        **advice.question.columns(),
        "machine": advice.evidence[0]["machine"] if advice.evidence else None,
        "computes": advice.question.computes,
        "basis": advice.basis,
        "use": advice.best.variant if advice.best else None,
        "options": [_option_as_json(option) for option in advice.options],
        "regular": _option_as_json(advice.regular) if advice.regular else None,
        "ties": advice.ties,
        "at_most": advice.at_most,
        "left_out": [{"variant": name, "reason": reason} for name, reason in advice.left_out],
        "evidence": [{name: row[name] for name in _EVIDENCE} for row in advice.evidence],
        "abstains": advice.abstains,
        "code": _code(advice),
    }


def _option_as_json(option: Option) -> dict[str, Any]:
    return {
        "variant": option.variant,
        "latency_s": _figure_as_json(option.latency),
        "over_regular": _figure_as_json(option.over_regular),
        "over_grouped": _figure_as_json(option.over_grouped),
        "peak_memory_bytes": _figure_as_json(option.memory),
        "params": option.params,
    }


def _figure_as_json(figure: Figure | None) -> dict[str, float | None] | None:
    return None if figure is None else {"value": figure.value, "low": figure.low, "high": figure.high}
