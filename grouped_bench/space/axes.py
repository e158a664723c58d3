"""The axes of a sweep and the controls of a run: one definition for options, TOML keys and Python arguments."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
)

from grouped_bench.errors import SpaceError, shown
from grouped_bench.space import variables
from grouped_bench.space.case import KERAS_LAYOUT, LONGEST_NAME, NAME_PATTERN
from grouped_bench.space.facts import Json
from grouped_bench.units import parse_bytes, parse_duration, parse_share

T = TypeVar("T")
LARGEST_EXTENT = 2**24
LONGEST_S = 8784 * 3600.0  # a year
LARGEST_BYTES = 2**50
DEFAULT_VARIANTS = {
    "layer": ("regular", "grouped", "grouped_native", "split_sum", "split_concat"),
    "block": ("bottleneck", "resnext_sum", "resnext_concat", "resnext_grouped"),
}
# Of blocks alone: what they are where the scope is block and the axis is not given.
DEFAULT_PATHS = {"cardinality": (32,), "width": (4,)}


def _values(value: Any) -> Any:
    """A scalar, a comma list or a list, as a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value if isinstance(value, (list, tuple)) else [value]


def _without_repeats(values: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def _number(value: Any) -> Any:
    """`value` where it is a number or text of one: no bool, and nothing that JSON could not hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("not a number")
    return value


def _extents(value: Any) -> Any:
    """`28`, `"28x28"` or `[28, 28]` as a tuple; one entry stands for every spatial axis."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(x[0-9]+){0,2}", value):
        return tuple(value.split("x"))
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _channels(value: Any) -> Any:
    """`64` or `"3:64"` as the pair (in, out)."""
    parts = value.split(":") if isinstance(value, str) else value
    if isinstance(parts, list | tuple):
        return tuple(parts) if len(parts) == 2 else (*parts, *parts)
    return (value, value)


Axis = Annotated[
    tuple[T, ...],
    BeforeValidator(_values),
    AfterValidator(_without_repeats),
    Field(min_length=1),
]
Count = Annotated[PositiveInt, BeforeValidator(_number), Field(le=LARGEST_EXTENT)]
Extents = Annotated[tuple[Count, ...], BeforeValidator(_extents), Field(min_length=1, max_length=3)]
Channels = Annotated[tuple[Count, Count], BeforeValidator(_channels)]
Name = Annotated[str, Field(strict=True, pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
Rank = Annotated[int, BeforeValidator(_number), Field(ge=1, le=3)]
Threads = Annotated[PositiveInt, BeforeValidator(_number), Field(le=1024)]

EXTENTS_RULE = "takes positive integers, or one extent per spatial axis, such as 28x28"
STEPS_RULE = "takes positive integers, or one step per spatial axis, such as 2x1"


class Axes(BaseModel):
    """Values of every axis; the product of them is a sweep. Each field's description is its rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scope: Axis[Literal["layer", "block"]] = Field(
        ("layer",), description="takes layer (one convolution) or block (a residual block)", examples=["layer,block"]
    )
    rank: Axis[Rank] = Field((2,), description="takes 1, 2 or 3 (Conv1D, Conv2D, Conv3D)", examples=["1,2"])
    variant: Axis[Name] | None = Field(
        None,
        description="takes names from `grouped-bench list variants`, or all",
        examples=["regular,grouped"],
    )
    groups: Axis[Count] = Field((1,), description="takes positive integers", examples=["1,2,4,8"])
    channels: Axis[Channels] = Field(
        ((64, 64),), description="takes positive integers, or IN:OUT", examples=["64,3:64"]
    )
    cardinality: Axis[Count] | None = Field(
        None, description="takes positive integers: the paths of a block", examples=["1,8,32"]
    )
    width: Axis[Count] | None = Field(
        None, description="takes positive integers: the channels of each path of a block", examples=["4,64"]
    )
    kernel_size: Axis[Extents] = Field(((3,),), description=EXTENTS_RULE, examples=["1,3,5"])
    stride: Axis[Extents] = Field(((1,),), description=STEPS_RULE, examples=["1,2"])
    dilation: Axis[Extents] = Field(((1,),), description=STEPS_RULE, examples=["1,2"])
    padding: Axis[Literal["same", "valid", "causal"]] = Field(
        ("same",), description="takes same, valid, or (rank 1 only) causal", examples=["same,valid"]
    )
    size: Axis[Extents] = Field(((28,),), description=EXTENTS_RULE, examples=["28,56"])
    batch_size: Axis[Count] = Field((8,), description="takes positive integers", examples=["1,8,32"])
    pass_: Axis[Literal["inference", "training"]] = Field(
        ("inference",),
        validation_alias=AliasChoices("pass"),
        description="takes inference or training",
        examples=["inference,training"],
    )
    dtype: Axis[Literal["float32", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16"]] = Field(
        ("float32",),
        description="takes float32, bfloat16, float16, mixed_bfloat16 or mixed_float16",
        examples=["float32,bfloat16"],
    )
    data_format: Axis[Literal["channels_last", "channels_first"]] = Field(
        ("channels_last",), description="takes channels_last or channels_first", examples=["channels_last"]
    )
    bias: Axis[bool] = Field((False,), description="takes true or false", examples=["true"])
    backend: Axis[Name] = Field(
        ("tensorflow",), description="takes names from `grouped-bench list backends`",
        examples=["tensorflow"],
    )  # fmt: skip
    execution: Axis[Name] | None = Field(
        None,
        description="takes graph, xla, eager or compile, as the backend supports",
        examples=["graph,xla"],
    )
    device: Axis[Annotated[str, Field(strict=True, pattern=r"^(cpu|gpu)(:\d{1,3})?$")]] = Field(
        ("cpu",), description="takes cpu, gpu, or an indexed device such as gpu:1", examples=["cpu"]
    )
    cache: Axis[Literal["hot", "cold"]] = Field(
        ("hot",), description="takes hot or cold: whether calls find their inputs and weights in the cache",
        examples=["hot,cold"],
    )  # fmt: skip
    layout: Axis[Literal["keras", "contiguous", "channels_last"]] = Field(
        (KERAS_LAYOUT,),
        description="takes keras (layers of Keras), or contiguous or channels_last (torch.nn in that memory format)",
        examples=["keras,channels_last"],
    )
    env: Annotated[variables.Choices, BeforeValidator(variables.choices)] | None = Field(
        None,
        description="takes NAME=value,value: environment variables of the measuring processes; NAME= unsets one",
        examples=["TF_ENABLE_ONEDNN_OPTS=0,1"],
    )
    threads: Axis[Threads] | None = Field(
        None, description="takes positive integers up to 1024: the threads to compute with", examples=["1,2"]
    )
    multiplicity: Count | None = Field(
        None, description="takes a positive integer: how often the case occurs in its network", examples=["3"]
    )
    label: Annotated[str, Field(strict=True, max_length=80)] | None = Field(
        None, description="takes a text of at most 80 characters", examples=["stage 2, 3x3"]
    )
    only: Literal["onednn_off"] | None = Field(
        None,
        description="takes onednn_off: the case is measured only where TensorFlow leaves oneDNN off by default",
        examples=["onednn_off"],
    )
    in_use: Name | None = Field(
        None, description="takes the name of the variant that the network uses for the case", examples=["depthwise_sum"]
    )


AXIS_NAMES = tuple("pass" if name == "pass_" else name for name in Axes.model_fields)
OPTION_AXES = tuple(name for name in AXIS_NAMES if name not in ("multiplicity", "label", "in_use", "only"))


def axis_field(name: str) -> Any:
    """The pydantic field of the axis that options and TOML call `name`."""
    return Axes.model_fields["pass_" if name == "pass" else name]


Share = Annotated[float, BeforeValidator(parse_share), Field(gt=0, lt=1)]
Seconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=LONGEST_S)]
Size = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0, le=LARGEST_BYTES)]

DURATION_RULE = "takes a duration above zero, up to 8784h"
SIZE_RULE = "takes a size of at least 1 byte, up to 1024TiB"


class Control(BaseModel):
    """How long and how closely a run measures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precision: Share = Field(0.02, description="takes a share between 0 and 1", examples=["2%"])
    margin: Share = Field(0.03, description="takes a share between 0 and 1", examples=["3%"])
    visits: Count = Field(24, description="takes a positive integer", examples=["24"])
    least_visits: Count = Field(1, description="takes a positive integer", examples=["16"])
    visit_time: Seconds = Field(0.12, description=DURATION_RULE, examples=["40ms"])
    reference: Literal["machine", "case"] = Field("machine", description="takes machine or case", examples=["case"])
    budget: Seconds | None = Field(None, description=DURATION_RULE, examples=["10m"])
    task_timeout: Seconds = Field(60.0, description=DURATION_RULE, examples=["60s"])
    memory_limit: Size | None = Field(None, description=SIZE_RULE, examples=["8GiB"])
    tf32: Literal["on", "off"] | None = Field(None, description="takes on or off", examples=["off"])


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Json, source: str) -> Model:
    """`values` as a `model`; SpaceError states the first broken rule, with `source` and the key."""
    known = AXIS_NAMES if model is Axes else tuple(model.model_fields)
    for key, value in values.items():
        if key not in known:
            raise SpaceError(
                f"{source}: every key must be known",
                received=f"{shown(key)} = {shown(value)}",
                remedy=f"Use one of {', '.join(known)}",
            )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        field = axis_field(key) if model is Axes else model.model_fields[key]
        option, example = key.replace("_", "-"), (field.examples or [""])[0]
        python = "passes" if key == "pass" else key
        raise SpaceError(
            f"{source}: `{key}` {_beyond(first) or field.description}",
            received=values[key],
            remedy=(
                f'Write it like --{option} {example}, {key} = "{example}" in TOML, or {python}="{example}" in Python'
            ),
        ) from None


def _beyond(error: Mapping[str, Any]) -> str | None:
    """The rule of the upper limit that a value of `Count` is beyond, where that is what is wrong."""
    is_beyond = error["type"] == "less_than_equal" and error["ctx"]["le"] == LARGEST_EXTENT
    return f"must be at most {LARGEST_EXTENT:,}" if is_beyond else None
