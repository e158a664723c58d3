"""Cases for tests: small, and legal unless asked otherwise."""

import dataclasses

from grouped_bench.space.case import Case, Setting

GRAPH = Setting("tensorflow", "graph", "cpu")
CASE = Case(
    rank=2,
    batch_size=8,
    in_channels=64,
    out_channels=128,
    groups=4,
    size=(28, 28),
    kernel_size=(3, 3),
    stride=(1, 1),
    dilation=(1, 1),
    padding="same",
    bias=False,
    dtype="float32",
    data_format="channels_last",
    pass_="inference",
)


def case(**changes):
    """The case of which shapes and counts are worked out by hand, with changes."""
    return dataclasses.replace(CASE, **changes)


def make_case(
    *,
    rank=2,
    groups=2,
    channels=(4, 8),
    size=6,
    kernel_size=3,
    stride=1,
    dilation=1,
    padding="same",
    batch_size=2,
    bias=False,
    dtype="float32",
    data_format="channels_last",
    pass_="training",
):
    """A case whose extents are equal along every axis."""
    return Case(
        rank=rank,
        batch_size=batch_size,
        in_channels=channels[0],
        out_channels=channels[1],
        groups=groups,
        size=(size,) * rank,
        kernel_size=(kernel_size,) * rank,
        stride=(stride,) * rank,
        dilation=(dilation,) * rank,
        padding=padding,
        bias=bias,
        dtype=dtype,
        data_format=data_format,
        pass_=pass_,
    )


def make_block(*, channels=8, cardinality=2, width=3, **shape):
    """A residual block; `shape` as of `make_case`."""
    case = make_case(groups=1, channels=(channels, channels), **shape)
    return dataclasses.replace(case, scope="block", cardinality=cardinality, width=width)
