"""TensorFlow: graph, XLA and eager execution of Keras layers and of its native convolution."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from grouped_bench.backends.base import Backend, Device, Step, Tensor
from grouped_bench.space.case import Case


class TensorFlow(Backend):
    """Keras on TensorFlow; `execution` says what compiles the step: `tf.function`, XLA, or nothing."""

    name = "tensorflow"
    module = "tensorflow"
    executions = ("graph", "xla", "eager")
    variables: ClassVar[dict[str, str]] = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}

    def load(self) -> None:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

    def devices(self) -> list[Device]:
        import tensorflow as tf

        found = []
        for device in tf.config.list_physical_devices():
            kind, index = device.name.rsplit(":", 2)[-2:]
            if kind in ("CPU", "GPU"):
                details = tf.config.experimental.get_device_details(device) if kind == "GPU" else {}
                found.append(Device(f"{kind.lower()}:{index}", details.get("device_name", "")))
        return found

    def facts(self) -> dict[str, Any]:
        import keras
        import tensorflow as tf

        return {
            "keras": keras.version(),
            "onednn": _onednn(),
            "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        }

    def on(self, device: str) -> AbstractContextManager[Any]:
        import tensorflow as tf

        context: AbstractContextManager[Any] = tf.device(_device(device))
        return context

    def array(self, values: np.ndarray, dtype: str) -> Tensor:
        import tensorflow as tf

        # convert_to_tensor borrows NumPy's memory where its alignment allows, and the allocator never sees it.
        return tf.raw_ops.DeepCopy(x=tf.cast(tf.convert_to_tensor(values), dtype))

    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        import tensorflow as tf

        values: np.ndarray = tf.cast(tensor, tf.float64).numpy()
        return values

    def convolution(self, inputs: Tensor, kernel: Tensor, case: Case) -> Tensor:
        import tensorflow as tf

        padding = case.padding.upper()
        if case.padding == "causal":
            before = case.dilation[0] * (case.kernel_size[0] - 1)
            pads = [[0, 0], [0, 0], [0, 0]]
            pads[1 if case.data_format == "channels_last" else 2][0] = before
            inputs, padding = tf.pad(inputs, pads), "VALID"
        return tf.nn.convolution(
            inputs,
            kernel,
            strides=case.stride,
            padding=padding,
            dilations=case.dilation,
            data_format=_layout(case),
        )

    def step(self, layer: Any, inputs: Tensor, upstream: Tensor | None, execution: str) -> Step:
        import tensorflow as tf

        variables = [variable.value for variable in layer.trainable_variables]

        def inference(x: Tensor) -> tuple[Tensor, ...]:
            return (layer(x),)

        def training(x: Tensor, dy: Tensor) -> tuple[Tensor, ...]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            return (y, *tape.gradient(y, [x, *variables], output_gradients=dy))

        function, arguments = (inference, (inputs,)) if upstream is None else (training, (inputs, upstream))
        if execution != "eager":
            function = tf.function(function, autograph=False, jit_compile=execution == "xla")
        return lambda: function(*arguments)

    def synchroniser(self, device: str) -> Callable[[], None]:
        import tensorflow as tf

        if device.startswith("cpu"):
            # Calls on the CPU return when they are done, unless someone has made them asynchronous; sync_devices
            # would add 26 µs to each sample.
            tf.config.experimental.set_synchronous_execution(True)
            return _nothing
        wait: Callable[[], None] = tf.test.experimental.sync_devices
        return wait

    def reserve(self, size: int) -> None:
        import tensorflow as tf

        # The block is not touched, so it costs address space only.
        tf.raw_ops.Empty(shape=[size // 4], dtype=tf.float32, init=False)

    def peak_memory(self, step: Step, device: str) -> int | None:
        import tensorflow as tf

        name = _device(device).removeprefix("/")
        try:
            tf.config.experimental.reset_memory_stats(name)
        except ValueError:
            return None  # the allocator keeps no statistics, as without oneDNN
        outputs = step()
        self.synchroniser(device)()
        peak = int(tf.config.experimental.get_memory_info(name)["peak"])
        del outputs
        return peak or None

    @property
    def smallest_counted_block(self) -> int:
        return 256 * 1024

    def status_of(self, error: Exception) -> str:
        import tensorflow as tf

        if isinstance(error, (tf.errors.ResourceExhaustedError, MemoryError)):
            return "oom"
        refusals = (
            tf.errors.UnimplementedError,
            tf.errors.InvalidArgumentError,
            NotImplementedError,
            ValueError,
        )
        return "unsupported" if isinstance(error, refusals) else "error"


def _nothing() -> None:
    """All is done."""


def _device(device: str) -> str:
    kind, _, index = device.partition(":")
    return f"/{kind.upper()}:{index or 0}"


def _layout(case: Case) -> str:
    spatial = "DHW"[3 - case.rank :]
    return f"N{spatial}C" if case.data_format == "channels_last" else f"NC{spatial}"


def _onednn() -> bool:
    # No public function says whether oneDNN is on; this is the one that TensorFlow's own tests ask.
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())


BACKEND = TensorFlow()
