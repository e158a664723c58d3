"""Convolutions of the parts of a tensor that are concatenated again, as one convolution with groups.

People wrote grouped convolutions so before Keras had `groups=`. In a Functional model the parts are outputs of
`keras.ops.split` or slices of the channels; each goes through a convolution of its own, and the outputs are joined.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from grouped_bench.backends.code import define
from grouped_bench.variants.models.built_in import is_of_layers, uncompiled_clone
from grouped_bench.variants.models.replacing import define_traits

# Of several channels each alone: of these no value depends on another channel, so the groups may be computed as one.
_ELEMENTWISE = {
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "sigmoid", "hard_sigmoid"),
    *("hard_silu", "tanh", "softplus", "softsign", "mish", "exponential"),
}


@dataclasses.dataclass(frozen=True)
class Fold:
    """What is one convolution with groups.

    Args:
        convolutions: of the parts, in the order of their channels.
        join: the operation whose output is that of the whole.
        parts: the operations that make the parts.
    """

    convolutions: tuple[Any, ...]
    join: Any
    parts: tuple[Any, ...]

    @property
    def name(self) -> str:
        """Of the one layer: that of the first convolution."""
        return str(self.convolutions[0].name)


def folds(model: Any) -> list[Fold]:
    """What may be folded in a Functional model, and in the models within it."""
    found = []
    for one in _models(model):
        nodes = [node for level in one._nodes_by_depth.values() for node in level]
        graph = _Graph.of(one, nodes)
        found += [fold for fold in map(graph.fold, nodes) if fold is not None]
    return found


def folded(model: Any, names: Collection[str] | None = None) -> Any:
    """A copy of a Functional or Sequential model, its weights included, with its folds as Keras' grouped convolutions.

    Args:
        model: which is not changed.
        names: of the folds to make; all unless given.
    """
    import keras

    chosen = [one for one in folds(model) if names is None or one.name in names]
    roles = {id(one): _through for fold in chosen for one in (*fold.parts, *fold.convolutions)}
    roles |= {id(fold.parts[0]): _split(len(fold.convolutions)) for fold in chosen if len(fold.parts) == 1}
    joins = {id(fold.join): fold for fold in chosen}
    copied: list[tuple[Sequence[Any], Any]] = []

    def clone(layer: Any) -> Any:
        if id(layer) in roles:
            return roles[id(layer)]
        if id(layer) in joins:
            made = _grouped(joins[id(layer)])
            copied.append((joins[id(layer)].convolutions, made))
            return lambda tensors, *_, **__: made(tensors[0])
        if is_of_layers(layer):
            return uncompiled_clone(layer, clone)
        made = type(layer).from_config(layer.get_config())
        if isinstance(layer, keras.layers.Layer):  # and no bare operation
            copied.append(([layer], made))
        return made

    new = uncompiled_clone(model, clone)
    for sources, target in copied:
        target.set_weights(_joined([one.get_weights() for one in sources]))
        if isinstance(target, keras.layers.Normalization):
            target.finalize_state()
    return new


def give_back(copy: Any, original: Any) -> None:
    """Give the weights of a copy that `folded` made of `original` to it."""
    by_name = {layer.name: layer for layer in _leaves(copy)}
    parts = {id(one): (fold, place) for fold in folds(original) for place, one in enumerate(fold.convolutions)}
    for layer in (one for one in _leaves(original) if one.weights):
        fold, place = parts.get(id(layer), (None, 0))
        count = len(fold.convolutions) if fold else 1
        if fold is not None and by_name[fold.name].groups == count:
            weights = [np.split(one, count, axis=-1)[place] for one in by_name[fold.name].get_weights()]
        else:
            weights = by_name[layer.name].get_weights()
        layer.set_weights(weights)


@dataclasses.dataclass(frozen=True)
class _Graph:
    """Who makes and who takes each tensor of a model, by their ids; and how often each operation is called."""

    made_by: dict[int, Any]
    taken: Counter[int]
    calls: Counter[int]

    @classmethod
    def of(cls, model: Any, nodes: Sequence[Any]) -> "_Graph":
        taken = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
        taken.update(id(tensor) for tensor in model.outputs)
        made_by = {id(tensor): node for node in nodes for tensor in node.outputs}
        return cls(made_by, taken, Counter(id(node.operation) for node in nodes))

    def fold(self, join: Any) -> Fold | None:
        """The fold that ends in a node; None where none does."""
        if type(join.operation).__name__ != "Concatenate" or len(join.input_tensors) < 2:
            return None
        nodes = [self._convolution(tensor) for tensor in join.input_tensors]
        if None in nodes or not _are_alike([node.operation for node in nodes]):
            return None
        first = nodes[0].operation
        axis = 1 if first.data_format == "channels_first" else first.rank + 1
        if join.operation.axis not in (axis, axis - first.rank - 2) or self.calls[id(join.operation)] > 1:
            return None
        parts = self._parts([node.input_tensors[0] for node in nodes], axis)
        return Fold(tuple(node.operation for node in nodes), join.operation, parts) if parts else None

    def _convolution(self, tensor: Any) -> Any:
        """The node of a convolution that makes a tensor for nobody else; None for anything else."""
        import keras

        kinds = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
        node = self.made_by.get(id(tensor))
        if node is None or type(node.operation) not in kinds or self.taken[id(tensor)] > 1:
            return None
        one = node.operation
        is_known = define((define_traits,))(one) is not None and self.calls[id(one)] == 1 and one.groups == 1
        return node if is_known and keras.activations.serialize(one.activation) in _ELEMENTWISE else None

    def _parts(self, tensors: Sequence[Any], axis: int) -> tuple[Any, ...]:
        """The operations that split one tensor into these, equal parts in their order; none where they are not."""
        nodes = [self.made_by.get(id(tensor)) for tensor in tensors]
        known = [node for node in nodes if node is not None and all(self.taken[id(one)] == 1 for one in node.outputs)]
        if len(known) < len(tensors):
            return ()
        source, count, rank = known[0].input_tensors[0], len(tensors), len(tensors[0].shape)
        if all(node is known[0] for node in known):
            one = known[0].operation
            is_split = type(one).__name__ == "Split" and one.axis in (axis, axis - rank)
            is_whole = is_split and one.indices_or_sections == count and list(known[0].outputs) == list(tensors)
            return (one,) if is_whole else ()
        width = source.shape[axis] // count if source.shape[axis] else 0
        wanted = [(place * width, (place + 1) * width) for place in range(count)]
        is_sliced = all(
            type(node.operation).__name__ == "GetItem" and node.input_tensors[0] is source for node in known
        )
        ends = [_slice(node.arguments.args[1], axis, rank, source.shape[axis]) for node in known] if is_sliced else []
        return tuple(node.operation for node in known) if ends == wanted else ()


def _slice(key: Any, axis: int, rank: int, size: int) -> tuple[int, int] | None:
    """The channels that an index takes of all examples and positions; None where it takes anything else."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        keys[place : place + 1] = [slice(None)] * (rank - len(keys) + 1)
    keys += [slice(None)] * (rank - len(keys))
    others = [one for place, one in enumerate(keys) if place != axis]
    taken = keys[axis] if len(keys) == rank else None
    if not isinstance(taken, slice) or any(one != slice(None) for one in others):
        return None
    start, stop, step = taken.indices(size)
    return (start, stop) if step == 1 else None


def _are_alike(layers: Sequence[Any]) -> bool:
    configs = [{name: value for name, value in one.get_config().items() if name != "name"} for one in layers]
    return len({one.kernel.shape for one in layers}) == 1 and all(one == configs[0] for one in configs)


def _grouped(fold: Fold) -> Any:
    first, count = fold.convolutions[0], len(fold.convolutions)
    return type(first).from_config({**first.get_config(), "filters": first.filters * count, "groups": count})


def _joined(weights: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Kernels and biases of the parts as those of the one convolution."""
    return [np.concatenate(some, axis=-1) if len(some) > 1 else some[0] for some in zip(*weights, strict=True)]


def _split(count: int) -> Callable[..., list[Any]]:
    """In the place of a split: the tensor itself as each part."""
    return lambda tensor, *_, **__: [tensor] * count


def _through(tensor: Any, *_: Any, **__: Any) -> Any:
    """In the place of what is folded: the tensor itself."""
    return tensor


def _models(model: Any) -> list[Any]:
    """A model, if its layers are a graph, and all such models in it."""
    inner = [one for layer in getattr(model, "layers", ()) if is_of_layers(layer) for one in _models(layer)]
    return [*([model] if hasattr(model, "_nodes_by_depth") else []), *inner]


def _leaves(model: Any) -> list[Any]:
    """The layers of a model, those of models in it in their place."""
    return [one for layer in model.layers for one in (_leaves(layer) if is_of_layers(layer) else [layer])]
