"""Keras layers that choose how to compute a grouped convolution: `GroupedConv1D`, `GroupedConv2D`, `GroupedConv3D`.

Each takes the place of `keras.layers.Conv1D`, `Conv2D` or `Conv3D`: the same arguments, weights and checkpoints, and
`implementation`, which is `auto` or the name of a variant that keeps the weights. Keras is imported with the first.
"""

import functools
from typing import Any

_RANKS = {f"GroupedConv{rank}D": rank for rank in (1, 2, 3)}
__all__ = list(_RANKS)  # names that are made when they are asked for


def __getattr__(name: str) -> Any:
    if name not in _RANKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _layer(_RANKS[name])


def __dir__() -> list[str]:
    return sorted(_RANKS)


@functools.cache
def _layer(rank: int) -> Any:
    import keras

    from grouped_bench.layers.grouped import define_grouped_conv
    from grouped_bench.variants.definitions import define_kernel_conv

    conv = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)[rank - 1]
    made = define_grouped_conv(conv, define_kernel_conv(conv))
    made.__qualname__ = f"GroupedConv{rank}D"
    return keras.saving.register_keras_serializable("grouped_bench", made.__qualname__)(made)
