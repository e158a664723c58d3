"""TensorFlow: graph, XLA and eager execution of Keras layers and of its native convolution."""

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from grouped_bench.backends import onednn, pool
from grouped_bench.backends import tensorflow_steps as steps
from grouped_bench.backends.base import (
    XLA_THREAD,
    Backend,
    Device,
    Operands,
    Step,
    Tensor,
    copy_memory,
    nothing,
    threads_named,
    usable_processors,
)
from grouped_bench.backends.convolutions import tensorflow as convolutions
from grouped_bench.space import variables
from grouped_bench.space.facts import Json
from grouped_bench.space.variables import ONEDNN

# `name:Kind`: how a profile labels an operation.
_KIND = re.compile(r"[^:]+:(?:_MklNative|_Mkl)?(\w+)")
_THREAD_VARIABLES = {"intra": "TF_NUM_INTRAOP_THREADS", "inter": "TF_NUM_INTEROP_THREADS"}


class TensorFlow(Backend):
    """Keras on TensorFlow; `execution` says what compiles the step: `tf.function`, XLA, or nothing."""

    name = "tensorflow"
    module = "tensorflow"
    executions = ("graph", "xla", "eager")
    variables: ClassVar[dict[str, str]] = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environments: ClassVar[dict[str, tuple[str, ...]]] = {ONEDNN: ("0", "1")}
    convolution_code = (convolutions.define_convolution,)
    depthwise_code = (convolutions.define_depthwise,)
    composed_code = (convolutions.define_composed,)
    compiles_parts = True
    refuses_by_processor = True
    placement_code = (convolutions.define_placed,)

    def other_environments(self) -> list[str]:
        return [variables.described({ONEDNN: "0" if onednn.will_be_on() else "1"})]

    def load(self, threads: int | None = None, *, tf32: bool | None = None) -> None:
        import keras  # noqa: F401
        import tensorflow as tf

        if threads is not None:
            # As on a machine with that many processors: threads inside an operation and across operations, XLA's too.
            for variable in _THREAD_VARIABLES.values():
                os.environ.pop(variable, None)  # TensorFlow heeds it more than what is set here
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        if tf32 is not None:
            tf.config.experimental.enable_tensor_float_32_execution(tf32)

    def operations(self, step: Step) -> dict[str, float]:
        import tensorflow as tf

        step()
        with tempfile.TemporaryDirectory() as folder:
            tf.profiler.experimental.start(folder)
            try:
                step()
            finally:
                tf.profiler.experimental.stop()
            return _operations(next(Path(folder).rglob("*.xplane.pb"), None))

    def devices(self) -> list[Device]:
        import tensorflow as tf

        found = []
        for device in tf.config.list_physical_devices():
            kind, index = device.name.rsplit(":", 2)[-2:]
            if kind in ("CPU", "GPU"):
                details = tf.config.experimental.get_device_details(device) if kind == "GPU" else {}
                found.append(Device(f"{kind.lower()}:{index}", details.get("device_name", "")))
        return found

    def facts(self) -> Json:
        import keras
        import tensorflow as tf

        return {
            "keras": keras.version(),
            "onednn": onednn.is_on(),
            # 0: as many as there are usable processors, which is TensorFlow's own choice.
            "intra_op_threads": _asked_threads("intra") or tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op_threads": _asked_threads("inter") or tf.config.threading.get_inter_op_parallelism_threads(),
            "usable_processors": usable_processors(),
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled(),
        }

    def in_force(self, folder: Path) -> Json:
        import tensorflow as tf

        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_dump_to={folder} --xla_dump_hlo_as_text"
        with tf.device("/CPU:0"):
            square = tf.ones([8, 8])
            tf.linalg.matmul(square, square)
            tf.function(lambda x: tf.linalg.matmul(x, x), jit_compile=True)(square)
        return {
            "onednn": onednn.is_on(),
            "xla_isa": _xla_isa(folder),
            "threads": {"tensorflow": threads_named("tf_Compute"), "xla": threads_named(XLA_THREAD)},
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

    def overwrite(self, tensor: Tensor, values: np.ndarray, dtype: str) -> None:
        """Put `values`, as `dtype`, where those of `tensor` lie, which TensorFlow calls immutable."""
        target, source = _memory(tensor), _memory(self.array(values, dtype))
        copy_memory(target.ctypes.data, source.ctypes.data, target.nbytes)

    def to_numpy(self, tensor: Tensor) -> np.ndarray:
        import tensorflow as tf

        values: np.ndarray = tf.cast(tensor, tf.float64).numpy()
        return values

    def step(self, layer: Any, inputs: Tensor, upstream: Tensor | None, execution: str) -> Step:
        """`execution` graph traces `layer`, xla compiles it, eager calls it as it is, on `inputs` and `upstream`."""
        operands = Operands(steps.weights_of(layer), inputs, upstream)
        function, arguments = steps.compiled(steps.pass_of(layer, operands), execution), operands.arguments()
        return lambda: function(*arguments)

    def copies(self, operands: Operands, count: int) -> list[Operands]:
        import tensorflow as tf

        def copy(tensor: Tensor) -> Tensor:
            return tf.raw_ops.DeepCopy(x=tensor)

        return [
            Operands(
                tuple(tf.Variable(copy(weight)) for weight in operands.weights),
                copy(operands.inputs),
                None if operands.upstream is None else copy(operands.upstream),
            )
            for _ in range(count)
        ]

    def copied_steps(self, layer: Any, copies: Sequence[Operands], execution: str) -> list[Step]:
        """In `execution` eager, Keras takes a copy's weights for those of `layer`; else one trace serves all `copies`.

        The variables that the trace captured are exchanged for those of each copy.
        """
        import keras

        copies = [steps.beside(steps.weights_of(layer), copy) for copy in copies]
        if execution == "eager":
            made = [steps.stateless(layer, copy) for copy in copies]
        else:
            own = Operands(steps.weights_of(layer), copies[0].inputs, copies[0].upstream)
            made = steps.recaptured(steps.compiled(steps.pass_of(layer, own), execution), own, copies)
        for variable in layer.trainable_variables:
            variable.assign(keras.ops.full_like(variable, float("nan")))
        return made

    def synchroniser(self, device: str) -> Callable[[Any], None]:
        import tensorflow as tf

        if device.startswith("cpu"):
            # Calls on the CPU return when they are done, unless someone has made them asynchronous; sync_devices
            # would add 26 µs to each sample.
            tf.config.experimental.set_synchronous_execution(True)
            return nothing
        return lambda _: tf.test.experimental.sync_devices()

    def count_memory(self) -> None:
        os.environ.update(pool.COUNTING)

    def exact_pool(self, size: int, device: str) -> AbstractContextManager[Any]:
        return pool.exact(size, _allocator(device))

    def peak_memory(self, step: Step, device: str, held: int) -> int | None:
        """`held` plus the growth of the allocator of `device` during `step`; None where it keeps no statistics."""
        import tensorflow as tf

        name = _allocator(device)
        try:
            tf.config.experimental.reset_memory_stats(name)
        except ValueError:
            return None  # the allocator keeps no statistics
        before = pool.taken(name)
        outputs = step()
        self.synchroniser(device)(outputs)
        grown = pool.taken(name, "peak") - before
        del outputs
        return held + grown if grown else None  # an allocator that leaves small blocks out saw none

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


def _memory(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor where they lie, as integers of as many bits, which NumPy knows in every dtype."""
    import tensorflow as tf

    if "CPU" not in tensor.device:
        raise NotImplementedError(f"no process writes into the memory of {tensor.device}")
    return np.asarray(memoryview(tf.bitcast(tensor, f"uint{8 * tensor.dtype.size}")))


def _asked_threads(kind: str) -> int:
    """Threads that the environment asks for; 0 where it does not."""
    asked = os.environ.get(_THREAD_VARIABLES[kind], "")
    return int(asked) if asked.isdecimal() else 0


def _device(device: str) -> str:
    kind, _, index = device.partition(":")
    return f"/{kind.upper()}:{index or 0}"


def _allocator(device: str) -> str:
    """The device's name as its allocator's statistics know it."""
    return _device(device).removeprefix("/")


def _xla_isa(folder: Path) -> str | None:
    """The most that XLA may compile for, as it read its flags; `native` where that is what the processor has.

    None where this version does not write down how it read them.
    """
    written = [path.read_text(errors="replace") for path in folder.glob("*debug_options")]
    if not written:
        return None
    limit = re.search(r'^xla_cpu_max_isa: "(\w+)"', written[0], re.MULTILINE)
    return limit[1] if limit else "native"


BACKEND = TensorFlow()


def _operations(profile: Path | None) -> dict[str, float]:
    """Seconds by kind of operation in a profile of one call; empty where it cannot be read."""
    try:
        from tensorflow.tsl.profiler.protobuf import xplane_pb2  # no public module reads what TensorFlow writes
    except ImportError:
        return {}
    told = xplane_pb2.XSpace()
    if profile is not None:
        told.ParseFromString(profile.read_bytes())
    found: dict[str, float] = {}
    for plane in told.planes:
        for event in (event for line in plane.lines for event in line.events):
            kind = _KIND.fullmatch(plane.event_metadata[event.metadata_id].name)
            if kind:
                found[kind[1]] = found.get(kind[1], 0.0) + event.duration_ps / 1e12
    return found
