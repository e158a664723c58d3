"""What XLA compiled, from its dump of an optimised module: the convolutions and the calls of libraries."""

import dataclasses
import math
import re
from collections.abc import Iterator

# HLO text: `%name = f32[8,28,28,128]{3,2,1,0} convolution(%a, %b), window={size=3x3 pad=1_1x1_1}, dim_labels=…`.
_INSTRUCTION = re.compile(
    r"^\s*(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<shape>\([^)]*\)|\S+) (?P<opcode>convolution|custom-call)"
    r"\((?P<operands>[^)]*)\)(?P<rest>.*)$",
    re.MULTILINE,
)
_DEFINITION = re.compile(r"^\s*(?:ROOT )?%([\w.-]+) = (\w+\[[\d,]*\])", re.MULTILINE)
_ARRAY = re.compile(r"\w+\[([\d,]*)\]")
_OPERAND = re.compile(r"%([\w.-]+)")
_WINDOW = re.compile(r"window=\{([^}]*)\}")
_KERNEL_LABELS = re.compile(r"dim_labels=\w+_(\w+)->")
_TARGET = re.compile(r'custom_call_target="([^"]*)"')


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        kind: `convolution`, or the target of a call, such as `__cudnn$convForward`.
        shape: what it makes, such as `f32[8,28,28,128]`.
        window: as in the text: sizes, strides, padding and dilations; empty where there is none.
        lhs_dilate: zeros that spread out the input, one more than them an axis; empty where there are none.
        feature_groups, batch_groups: into how many parts features or batch are split.
        macs: multiply-accumulates under its windows, zeros counted; None where the text does not say.
    """

    kind: str
    shape: str
    window: str
    lhs_dilate: str
    feature_groups: int
    batch_groups: int
    macs: int | None


def parse(text: str) -> list[Instruction]:
    """The convolutions and calls in the order of the text."""
    return list(_instructions(text))


def _instructions(text: str) -> Iterator[Instruction]:
    shapes = dict(_DEFINITION.findall(text))
    for found in _INSTRUCTION.finditer(text):
        rest = found["rest"]
        window, target = _WINDOW.search(rest), _TARGET.search(rest)
        array = _ARRAY.search(found["shape"])
        operands = [shapes.get(name, "") for name in _OPERAND.findall(found["operands"])]
        told = window[1] if window else ""
        yield Instruction(
            kind=target[1] if target else found["opcode"],
            shape=array[0] if array else "",
            window=told,
            lhs_dilate=_part(told, "lhs_dilate"),
            feature_groups=_number(rest, "feature_group_count"),
            batch_groups=_number(rest, "batch_group_count"),
            macs=_macs(array[0], told, rest, operands) if array and window else None,
        )


def _macs(shape: str, window: str, rest: str, operands: list[str]) -> int | None:
    """Elements made, times taps of the window, times the input features that each of them reads."""
    labels = _KERNEL_LABELS.search(rest)
    kernel = _extents(operands[1]) if len(operands) > 1 else []
    if labels is None or len(labels[1]) != len(kernel):
        return None
    taps = map(int, _part(window, "size").split("x")) if "size=" in window else [1]
    return math.prod(_extents(shape)) * math.prod(taps) * kernel[labels[1].index("i")]


def _extents(shape: str) -> list[int]:
    array = _ARRAY.match(shape)
    return [int(extent) for extent in array[1].split(",") if extent] if array else []


def _part(window: str, name: str) -> str:
    found = re.search(rf"\b{name}=(\S+)", window)
    return found[1] if found else ""


def _number(rest: str, name: str) -> int:
    found = re.search(rf"\b{name}=(\d+)", rest)
    return int(found[1]) if found else 1
