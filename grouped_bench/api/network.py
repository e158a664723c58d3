"""A user's own network as a space; behind `grouped-bench run --model`."""

from collections.abc import Sequence
from typing import Any

from grouped_bench.space.space import Space


def network(model: Any, input_shape: str | Sequence[int] | None = None, *, backend: str = "tensorflow") -> Space:
    """The distinct convolutions of a Keras model as a space, each with how often the model makes it.

    Args:
        model: path of a .keras file, `keras.applications:NAME`, which is built without its weights, or a `keras.Model`.
        input_shape: extents of an example, such as `224,224,3`; the model's own unless given.
        backend: which of Keras' backends reads it, in a process of its own.

    Raises:
        SpaceError: not a model that can be read, or one without a convolution.
        HostError: Keras does not start.
    """
    from grouped_bench.harness.inspect.networks import read_network

    return read_network(model, input_shape, backend=backend)
