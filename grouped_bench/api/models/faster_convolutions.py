"""Keras' own grouped convolutions by the fastest forms, while a block lasts."""

import contextlib
import contextvars
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

from grouped_bench.errors import UnavailableError
from grouped_bench.layers.grouped import form_of

_IS_OPEN: contextvars.ContextVar[bool] = contextvars.ContextVar("faster_convolutions", default=False)
_KEPT = "_faster_convolution"


class _Patch:
    """Methods `call` of Keras' layers, in place while any block of any thread lasts."""

    def __init__(self) -> None:
        self._lock, self._blocks = threading.Lock(), 0
        self._own: dict[Any, Callable[..., Any] | None] = {}

    def begin(self, kinds: tuple[Any, ...]) -> None:
        """A block begins."""
        with self._lock:
            self._blocks += 1
            if self._blocks == 1:
                for kind in kinds:
                    self._own[kind] = vars(kind).get("call")  # None where it is inherited
                    kind.call = _by_form(kind.call, kind)

    def end(self) -> None:
        """A block ends; with the last one everything is as it was."""
        with self._lock:
            self._blocks -= 1
            for kind, own in self._own.items() if not self._blocks else ():
                if own is None:
                    del kind.call
                else:
                    kind.call = own


_PATCH = _Patch()


@contextlib.contextmanager
def faster_convolutions() -> Iterator[None]:
    """Have Keras' Conv1D, Conv2D and Conv3D layers with groups compute by the form that is fastest here.

    For models that cannot be rebuilt: nothing of them changes, and their weights neither. What is traced or compiled in
    the block keeps the form after it, and what was traced before keeps Keras' own: compile such a model again. Other
    threads are not concerned. The form is chosen as `grouped_bench.layers` does with `auto`.

    Raises:
        UnavailableError: the installed Keras computes its convolutions in another way than is known.
    """
    import keras

    kinds = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
    _refuse_others(kinds)
    _PATCH.begin(kinds)
    token = _IS_OPEN.set(True)
    try:
        yield
    finally:
        try:
            _IS_OPEN.reset(token)
        finally:
            _PATCH.end()


def _refuse_others(kinds: tuple[Any, ...]) -> None:
    """Refuse a Keras whose layers are not called with their input alone, or that name their weights otherwise."""
    for kind in kinds:
        names = list(inspect.signature(kind.call).parameters)
        if names != ["self", "inputs"] or not hasattr(kind, "kernel"):
            import keras

            raise UnavailableError(
                "Keras must compute a convolution in `call(inputs)` from `kernel`",
                received=f"Keras {keras.version()}",
                remedy="Use grouped_bench.layers instead",
            )


def _by_form(own: Callable[..., Any], kind: Any) -> Callable[..., Any]:
    """`call` of a layer: by its form in a block, else its own."""

    def call(self: Any, inputs: Any) -> Any:
        if not _IS_OPEN.get() or self.groups == 1 or type(self) is not kind:
            return own(self, inputs)
        import keras

        kept = vars(self)  # past Keras, which takes what is set for a part of the layer
        if _KEPT not in kept:
            _, kept[_KEPT] = form_of(self, tuple(inputs.shape), kind)
        if kept[_KEPT] is None:
            return own(self, inputs)
        outputs = kept[_KEPT](inputs, keras.ops.cast(self.kernel, self.compute_dtype))
        if self.use_bias:
            shape = [1] * (self.rank + 2)
            shape[1 if self.data_format == "channels_first" else -1] = self.filters
            outputs = outputs + keras.ops.reshape(keras.ops.cast(self.bias, self.compute_dtype), shape)
        return self.activation(outputs)

    return call
