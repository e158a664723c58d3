"""A convolution in plain JAX and in Flax, to paste: what XLA makes of it is the program of Keras' layer on JAX."""

from grouped_bench.backends.code import called, literal
from grouped_bench.space.case import MIXED_PREFIX, Case
from grouped_bench.variants.layers.split_concat import SplitConcat

_BY_GROUPS = {"regular": False, "grouped": True, "grouped_native": True}
_ONE_CALL = '''\
import jax


def convolution({names}):
    """x {inputs}, kernel {kernel}{bias_shape}."""
    {result} jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides={strides},
        padding={padding},
        rhs_dilation={dilation},
        dimension_numbers={dimensions},
        feature_group_count={groups},
    ){added}'''
_SPLIT = '''\
import jax
import jax.numpy as jnp


def convolution({names}):
    """x {inputs}, kernel {kernel}{bias_shape}."""
    parts = jnp.split(x, {groups}, axis={axis})
    kernels = jnp.split(kernel, {groups}, axis=-1)
    outputs = [
        jax.lax.conv_general_dilated(
            part,
            kernel,
            window_strides={strides},
            padding={padding},
            rhs_dilation={dilation},
            dimension_numbers={dimensions},
        )
        for part, kernel in zip(parts, kernels, strict=True)
    ]
    {result} jnp.concatenate(outputs, axis={axis}){added}'''


def plain(variant: str, case: Case) -> str | None:
    """A function of `jax.lax` for the case, its kernel as Keras holds it; None where the variant has none.

    Args:
        variant: name of the variant.
        case: what the function computes.
    """
    is_split = variant == SplitConcat.name
    if not (is_split or variant in _BY_GROUPS) or case.dtype.startswith(MIXED_PREFIX):
        return None
    groups = case.groups if is_split or _BY_GROUPS[variant] else 1
    spatial = "DHW"[3 - case.rank :]
    is_last = case.data_format == "channels_last"
    layout = f"N{spatial}C" if is_last else f"NC{spatial}"
    bias = "bias" if is_last else f"bias.reshape({literal((-1, *(1,) * case.rank))})"
    return (_SPLIT if is_split else _ONE_CALL).format(
        names="x, kernel, bias" if case.bias else "x, kernel",
        inputs=literal(case.input_shape),
        kernel=literal(case.kernel_shape(groups)),
        bias_shape=f", bias ({case.out_channels},)" if case.bias else "",
        result="outputs =" if case.bias else "return",
        added=f"\n    return outputs + {bias}" if case.bias else "",
        strides=literal(case.stride),
        padding=_padding(case, "SAME", "VALID"),
        dilation=literal(case.dilation),
        dimensions=literal((layout, f"{spatial}IO", layout)),
        groups=groups,
        axis=-1 if is_last else 1,
    )


def flax_layer(variant: str, case: Case) -> str | None:
    """The same as a layer of Flax; None where Flax has none: with channels first, or by other than one operation."""
    if variant not in _BY_GROUPS or case.data_format != "channels_last" or plain(variant, case) is None:
        return None
    arguments = {
        "features": case.out_channels,
        "kernel_size": case.kernel_size,
        "strides": case.stride,
        "padding": case.padding.upper(),
        "kernel_dilation": case.dilation,
        "feature_group_count": case.groups if _BY_GROUPS[variant] else 1,
        "use_bias": case.bias,
    }
    ones = (1,) * case.rank
    usual = {"strides": ones, "kernel_dilation": ones, "padding": "SAME", "feature_group_count": 1, "use_bias": True}
    return f"import flax.linen as nn\n\nlayer = {called('nn.Conv', arguments, usual, positional=2)}"


def _padding(case: Case, *known: str) -> str:
    named = case.padding.upper()
    return literal(named) if named in known else literal(tuple(case.pads))
