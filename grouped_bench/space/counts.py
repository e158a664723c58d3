"""Parameters, multiply-accumulates and minimum bytes of a convolution, counted from its shape alone.

Rules: a MAC is one multiplication with its addition, FLOPs are twice that; positions that read padding count;
a bias counts as parameters and bytes, never as MACs. Training is the forward pass and both gradients, each as
many MACs as the forward pass. Minimum bytes: every tensor of the pass read or written once, in its own dtype.
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
    activations = math.prod(case.input_shape) + math.prod(case.output_shape)
    once = activations * DTYPE_BYTES[case.compute_dtype] + weights * DTYPE_BYTES[case.variable_dtype]
    training = case.pass_ == "training"
    return Counts(
        params=weights,
        params_total=weights,
        macs=forward * (3 if training else 1),
        min_bytes=once * (2 if training else 1),
    )
