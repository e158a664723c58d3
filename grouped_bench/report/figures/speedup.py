"""The heat map of speed-ups: groups across, channels or variants down."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from grouped_bench.analyse.estimate import Estimate
from grouped_bench.analyse.rows import FAMILY, VERDICTS, family, groups_of, is_baseline, is_ok
from grouped_bench.report.drawing.axes import grid, label, wrapped_note
from grouped_bench.report.drawing.panels import NothingToDrawError, Panel, groups_label, split
from grouped_bench.report.drawing.points import alt
from grouped_bench.report.drawing.registry import Drawable, figure
from grouped_bench.report.drawing.svg import Sketch
from grouped_bench.report.drawing.tints import tint
from grouped_bench.report.text import cells
from grouped_bench.store.schema import Task
from grouped_bench.units import counted, significant

_NAMES = ("variant", "computes", *(name for name in FAMILY if name not in ("in_channels", "out_channels", "width")))
_MOST_PANELS = 8
_MOST_LEVELS = 16
_MOST_WRITTEN = 12
_SHORT = {"predicted_oom": "pred.\noom", "unsupported": "unsup-\nported", "interrupted": "inter-\nrupted"}
_NOTES = (
    "Blue: faster than the baseline. Orange: slower. The paler, the smaller or the less sure.",
    "≈: equivalent. ?: undecided.",
    "Hatched: no ratio, for the reason shown. White: not measured.",
)


@figure(
    "speedup",
    "Speed-up over the baseline, by groups",
    place=2,
    see="From which number of groups and channels on a variant pays: where its cells turn blue.",
)
def speedup(record: Drawable, title: str) -> Sketch:
    """A heat map a variant; a colour is pale where the verdict is open.

    Raises:
        NothingToDrawError: no row but the baseline's has a speed-up.
    """
    compared = [row for row in record.rows if not is_baseline(row) and groups_of(row) and row.in_channels]
    if not any(map(_measured, compared)):
        raise NothingToDrawError("no task with status ok has a speed-up over a baseline")
    down = _down(compared)
    every = sorted({down.of(row) for row in compared})
    levels = every[:_MOST_LEVELS]
    compared = [row for row in compared if down.of(row) in levels]
    panels = split(compared, down.panel, most=_MOST_PANELS, always=down.told)
    groups = sorted({groups_of(row) or 1 for row in panels.rows})
    of_panel = [_levels(panel, down, levels) for panel in panels.shown]
    height = max(1.6, 0.34 * max(map(len, of_panel)) + 0.9)
    sketch, places = grid(panels, title, height=height, share_y=down is _CHANNELS_DOWN)
    for place, panel, own in zip(places, panels.shown, of_panel, strict=True):
        _rule(place, groups, list(map(down.text, own)))
        for row in panel.rows:
            spot = (groups.index(groups_of(row) or 1), own.index(down.of(row)))
            _cell(place, row, spot, written=len(groups) <= _MOST_WRITTEN)
    label(sketch, groups_label(panels.rows), down.label)
    fewer = f"The first {len(levels)} of {len(every)} {down.noun} shown." if len(levels) < len(every) else ""
    left_out = panels.left_out and f"{panels.left_out}."
    notes = [line for note in filter(None, [*_NOTES, fewer, left_out]) for line in wrapped_note(note, sketch)]
    sketch.supxlabel("\n".join(notes), fontsize=8)
    return Sketch(sketch, alt(title, panels, [_words(panel) for panel in panels.shown], most=_MOST_PANELS))


def _levels(panel: Panel[Task], down: "_Down", levels: Sequence[Any]) -> list[Any]:
    """What stands down the side of a panel: channels are the same in all, variants those that the panel has."""
    own = {down.of(row) for row in panel.rows}
    return [level for level in levels if down is _CHANNELS_DOWN or level in own]


def _measured(row: Task) -> bool:
    return is_ok(row) and (row.speedup or 0) > 0


def _channels(row: Task) -> tuple[int, int, int]:
    return (row.in_channels, row.out_channels or 0, row.width or 0)


def _channels_text(channels: tuple[int, int, int]) -> str:
    outer, out, width = channels
    return (f"{outer}→{out}" if outer != out else f"{outer}") + (f" width {width}" if width else "")


@dataclasses.dataclass(frozen=True)
class _Down:
    """What the rows of a panel are, and what distinguishes the panels then."""

    noun: str
    label: str
    of: Callable[[Task], Any]
    text: Callable[[Any], str]
    panel: tuple[str, ...]
    told: tuple[str, ...]


_CHANNELS_DOWN = _Down("channels", "channels, in→out", _channels, _channels_text, _NAMES, ("variant", "computes"))
_VARIANTS_DOWN = _Down(
    "variants",
    "",
    lambda row: (cells.text_of(row.computes), cells.text_of(row.variant)),
    lambda names: cells.shorten(names[1], 24),
    FAMILY,
    (),
)


def _down(rows: Sequence[Task]) -> _Down:
    """Channels, unless they do not vary beside the rest, or variants down the side leave fewer panels out."""
    channels: dict[tuple[Any, ...], set[tuple[int, int]]] = {}
    for row in rows:
        key = tuple(row[name] for name in _NAMES)
        channels.setdefault(key, set()).add((row.in_channels, row.out_channels))
    names = family(rows)
    families = len({tuple(row[name] for name in names) for row in rows})
    if max(map(len, channels.values())) > 1 and (families > _MOST_PANELS or len(channels) <= _MOST_PANELS):
        return _CHANNELS_DOWN
    return dataclasses.replace(_VARIANTS_DOWN, panel=names)


def _rule(place: Axes, groups: Sequence[int], levels: Sequence[str]) -> None:
    place.grid(False)
    place.set_xlim(-0.5, len(groups) - 0.5)
    place.set_ylim(len(levels) - 0.5, -0.5)
    place.set_xticks(range(len(groups)), [str(count) for count in groups])
    place.set_yticks(range(len(levels)), levels)


def _cell(place: Axes, row: Task, spot: tuple[int, int], *, written: bool) -> None:
    measured = _measured(row)
    colour: Any = tint(Estimate(row.factor, row.speedup_low, row.speedup_high)) if measured else "none"
    hatch = None if measured else "////"
    corner, edge = (spot[0] - 0.5, spot[1] - 0.5), "#c8c8c8" if hatch else "none"
    place.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor=edge, hatch=hatch, linewidth=0.8))
    if written:
        place.text(*spot, _text(row, measured), ha="center", va="center", fontsize=7)


def _text(row: Task, measured: bool) -> str:
    if not measured:
        status = cells.text_of(row.status)
        return "none" if status == "ok" else _SHORT.get(status, cells.shorten(status, 9))
    number = f"{significant(row.factor, 2)}×"
    return {"equivalent": f"≈{number}", "faster": number, "slower": number}.get(row.verdict or "", f"{number} ?")


def _words(panel: Panel[Task]) -> str:
    measured = list(filter(_measured, panel.rows))
    if not measured:
        return "nothing measured"
    low, high = (pick(measured, key=lambda row: row.factor) for pick in (min, max))
    span = f"from {_point(low)} to {_point(high)}" if low is not high else _point(low)
    verdicts = [row.verdict for row in measured]
    tally = [f"{verdicts.count(word)} {word}" for word in VERDICTS]
    return f"speed-up {span}; {', '.join(text for text in tally if not text.startswith('0 '))}"


def _point(row: Task) -> str:
    ratio = cells.bare_ratio(row.factor, row.speedup_low, row.speedup_high)
    name = cells.text_of(row.variant)
    return f"{ratio} ({name} at {cells.splits(row)} and {counted(row.in_channels, 'channel')})"
