"""What `optimize` found: as text, as Markdown, as JSON, and the module beside the copy."""

import dataclasses
import json
import os
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grouped_bench import __version__
from grouped_bench.analyse.advise.optimized import (
    AS_PREDICTED,
    PROCESSES,
    LayerChange,
    Move,
    StepCost,
    Whole,
    promised_s,
)
from grouped_bench.analyse.estimate import Estimate
from grouped_bench.report.text import cells, sheet
from grouped_bench.report.text.factors import as_known, factor
from grouped_bench.report.text.markup import pipes
from grouped_bench.space.case import Setting, format_extents
from grouped_bench.space.facts import Json
from grouped_bench.units import counted, format_bytes, format_percent, format_seconds

if TYPE_CHECKING:
    from grouped_bench.api.models.optimized import Optimized

_HEADERS = ("layer", "shape", "to", "before", "after", "faster", "of a step")
_WROTE = {
    "file": "Wrote {path} and grouped_layers.py. Import grouped_layers before you load the model.",
    "builtin": "Wrote {path}. Keras alone loads it. Its weights are not those of the original's layers.",
    "layers": "Wrote {path}. Before you load it, run `from grouped_bench.layers import {names}`.",
}
_COMPILING = {
    "xla": "Compile the model with jit_compile=True.",
    "compile": "Compile the model with torch.compile.",
    "graph": "Compile the model with jit_compile=False.",
}
_MOVES = 4
# A lead must be so much faster: it rests on one process.
_LEAD = 0.1
_MODULE = '''"""Layers of {model}: import this file before loading it.

    import keras
    import grouped_layers

    model = keras.models.load_model("{model}")

They have the weights of Keras' own layers. Made by grouped-bench {version}.
"""

'''


def module_text(layers: str, model: str) -> str:
    """The module beside a copy: how to use it, and the source of its layers."""
    return _MODULE.format(model=model, version=__version__) + layers


def render(found: "Optimized", format: str, width: int) -> str:
    """What was found as `table`, `markdown` or `json`, in at most `width` columns where that is a table."""
    if format == "json":
        return json.dumps(_as_json(found), indent=1)
    rows = tuple(_row(change, found) for change in found.changes)
    if format == "markdown":
        table = [pipes(_HEADERS), pipes("---" for _ in _HEADERS), *map(pipes, rows)] if rows else []
        return "\n".join([*table, "", *_said(found)]).strip()
    table = _table(found, rows, width)
    # A path stays in one piece, to be copied.
    wrapped = (textwrap.wrap(cells.clean(text), width, break_on_hyphens=False) for text in _said(found))
    return "\n".join([*table, "", *(line for lines in wrapped for line in lines)])


def _table(found: "Optimized", rows: tuple[tuple[str, ...], ...], width: int) -> list[str]:
    """The layers in a table, with their shapes where there is room."""
    title = textwrap.wrap(cells.clean(_title(found)), width)
    if not rows:
        return title
    return [*title, *sheet.lines(sheet.Sheet("", _HEADERS, rows, spare=_HEADERS.index("shape")), width)]


def _title(found: "Optimized") -> str:
    """`net.keras, training, batch 8, tensorflow graph on cpu`."""
    if not found.changes:
        return found.source
    question = found.changes[0].replacement.question
    case = question.case
    return f"{found.source}, {case.pass_}, batch {case.batch_size}, {question.setting.title()}"


def compared(each: "Sequence[Optimized]", best: "Optimized") -> tuple[str, ...]:
    """What is best in several settings, in sentences."""
    settings = [one.setting for one in each if one.setting is not None]
    said = [
        f"With {_apart(one.setting, settings)}: {_steps(one.whole)}."
        for one in each
        if one.whole is not None and one.setting is not None
    ]
    first = each[0].whole
    if best.whole is None or best.setting is None or first is None or best is each[0]:
        return tuple(said)
    gain = first.before.seconds.over((best.whole.after if best.is_faster else best.whole.before).seconds)
    told = f"{factor(gain.value, gain.low, gain.high)} than the model is with {_apart(settings[0], settings)}"
    return (*said, f"Best: {_apart(best.setting, settings)}, {told}. {_how_to(best.setting, settings[0])}")


def _apart(setting: Setting, among: Sequence[Setting]) -> str:
    """A setting by what it has of its own: `TF_X=1, 2 threads, xla`."""
    told = []
    if len({one.env for one in among}) > 1:
        told.append(setting.env or "the variables as they are")
    if len({one.threads for one in among}) > 1:
        told.append(counted(setting.threads, "thread") if setting.threads else "all threads")
    if len({one.execution for one in among}) > 1:
        told.append(setting.execution)
    return ", ".join(told)


def _how_to(setting: Setting, usual: Setting) -> str:
    """What a user must do to get from one setting to another, in sentences."""
    told = []
    if setting.env != usual.env and setting.env:
        told.append(f"Set {setting.env} before the framework is imported.")
    if setting.threads != usual.threads and setting.threads:
        told.append(f"Give the framework {counted(setting.threads, 'thread')}.")
    if setting.execution != usual.execution:
        told.append(_COMPILING.get(setting.execution, f"Run it as {setting.execution}."))
    return " ".join(told)


def _leads(found: "Optimized") -> Iterator[str]:
    """What other settings promise, in sentences; nothing without any that was tried."""
    others = [one for one in found.leads if one.setting != found.setting]
    if not others or found.setting is None:
        return
    usual = min((one.step_s for one in found.leads if one.setting == found.setting), default=found.step_s)
    timed, *_ = others
    told = [_apart(one.setting, [found.setting, one.setting]) for one in others]
    if timed.step_s * (1 + _LEAD) >= usual:
        yield f"Also tried, by one process each: {', '.join(told)}. None of them is clearly faster."
        return
    whose = "the model as it is" if timed.step_s == timed.before_s else "the copy"
    yield (
        f"A lead: with {told[0]} a step of {whose} takes {format_seconds(timed.step_s)}, "
        f"{factor(usual / timed.step_s)}. "
        f"{_how_to(timed.setting, found.setting)} One process said so. To be sure, add {_option(timed.setting, found)}."
    )


def _option(setting: Setting, found: "Optimized") -> str:
    """The options that optimise in both settings."""
    usual = found.setting
    assert usual is not None, "there are leads"
    told = []
    if setting.env != usual.env:
        name, _, value = (setting.env or "").partition("=")
        told.append(f"--env {name}={','.join(dict.fromkeys((os.environ.get(name, ''), value)))}")
    if setting.threads != usual.threads:
        told.append(f"--threads {setting.threads}")
    if setting.execution != usual.execution:
        told.append(f"--execution {usual.execution},{setting.execution}")
    return " ".join(told)


def _steps(whole: Whole) -> str:
    before, after = (format_seconds(side.seconds.value) for side in (whole.before, whole.after))
    return f"{before} → {after} a step"


def records(found: "Optimized") -> list[Json]:
    """The layers as rows: seconds, ratios and shares as numbers, None where something is not known."""
    return [_record(change, found) for change in found.changes]


def _record(change: LayerChange, found: "Optimized") -> Json:
    one, is_made = change.replacement, change.is_made
    return {
        "layer": one.question.label,
        "case": one.question.case.title(),
        "times": change.times,
        "from": one.question.keras,
        "to": one.variant if is_made else one.question.keras,
        "choice": one.choice if is_made else None,
        **_ends("before", "_s", change.own),
        **_ends("after", "_s", change.new),
        **_ends("speedup", "", one.gain if is_made else None),
        "share": _share(change, found),
    }


def _ends(name: str, unit: str, found: Estimate | None) -> Json:
    """An estimate as three numbers, None where it is not known."""
    value, low, high = dataclasses.astuple(found) if found else (None, None, None)
    return {f"{name}{unit}": value, f"{name}_low{unit}": low, f"{name}_high{unit}": high}


def _as_json(found: "Optimized") -> Json:
    whole = found.whole
    return {
        "schema": 1,
        "model": found.source,
        "layers": records(found),
        "whole": _whole_as_json(whole) if whole else None,
        "refusal": found.refusal,
        "notes": found.notes,
        "path": str(found.path) if found.path else None,
        "saved_as": found.saved_as,
        **_setting_as_json(found.setting),
        "moves": [dataclasses.asdict(one) for one in found.moves],
        "leads": [
            {**_setting_as_json(one.setting), "before_s": one.before_s, "after_s": one.after_s} for one in found.leads
        ],
    }


def _setting_as_json(setting: Setting | None) -> Json:
    return {name: getattr(setting, name, None) for name in ("env", "threads", "execution")}


def _whole_as_json(whole: Whole) -> Json:
    return {
        "verdict": whole.verdict,
        **_ends("speedup", "", whole.speedup),
        "before": _side_as_json(whole.before),
        "after": _side_as_json(whole.after),
        "relative_error": whole.error,
        "gradients_compared": whole.gradients,
    }


def _side_as_json(side: StepCost) -> Json:
    return {
        **_ends("latency", "_s", side.seconds),
        "first_call_s": side.first_call_s,
        "peak_memory_bytes": side.peak_bytes,
    }


def _row(change: LayerChange, found: "Optimized") -> tuple[str, ...]:
    question, gain = change.replacement.question, change.replacement.gain
    share = _share(change, found)
    return (
        (question.label or question.case.title()) + (f" (×{change.times})" if change.times > 1 else ""),
        _shape(change),
        _to(change),
        _seconds(change.own),
        _seconds(change.new) if change.is_made else cells.DASH,
        as_known(gain) if change.is_made and gain else cells.DASH,
        cells.DASH if share is None else format_percent(share, 2),
    )


def _shape(change: LayerChange) -> str:
    case = change.replacement.question.case
    channels = dict.fromkeys((case.in_channels, case.out_channels))
    size, kernel = format_extents(case.size), format_extents(case.kernel_size)
    return f"{size}, {'→'.join(map(str, channels))}, k{kernel}, groups {case.groups}"


def _to(change: LayerChange) -> str:
    found = change.replacement
    if not change.is_made:
        return "as it is"
    return f"{found.variant} ({found.choice})" if found.choice else str(found.variant)


def _share(change: LayerChange, found: "Optimized") -> float | None:
    """What the layers of a kind take of a step of the model as it is; None where either was not measured."""
    if change.own is None or found.whole is None:
        return None
    return change.own.value * change.times / found.whole.before.seconds.value


def _seconds(found: Estimate | None) -> str:
    return cells.DASH if found is None else format_seconds(found.value)


def _said(found: "Optimized") -> list[str]:
    """What came of it, in sentences."""
    said = [*_leads(found), *([] if found.whole is None else _of_whole(found.whole, found.changes))]
    if found.moves:
        said.append(f"Where that goes, by operations: {'; '.join(map(_move, found.moves[:_MOVES]))}.")
    said += [one if one.endswith(".") else f"{one}." for one in found.notes]
    if found.refusal is not None:
        return [*said, f"Nothing is written: {found.refusal}."]
    if found.path is None:
        return [*said, "Nothing is written: name a file with -o faster.keras."]
    ranks = sorted({one.replacement.question.case.rank for one in found.changes if one.is_made})
    names = ", ".join(f"GroupedConv{rank}D" for rank in ranks)
    return [*said, _WROTE[found.saved_as].format(path=found.path, names=names)]


def _move(one: Move) -> str:
    return f"{one.kind} {format_seconds(abs(one.seconds))} {'more' if one.seconds > 0 else 'less'}"


def _of_whole(whole: Whole, changes: Sequence[LayerChange]) -> list[str]:
    before, after = whole.before, whole.after
    ratio = factor(whole.speedup.value, whole.speedup.low, whole.speedup.high)
    compared = "output and all gradients" if whole.gradients else "the output (gradients are random)"
    said = [
        f"The whole model is {ratio}: {_steps(whole)}, in {PROCESSES} fresh processes.",
        f"Same function: compared with float64, {compared}. Error of the output: {whole.error:.1g}.",
        f"First call: {format_seconds(before.first_call_s)} → {format_seconds(after.first_call_s)}.",
    ]
    if before.peak_bytes and after.peak_bytes:
        said.append(f"Peak memory of a step: {format_bytes(before.peak_bytes)} → {format_bytes(after.peak_bytes)}.")
    saved = whole.saved_s
    told = f"saves {format_seconds(saved)}" if saved > 0 else f"takes {format_seconds(-saved)} longer"
    off = "" if whole.is_as_predicted(changes) else f", more than {format_percent(AS_PREDICTED)} off"
    return [*said, f"Its layers alone save {format_seconds(promised_s(changes))}; a step {told}{off}."]
