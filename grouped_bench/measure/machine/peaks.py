"""The machine's peaks as a backend reaches them: arithmetic of a matrix product, bandwidth of a long stream."""

import math
from typing import Any

import numpy as np

from grouped_bench.backends.base import Backend, Step, Tensor, empty_layer, product_layer, stream_layer
from grouped_bench.measure import cold, memory, rounds
from grouped_bench.space.case import DTYPE_BYTES
from grouped_bench.space.facts import Json

# Rows and columns of the products, until the next one would not fit: the largest is not the fastest everywhere.
_SIZES = (256, 512, 1024, 2048, 4096, 8192)
_GROWTH = 8
_SHARE = 0.25
_PRODUCTS_S, _STREAM_S, _EMPTY_S = 0.4, 0.15, 0.01
_MOST_CALLS = 20
# XLA asks for blocks with room to align them, and finds pages that are mapped after some calls only.
_LEAST_CALLS = 9
_ROW = 4096
# What lies between the layer's call and the device is nothing beside a stream of this size.
_LEAST_STREAM_BYTES, _MOST_STREAM_BYTES = 64 * 2**20, 256 * 2**20


def peaks(backend: Backend, device: str, dtype: str) -> Json:
    """Floating-point operations and bytes a second, and `call_s`, the seconds of a call that computes nothing.

    Each is the best of some calls, with the variants' own threads.

    Args:
        backend: whose steps compute them.
        device: where.
        dtype: of the operands.
    """
    memory.keep_pages()  # or the stream would measure how fast the system maps pages
    with backend.on(device):
        measured = _Measured(backend, device, dtype)
        rates = {"flops_per_s": measured.products(), "bytes_per_s": measured.stream()}
        return {**rates, "call_s": measured.empty_call()}


class _Measured:
    """Steps of Keras' own layers, compiled as the backend compiles them first, and their best seconds."""

    def __init__(self, backend: Backend, device: str, dtype: str) -> None:
        self._backend, self._device, self._dtype = backend, device, dtype
        self._synchronise = backend.synchroniser(device)

    def products(self) -> float:
        left, best, found = _PRODUCTS_S, 0.0, 0.0
        for size in _SIZES:
            if 1.5 * _GROWTH * best > left:
                break
            layer = product_layer(size, self._dtype)
            layer.kernel.assign(self._array((size, size)))
            best, spent = self._best(self._step(layer, (size, size)), _SHARE * left)
            left -= spent
            found = max(found, 2 * size**3 / best)
        return found

    def stream(self) -> float:
        size = min(max(cold.rotation_bytes(self._device), _LEAST_STREAM_BYTES), _MOST_STREAM_BYTES)
        step = self._step(stream_layer(self._dtype), (size // _ROW // DTYPE_BYTES[self._dtype], _ROW))
        return 2 * size / self._best(step, _STREAM_S, least=_LEAST_CALLS)[0]

    def empty_call(self) -> float:
        """Seconds of a call that computes nothing."""
        step = self._step(empty_layer(self._dtype), (1, 1))
        return self._best(step, _EMPTY_S, least=_MOST_CALLS)[0]

    def _step(self, layer: Any, shape: tuple[int, int]) -> Step:
        return self._backend.step(layer, self._array(shape), None, self._backend.executions[0])

    def _array(self, shape: tuple[int, int]) -> Tensor:
        """Of one row of random numbers, again and again: a device draws less power where all numbers are alike."""
        row = np.random.default_rng(0).standard_normal(shape[1], dtype=np.float32)
        return self._backend.array(np.broadcast_to(row, shape), self._dtype)

    def _best(self, step: Step, seconds: float, least: int = 1) -> tuple[float, float]:
        """Seconds of the fastest of as many calls as fit into `seconds`, and those of all; the first does not count."""
        rounds.time_sample(step, self._synchronise, 1)
        made = [rounds.time_sample(step, self._synchronise, 1)]
        while len(made) < least or (len(made) < _MOST_CALLS and math.fsum(made) + min(made) < seconds):
            made.append(rounds.time_sample(step, self._synchronise, 1))
        return min(made), math.fsum(made)
