"""What a reader found: convolutions in the terms of a case, and layers that cannot be measured, with their work."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from grouped_bench.measure.models.reading.refused import RefusedError
from grouped_bench.space.case import DTYPE_BYTES, Case
from grouped_bench.space.counts import convolution_counts
from grouped_bench.space.facts import Json

FoundConvolution = dict[str, Any]
# Where each channel is convolved alone, the variant that the network itself uses.
GROUPED = "grouped"
CHANNELS_LAST_EXAMPLE = "224,224,3"
TRANSPOSED = "a transposed convolution, which is not measured"
NO_CONVOLUTION = "no convolution, which is not measured"
_RANKS = (1, 2, 3)
_NO_BLOCK = {"cardinality": None, "width": None}


@dataclasses.dataclass(frozen=True)
class Called:
    """One call of a convolution by a network whose channels come first and whose padding is given in zeros.

    Args:
        name, kind: of the layer.
        input_shape: batch, channels, spatial extents.
        kernel_shape: output channels, input channels of a group, taps; of a transposed one input channels come first.
        stride, dilation: one for each spatial axis.
        pads: zeros before and after each spatial axis.
        groups: of channels.
        bias: whether it adds one.
        dtype: of its input.
        transposed: whether it is the gradient of a convolution.
        batch: examples that one call of the network takes.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    kernel_shape: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    groups: int
    bias: bool
    dtype: str
    transposed: bool = False
    batch: int = 1

    def problem(self) -> str | None:
        """Why it cannot be measured, or None."""
        if self.transposed:
            return TRANSPOSED
        if len(self.input_shape) - 2 not in _RANKS:
            return f"a convolution of {len(self.input_shape) - 2} spatial axes"
        if self.dtype not in DTYPE_BYTES:
            return f"dtype {self.dtype}, which is not supported"
        if self.input_shape[0] != self.batch:
            return f"its input {self.input_shape} is not one example"
        if any(zeros < 0 for pair in self.pads for zeros in pair):
            return "negative padding"
        return None

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an example."""
        pixels = self.input_shape[2:] if self.transposed else self._case().output_size
        return self.input_shape[0] * math.prod(pixels) * math.prod(self.kernel_shape) // self.batch

    def to_facts(self) -> FoundConvolution:
        """The convolution in the terms of a case: padding other than the usual ones widens the input."""
        case = self._case()
        single = self.groups == case.in_channels != 1
        return {
            **{"name": self.name, "rank": case.rank, "dtype": self.dtype, "padding": case.padding},
            **{"stride": list(case.stride), "dilation": list(case.dilation), "kernel_size": list(case.kernel_size)},
            **{"size": list(case.size), "bias": self.bias, "groups": self.groups},
            **{"channels": [case.in_channels, case.out_channels], **({"in_use": GROUPED} if single else {})},
        }

    def _case(self) -> Case:
        case = Case(
            rank=len(self.input_shape) - 2,
            batch_size=1,
            in_channels=self.input_shape[1],
            out_channels=self.kernel_shape[0],
            groups=self.groups,
            size=self.input_shape[2:],
            kernel_size=self.kernel_shape[2:],
            stride=self.stride,
            dilation=self.dilation,
            padding="same",
            bias=self.bias,
            dtype=self.dtype,
            data_format="channels_last",
            pass_="inference",
        )
        if case.pads == self.pads:
            return case
        size = tuple(n + before + after for n, (before, after) in zip(case.size, self.pads, strict=True))
        return dataclasses.replace(case, padding="valid", size=size)


def answer_of(calls: Sequence[Called], left_out: Sequence[Json] = ()) -> Json:
    """What the process answers of the calls that a pass makes.

    Args:
        calls: in their order.
        left_out: what else cannot be measured.
    """
    convolutions, others = [], list(left_out)
    for call in calls:
        why = call.problem()
        if why is None:
            convolutions.append(call.to_facts())
        else:
            others.append({"name": call.name, "kind": call.kind, "reason": why, "macs": call.macs})
    return {"convolutions": convolutions, "left_out": others, "macs": macs_of(convolutions)}


def macs_of(convolutions: Sequence[FoundConvolution]) -> int:
    """Multiply-accumulates of an example in all of them."""
    total = 0
    for one in convolutions:
        channels, filters = one["channels"]
        columns = {**one, "in_channels": channels, "out_channels": filters, "batch_size": 1, "pass": "inference"}
        case = Case.from_columns({"data_format": "channels_last", "scope": "layer", **columns, **_NO_BLOCK})
        total += convolution_counts(case, one["groups"]).macs
    return total


def no_shape(received: str, example: str = CHANNELS_LAST_EXAMPLE) -> RefusedError:
    """That a network needs another input shape, or one at all."""
    return RefusedError(
        "An input shape must give every extent of the model's one input, without the batch",
        received,
        f"Give it like --input-shape {example}",
    )


def extents_for(own: Sequence[int | None], shape: tuple[int, ...] | None, whose: str, example: str) -> list[int]:
    """The extents of one example, without the batch.

    Args:
        own: those of the network, None for an open one.
        shape: those that were asked for; None for the network's own.
        whose: the network and its input, in words.
        example: of what may be asked for.

    Raises:
        RefusedError: they do not agree, or one stays open.
    """
    wanted = own if shape is None else shape
    known = [extent for extent in wanted if extent is not None]
    fits = len(own) == len(wanted) == len(known) and all(a in (None, b) for a, b in zip(own, known, strict=True))
    if not fits:
        asked = "no --input-shape" if shape is None else f"--input-shape {','.join(map(str, shape))}"
        raise no_shape(f"{asked} for {whose} takes {tuple(own)}", example)
    return known


def one_line(problem: BaseException) -> str:
    """An exception's message on one line, its beginning."""
    return " ".join(str(problem).split())[:300] or type(problem).__name__
