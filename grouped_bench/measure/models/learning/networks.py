"""A network of `space.learning` as a Keras model, whose layers any variant of the same function carries.

Every carrier of a layer begins with the same numbers: reference weights are drawn, and the variant converts them. So
what a network learns does not depend on who computes it, but for rounding.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from grouped_bench import variants
from grouped_bench.backends.base import Backend
from grouped_bench.space.case import Case
from grouped_bench.space.choices import DEPTHWISE, MERGED, NATIVE, is_worth_a_trial
from grouped_bench.space.learning import Network, NetworkPart
from grouped_bench.variants.base import Variant
from grouped_bench.variants.reference.convolution import Weights

# Moving statistics follow the last dozens of steps: a training here has hundreds, not Keras' tens of thousands.
_MOMENTUM = 0.9
# What every machine trains comes first: it holds where nothing was timed.
_GROUPED = (MERGED, NATIVE, DEPTHWISE, "split_concat", "batched_matmul")
_BLOCKS = ("resnext_concat", "resnext_native", "resnext_grouped")


def candidates(part: NetworkPart, case: Case) -> tuple[str, ...]:
    """Variants that may compute a part, all of the same function; none where Keras' own layer does."""
    if part.kind == "shuffle" or (part.kind == "convolution" and case.groups == 1):
        return ()
    if part.kind == "block":
        if part.form:
            return (part.form,)
        return _BLOCKS if part.groups > 1 else ("bottleneck",)
    return tuple(name for name in _GROUPED if is_worth_a_trial(name, case))


def carrier_key(part: NetworkPart, case: Case) -> str:
    """What tells the cases of a study apart for the choice of a carrier."""
    return " ".join([*([part.form] if part.form else []), case.title()])


class Trainee:
    """A network as a Keras model, which returns the scores of each class and may begin again from other weights.

    Args:
        network: its parts.
        shape: of an example, channels last.
        classes: how many scores.
        batch_size: of the steps that carriers are chosen for.
        backend: loaded.
        carriers: of each case, by `carrier_key`, a variant and its own choice; the first candidate unless given.
    """

    def __init__(
        self,
        network: Network,
        shape: tuple[int, ...],
        classes: int,
        batch_size: int,
        backend: Backend,
        carriers: Mapping[str, tuple[str, str | None]],
    ) -> None:
        import keras

        self._carried: list[tuple[Any, Variant, Case]] = []
        inputs = keras.Input(shape)
        outputs, channels = inputs, shape[-1]
        for number, (part, case) in enumerate(network.stages(shape, batch_size)):
            outputs = self._part(part, case, backend, carriers, number)(outputs)
            if part.kind == "convolution":
                outputs = keras.layers.BatchNormalization(momentum=_MOMENTUM)(outputs)
                outputs = keras.layers.ReLU(name=_response_name(number))(outputs)
            channels = case.out_channels
        pooled = keras.ops.mean(outputs, axis=tuple(range(1, len(shape))))
        self._scores, self._fan = keras.layers.Dense(classes), (channels, classes)
        self.model = keras.Model(inputs, self._scores(pooled))

    def begin(self, seed: int) -> None:
        """Take weights that are drawn from `seed`, and statistics of nothing."""
        rng = np.random.default_rng(seed)
        for layer, variant, case in self._carried:
            weights = variant.to_layer(_weights(variant.function(case).shapes(), rng), case)
            for variable, values in zip(layer.trainable_variables, weights, strict=True):
                variable.assign(values)
        kernel = _he(rng, self._fan, self._fan[0]) / math.sqrt(2)
        self._scores.set_weights([kernel, np.zeros(self._fan[1])])
        for one in _normalisations(self.model):
            one.moving_mean.assign(np.zeros(one.moving_mean.shape))
            one.moving_variance.assign(np.ones(one.moving_variance.shape))
        carried = {id(one) for layer, _, _ in self._carried for one in _normalisations(layer)}
        for one in _normalisations(self.model):
            if id(one) not in carried:
                one.gamma.assign(np.ones(one.gamma.shape))
                one.beta.assign(np.zeros(one.beta.shape))

    def _part(
        self,
        part: NetworkPart,
        case: Case,
        backend: Backend,
        carriers: Mapping[str, tuple[str, str | None]],
        number: int,
    ) -> Any:
        """A built layer, or the function of a shuffle."""
        if part.kind == "shuffle":
            return _shuffle(part.groups)
        names = candidates(part, case)
        name, choice = carriers.get(carrier_key(part, case)) or ((names or ("regular",))[0], None)
        variant = variants.get(name).with_choice(choice)
        layer = variant.layer(case, backend)
        if part.kind == "block":
            layer.name = _response_name(number)
        layer.build((None, *case.input_shape[1:]))
        for one in _normalisations(layer):
            one.momentum = _MOMENTUM
        self._carried.append((layer, variant, case))
        return layer


def response_layers(model: Any) -> list[Any]:
    """Layers whose outputs are the responses of the filters, in the order of the network."""
    return [layer for layer in model.layers if layer.name.startswith("response_")]


def _response_name(number: int) -> str:
    return f"response_{number}"


def _normalisations(layer: Any) -> Iterator[Any]:
    import keras

    for one in layer._flatten_layers():
        if isinstance(one, keras.layers.BatchNormalization):
            yield one


def _weights(shapes: Mapping[str, tuple[int, ...]], rng: np.random.Generator) -> Weights:
    """Kernels of He et al. (arXiv 1502.01852), scales of 1 and offsets of 0, in the order of the function."""
    found: Weights = {}
    for name, shape in shapes.items():
        if name.endswith("scale"):
            found[name] = np.ones(shape, np.float32)
        elif name.endswith("offset"):
            found[name] = np.zeros(shape, np.float32)
        else:
            found[name] = _he(rng, shape, math.prod(shape[:-1]))
    return found


def _he(rng: np.random.Generator, shape: tuple[int, ...], inputs: int) -> np.ndarray:
    return (rng.standard_normal(shape) * math.sqrt(2 / inputs)).astype(np.float32)


def _shuffle(groups: int) -> Any:
    """The channel shuffle of ShuffleNet (arXiv 1707.01083): the next layer's groups see channels of all of these."""
    import keras

    def shuffled(values: Any) -> Any:
        *outer, channels = values.shape
        shape = (-1, *outer[1:])
        parts = keras.ops.reshape(values, (*shape, groups, channels // groups))
        swapped = keras.ops.swapaxes(parts, -1, -2)
        return keras.ops.reshape(swapped, (*shape, channels))

    return shuffled


@dataclasses.dataclass(frozen=True)
class Moments:
    """Sums over positions of test data of the responses of two adjacent layers.

    Attributes:
        count: positions.
        means: of both, (c₁,) and (c₂,).
        covariances: of the first, of the second, and of the first with the second.
    """

    count: int
    means: tuple[np.ndarray, np.ndarray]
    covariances: tuple[np.ndarray, np.ndarray, np.ndarray]


def moments(first: np.ndarray, second: np.ndarray) -> Moments:
    """Of responses (n, *size, channels); the smaller map is repeated to the size of the larger (nearest neighbour)."""
    size = tuple(max(sides) for sides in zip(first.shape[1:-1], second.shape[1:-1], strict=True))
    x, y = (_upsampled(one, size).reshape(-1, one.shape[-1]).astype(np.float64) for one in (first, second))
    means = x.mean(axis=0), y.mean(axis=0)
    x, y = x - means[0], y - means[1]
    return Moments(len(x), means, (x.T @ x / len(x), y.T @ y / len(y), x.T @ y / len(x)))


def _upsampled(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    for axis, (have, want) in enumerate(zip(values.shape[1:-1], size, strict=True), 1):
        if have != want:
            places = np.minimum(np.arange(want) * have // want, have - 1)
            values = np.take(values, places, axis=axis)
    return values
