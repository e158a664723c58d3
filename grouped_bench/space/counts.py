"""Parameters, multiply-accumulates and minimum bytes of a convolution, counted from its shape alone.

Rules: a MAC is one multiplication with its addition, FLOPs are twice that; positions that read padding count;
a bias counts as parameters and bytes, never as MACs. Training is the forward pass and both gradients, each as
many MACs as the forward pass. Minimum bytes: every tensor of the pass read or written once, in its own dtype; of a
block its input, its output and its weights, since what lies between need never leave the processor.
"""

import dataclasses
import math

from grouped_bench.space.case import DTYPE_BYTES, Case


@dataclasses.dataclass(frozen=True)
class Counts:
    """Analytic costs: `params` of the convolutions, `params_total` with normalisation, `macs` of the whole batch."""

    params: int
    params_total: int
    macs: int
    min_bytes: int


def convolution_counts(case: Case, groups: int) -> Counts:
    """Counts of `case` computed with `groups` groups (1 for the dense function)."""
    weights = math.prod(case.kernel_shape(groups)) + case.bias * case.out_channels
    forward = math.prod(case.output_shape) * math.prod(case.kernel_size) * (case.in_channels // groups)
    return pass_counts(case, weights, weights, forward)


def block_counts(case: Case, groups: int) -> Counts:
    """Counts of the block `case` whose middle convolution has `groups` groups (1 for the dense function).

    The convolutions are the block's work; each of its three batch normalisations has four parameters a channel, the
    moving statistics included.
    """
    inner, outer = case.inner_channels, case.in_channels
    weights = inner * (2 * outer + math.prod(case.kernel_size) * inner // groups)
    normalisations = _NORMALISATION_PARAMS * (2 * inner + outer)
    return pass_counts(case, weights, weights + normalisations, case.batch_size * math.prod(case.size) * weights)


_NORMALISATION_PARAMS = 4


def pass_counts(case: Case, params: int, params_total: int, forward: int) -> Counts:
    """Counts of the case's pass; training has three times the multiply-accumulates of the forward pass.

    Args:
        case: its shapes, dtypes and pass.
        params: parameters of the convolutions.
        params_total: parameters with normalisation.
        forward: multiply-accumulates of one forward pass, whole batch.
    """
    activations = math.prod(case.input_shape) + math.prod(case.output_shape)
    once = activations * DTYPE_BYTES[case.compute_dtype] + params_total * DTYPE_BYTES[case.variable_dtype]
    training = case.pass_ == "training"
    return Counts(
        params=params,
        params_total=params_total,
        macs=forward * (3 if training else 1),
        min_bytes=once * (2 if training else 1),
    )
