"""What blocks compute: y = relu(x + F(x)) and its gradients in float64, to which every element is held.

F is a 1x1 convolution (`reduce`), one in groups (`middle`) and another 1x1 (`expand`), each followed by batch
normalisation and, but for the last, ReLU. Arrays are channels last: x and y (N, *n, ch), between them (N, *n, C·d).
"""

import dataclasses

import numpy as np

from grouped_bench.space.case import Case
from grouped_bench.variants.reference.block import Normalised, batch_statistics, convolution_gradients, convolve
from grouped_bench.variants.reference.convolution import Weights
from grouped_bench.variants.reference.functions import WholeFunction, whole_error

STAGES = ("reduce", "middle", "expand")
KINDS = ("kernel", "scale", "offset")
_SPREAD = 0.25


def stage_case(case: Case, stage: str, groups: int) -> Case:
    """The convolution of a stage of the block `case` as a case of its own, the middle one with `groups` groups."""
    ones, outer, inner = (1,) * case.rank, case.in_channels, case.inner_channels
    channels_in, channels_out = {"reduce": (outer, inner), "middle": (inner, inner), "expand": (inner, outer)}[stage]
    middle = stage == "middle"
    return dataclasses.replace(
        case,
        scope="layer",
        cardinality=None,
        width=None,
        in_channels=channels_in,
        out_channels=channels_out,
        groups=groups if middle else 1,
        kernel_size=case.kernel_size if middle else ones,
        dilation=case.dilation if middle else ones,
    )


def moving_statistics(stage: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Moving mean and variance of every channel of a stage, as if trained: fixed, and exact in every dtype."""
    rng = np.random.default_rng(STAGES.index(stage))
    return rng.integers(-4, 5, channels) / 16, rng.integers(4, 17, channels) / 8


class Block(WholeFunction):
    """The residual block whose middle convolution has `groups` groups: C for ResNeXt, 1 for the dense bottleneck."""

    def __init__(self, case: Case, groups: int) -> None:
        super().__init__(case)
        self.groups = groups

    @property
    def key(self) -> str:
        return f"block {self.groups}"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for stage in STAGES:
            made = stage_case(self.case, stage, self.groups)
            channels = (made.out_channels,)
            shapes = (made.kernel_shape(made.groups), channels, channels)
            found |= {f"{stage} {kind}": shape for kind, shape in zip(KINDS, shapes, strict=True)}
        return found

    @property
    def reduction(self) -> int:
        case = self.case
        taps = int(np.prod(case.kernel_size)) * case.inner_channels // self.groups
        positions = case.batch_size * int(np.prod(case.size)) if case.pass_ == "training" else 0
        return max(case.in_channels, case.inner_channels, taps, positions)

    def roundings(self, name: str) -> float:
        # Three convolutions, their normalisations and the sum with the input, whose errors add as their squares do;
        # and partial sums of the paths.
        return float(np.sqrt(7) + np.sqrt(self.case.cardinality or 1) / 4)

    def kinks(self, name: str) -> int:
        case = self.case
        fewest = min(case.in_channels, case.inner_channels)
        return 0 if name == "output" else case.batch_size * int(np.prod(case.size)) * fewest

    def draw(self, seed: int) -> Weights:
        """Kernels as for any function; scales about 1 and offsets about 0, as in a trained network."""
        drawn = super().draw(seed)
        return {name: _SPREAD * v + name.endswith("scale") if v.ndim == 1 else v for name, v in drawn.items()}

    def error_of(self, name: str, values: np.ndarray, exact: np.ndarray) -> float:
        """max |`values` − `exact`| / max |exact| of the output; ‖values − exact‖ / ‖exact‖ of gradients by `name`.

        Where the argument of a ReLU is within rounding of 0, a correct result may let a gradient pass that the exact
        one stops: those few elements are wholly off, and the largest of them says nothing.
        """
        return (euclidean_error if self.kinks(name) else whole_error)(values, exact)

    def exact(self, x: np.ndarray, upstream: np.ndarray | None, weights: Weights) -> dict[str, np.ndarray]:
        """Forward through the three stages, from `x` and `weights`; with `upstream`, also back through them."""
        x, weights = x.astype(np.float64), {name: values.astype(np.float64) for name, values in weights.items()}
        inputs, made = [x], []
        for stage in STAGES:
            made.append(self._normalised(stage, inputs[-1], weights))
            inputs.append(np.maximum(made[-1].values, 0))
        y = np.maximum(x + made[-1].values, 0)
        if upstream is None:
            return {"output": y}
        skipped = flowing = upstream * (y > 0)
        gradients: dict[str, np.ndarray] = {}
        for stage, before, normalised in zip(STAGES[::-1], inputs[-2::-1], made[::-1], strict=True):
            of_sums, *of_normalisation = normalised.gradients(flowing)
            case, kernel = stage_case(self.case, stage, self.groups), weights[f"{stage} kernel"]
            of_inputs, of_kernel = convolution_gradients(before, kernel, of_sums, case)
            named = zip(KINDS, (of_kernel, *of_normalisation), strict=True)
            gradients |= {f"{stage} {kind} gradient": values for kind, values in named}
            flowing = of_inputs if stage == STAGES[0] else of_inputs * (before > 0)
        return {"output": y, "input gradient": skipped + flowing, **gradients}

    def _normalised(self, stage: str, x: np.ndarray, weights: Weights) -> Normalised:
        kernel, scale, offset = (weights[f"{stage} {kind}"] for kind in KINDS)
        sums = convolve(x, kernel, stage_case(self.case, stage, self.groups))
        training = self.case.pass_ == "training"
        statistics = batch_statistics(sums) if training else moving_statistics(stage, sums.shape[-1])
        return Normalised.by(sums, statistics, scale, offset)


def euclidean_error(values: np.ndarray, exact: np.ndarray) -> float:
    """‖values − exact‖ / ‖exact‖."""
    return float(np.linalg.norm(values - exact) / (np.linalg.norm(exact) or 1.0))
