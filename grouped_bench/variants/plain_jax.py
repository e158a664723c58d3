"""A convolution in plain JAX and in Flax, to paste: what XLA makes of it is the program of Keras' layer on JAX."""

from grouped_bench.backends.code import called, literal
from grouped_bench.space.case import MIXED_PREFIX, Case
from grouped_bench.variants.layers.split_concat import SplitConcat

# Whether these, which are one call, are grouped.
_BY_GROUPS = {"regular": False, "grouped": True, "grouped_native": True}


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
    axis = -1 if case.data_format == "channels_last" else 1
    imports = ["import jax", *(["import jax.numpy as jnp"] if is_split else [])]
    names = ("x", "kernel", *(("bias",) if case.bias else ()))
    shapes = (case.input_shape, case.kernel_shape(groups), (case.out_channels,))
    told = ", ".join(f"{name} {literal(shape)}" for name, shape in zip(names, shapes, strict=False))
    if is_split:
        body = [
            f"parts = jnp.split(x, {groups}, axis={axis})",
            f"kernels = jnp.split(kernel, {groups}, axis=-1)",
            "outputs = [",
            *_indented(_convolution(case, 1, "part"), 4),
            "    for part, kernel in zip(parts, kernels, strict=True)",
            "]",
        ]
        result = f"jnp.concatenate(outputs, axis={axis})"
        body += [f"outputs = {result}" if case.bias else f"return {result}"]
    else:
        first, *rest = _convolution(case, groups, "x")
        body = [f"{'outputs =' if case.bias else 'return'} {first}", *rest]
    if case.bias:
        body.append(f"return outputs + {_bias(case)}")
    return "\n".join(
        [*imports, "", "", f"def convolution({', '.join(names)}):", *_indented([f'"""{told}."""', *body], 4)]
    )


def _convolution(case: Case, groups: int, inputs: str) -> list[str]:
    """The call, a line an argument."""
    spatial = "DHW"[3 - case.rank :]
    layout = f"N{spatial}C" if case.data_format == "channels_last" else f"NC{spatial}"
    arguments = {
        "window_strides": case.stride,
        "padding": tuple(case.pads) if case.padding == "causal" else case.padding.upper(),
        "rhs_dilation": case.dilation,
        "dimension_numbers": (layout, f"{spatial}IO", layout),
        **({"feature_group_count": groups} if groups > 1 else {}),
    }
    named = [f"{name}={literal(value)}," for name, value in arguments.items()]
    return ["jax.lax.conv_general_dilated(", *_indented([f"{inputs},", "kernel,", *named], 4), ")"]


def _bias(case: Case) -> str:
    return "bias" if case.data_format == "channels_last" else f"bias.reshape({literal((-1, *(1,) * case.rank))})"


def _indented(lines: list[str], columns: int) -> list[str]:
    return [" " * columns + line for line in lines]


def flax_layer(variant: str, case: Case) -> str | None:
    """The same as a layer of Flax, in float32; None with channels first, or by other than one operation.

    Args:
        variant, case: as `plain` takes them.
    """
    is_known = variant in _BY_GROUPS and case.data_format == "channels_last" and case.dtype == "float32"
    if not is_known or plain(variant, case) is None:
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
