"""A user's own network as a space; behind `grouped-bench run --model`."""

from collections.abc import Sequence
from typing import Any

from grouped_bench.space.space import Space


def network(model: Any, input_shape: str | Sequence[int] | None = None, *, backend: str = "tensorflow") -> Space:
    """The distinct convolutions of a network as a space, each with how often one pass makes it.

    Args:
        model: path of a .keras, .h5, .onnx or .pt2 file; `keras.applications:NAME`, `timm:NAME` or `torchvision:NAME`,
            which are built without their weights; `MODULE:FUNCTION` that returns a model; or a model in memory, a
            `keras.Model` or a `torch.nn.Module`.
        input_shape: extents of an example as the network takes them: `224,224,3` for Keras, `3,224,224` for PyTorch and
            ONNX; the network's own unless given.
        backend: which of Keras' backends reads a network of Keras, in a process of its own.

    Raises:
        SpaceError: not a model that can be read, or one without a convolution.
        HostError: Keras does not start.
    """
    from grouped_bench.harness.inspect.networks import read_network

    return read_network(model, input_shape, backend=backend)
