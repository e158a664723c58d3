"""The convolution by a Python loop, for what is to equal it."""

import itertools

import numpy as np


def direct_convolution(x, weights, case, groups):
    """y by one Python loop over every output element and tap, with explicit padding."""
    after = [
        max(0, (o - 1) * s + d * (k - 1) + 1 - n - p)
        for n, o, k, s, d, p in zip(
            case.size, case.output_size, case.kernel_size, case.stride, case.dilation, case.pad_before, strict=True
        )
    ]
    pads = [(0, 0), *zip(case.pad_before, after, strict=True), (0, 0)]
    padded = np.pad(x.astype(float), pads)
    y = np.zeros((case.batch_size, *case.output_size, case.out_channels))
    width_in, width_out = case.in_channels // groups, case.out_channels // groups
    for place in itertools.product(*map(range, case.output_size)):
        for tap in itertools.product(*map(range, case.kernel_size)):
            where = tuple(o * s + k * d for o, s, k, d in zip(place, case.stride, tap, case.dilation, strict=True))
            for group in range(groups):
                inputs = padded[(slice(None), *where, slice(group * width_in, (group + 1) * width_in))]
                outputs = slice(group * width_out, (group + 1) * width_out)
                y[(slice(None), *place, outputs)] += inputs @ weights["kernel"][tap][:, outputs]
    return y + weights.get("bias", 0)
