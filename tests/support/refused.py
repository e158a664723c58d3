"""Attempts that frameworks refuse, and those that the remedies name: as a program, makes each and prints its outcome.

`python tests/support/refused.py BACKEND NAME …` prints a line of JSON: by name the status, the reason and the columns
of the task, with what was in force in the process.
"""

import functools
import json
import subprocess
import sys

from cases import make_case
from checkout import importing

from grouped_bench import backends, variants
from grouped_bench.measure.attempt import attempt
from grouped_bench.measure.workbench import Workbench
from grouped_bench.space.case import Setting

_SMALL = {"groups": 4, "channels": (32, 32), "size": 8}


def outcomes(backend, names, variables):
    """What became of the attempts `names` in a process with `variables`: by name status, reason and columns."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    given = importing(KERAS_BACKEND=backend, **quiet, **variables)
    words = [sys.executable, __file__, backend, *names]
    run = subprocess.run(words, env=given, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def _task(backend, variant, execution=None, **shape):
    """A call of a variant, as a worker makes it."""
    case = make_case(**{**_SMALL, **shape})
    setting = Setting(backend.name, execution or backend.executions[0], "cpu")
    bench = Workbench(case, setting, 1, backend)

    def call():
        with backend.on("cpu"):
            backend.synchroniser("cpu")(bench.hot_step(variant)())

    return {**case.to_columns(), "computes": variants.get(variant).computes}, call


def _gradient(backend, of, dtype="float32", rank=2):
    """One gradient alone of TensorFlow's own grouped convolution."""
    import tensorflow as tf

    operands = {"input": tf.ones((2, *(8,) * rank, 32), dtype), "kernel": tf.ones((*(3,) * rank, 8, 32), dtype)}

    @tf.function(autograph=False)
    def call():
        with tf.GradientTape() as tape:
            tape.watch(operands[of])
            outputs = tf.nn.convolution(operands["input"], operands["kernel"], padding="SAME")
        return tape.gradient(outputs, operands[of])

    return {"dtype": dtype, "rank": rank, "groups": 4, "computes": "grouped"}, call


def _fused(backend, *, graph):
    import tensorflow as tf

    inputs, kernel = tf.ones((2, 8, 8, 32)), tf.ones((3, 3, 8, 32))

    def call():
        return tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, "SAME"), tf.ones(32))

    columns = {"dtype": "float32", "rank": 2, "groups": 4, "computes": "grouped"}
    return columns, tf.function(call, autograph=False) if graph else call


def _depthwise(backend, strides=1, data_format="NHWC", dtype="float32"):
    import tensorflow as tf

    shape = (2, 8, 8, 32) if data_format == "NHWC" else (2, 32, 8, 8)
    steps = (1, 1, strides, 1) if data_format == "NHWC" else (1, 1, 1, strides)

    def call():
        return tf.nn.depthwise_conv2d(
            tf.ones(shape, dtype), tf.ones((3, 3, 32, 1), dtype), steps, "SAME", data_format=data_format
        )

    return {"dtype": dtype, "rank": 2, "groups": 32, "computes": "grouped"}, call


def _keras(backend, layer, *, channels=32, **arguments):
    import keras

    def call():
        return getattr(keras.layers, layer)(32, 3, **arguments)(keras.ops.ones((1, 8, 8, channels)))

    return {"dtype": "float32", "rank": 2, "groups": 4, "computes": "grouped"}, call


def _kernel(backend, shape=(3, 3, 8, 32), dtype="float32", data="float32"):
    """The framework's own convolution of 32 channels with a kernel."""
    import keras

    case = make_case(**_SMALL, pass_="inference")

    def call():
        kernel = keras.ops.cast(keras.ops.ones(shape), dtype)
        return backend.convolution(keras.ops.cast(keras.ops.ones((2, 8, 8, 32)), data), kernel, case)

    return {"dtype": data, "rank": 2, "groups": 4, "computes": "grouped"}, call


def _keras_kernel(backend, shape):
    import keras

    def call():
        return keras.ops.conv(keras.ops.ones((2, 8, 8, 32)), keras.ops.ones(shape))

    return {"dtype": "float32", "rank": 2, "groups": 4, "computes": "grouped"}, call


def _float8(backend):
    import torch

    def call():
        kind = torch.float8_e4m3fn
        return torch.nn.functional.conv2d(torch.ones(1, 32, 8, 8).to(kind), torch.ones(32, 8, 3, 3).to(kind), groups=4)

    return {"dtype": "float8_e4m3fn", "rank": 2, "groups": 4, "computes": "grouped"}, call


_NATIVE, _SPLIT, _OWN = (
    functools.partial(_task, variant=name) for name in ("grouped_native", "split_concat", "grouped")
)
ATTEMPTS = {
    **{f"train {dtype}": functools.partial(_NATIVE, dtype=dtype) for dtype in ("float32", "bfloat16", "float16")},
    **{f"train {dtype}": functools.partial(_NATIVE, dtype=dtype) for dtype in ("mixed_bfloat16", "mixed_float16")},
    **{f"split {dtype}": functools.partial(_SPLIT, dtype=dtype) for dtype in ("float32", "bfloat16", "float16")},
    **{
        f"gradient of {of} {dtype}": functools.partial(_gradient, of=of, dtype=dtype)
        for of in ("input", "kernel")
        for dtype in ("float32", "float64")
    },
    "split float64": functools.partial(_SPLIT, dtype="float64"),
    "gradient of kernel 1D": functools.partial(_gradient, of="kernel", rank=1),
    "train 1D": functools.partial(_NATIVE, rank=1),
    "train eager": functools.partial(_NATIVE, execution="eager"),
    "train shuffle": functools.partial(_task, variant="channel_shuffle"),
    "3D": functools.partial(_NATIVE, rank=3, pass_="inference"),
    "train 3D": functools.partial(_NATIVE, rank=3),
    "split 3D": functools.partial(_SPLIT, rank=3),
    "own 3D": functools.partial(_OWN, rank=3),
    "fused": functools.partial(_fused, graph=True),
    "fused eager": functools.partial(_fused, graph=False),
    **{
        f"first {name} {pass_}": functools.partial(_task, variant=name, data_format="channels_first", pass_=pass_)
        for name in ("regular", "grouped_native", "split_concat")
        for pass_ in ("inference", "training")
    },
    "first float16": functools.partial(_SPLIT, data_format="channels_first", dtype="float16"),
    "first 3D": functools.partial(_NATIVE, data_format="channels_first", rank=3, pass_="inference"),
    "train first 3D": functools.partial(_NATIVE, data_format="channels_first", rank=3),
    "first 3D of one group": functools.partial(_NATIVE, data_format="channels_first", rank=3, groups=1),
    "own first 3D": functools.partial(_OWN, data_format="channels_first", rank=3),
    "depthwise": _depthwise,
    "depthwise first": functools.partial(_depthwise, data_format="NCHW"),
    "depthwise strides": functools.partial(_depthwise, strides=2),
    "depthwise strides float16": functools.partial(_depthwise, strides=2, dtype="float16"),
    "depthwise float16": functools.partial(_depthwise, dtype="float16"),
    "stride and dilation": functools.partial(_OWN, stride=2, dilation=2),
    "stride and dilation native": functools.partial(_NATIVE, stride=2, dilation=2),
    "filters": functools.partial(_keras, layer="Conv2D", groups=3),
    "input channels": functools.partial(_keras, layer="Conv2D", groups=4, channels=30),
    "kernel of 7": functools.partial(_kernel, shape=(3, 3, 7, 32)),
    "kernel to 30": functools.partial(_kernel, shape=(3, 3, 8, 30)),
    "Keras kernel of 7": functools.partial(_keras_kernel, shape=(3, 3, 7, 32)),
    "Keras kernel to 30": functools.partial(_keras_kernel, shape=(3, 3, 8, 30)),
    "kernel": _kernel,
    "kernel float16": functools.partial(_kernel, dtype="float16"),
    "transpose": functools.partial(_keras, layer="Conv2DTranspose", groups=4),
    "causal": functools.partial(_keras, layer="Conv2D", padding="causal"),
    "float8": _float8,
    "compile": functools.partial(_NATIVE, execution="compile", pass_="inference"),
    "eager": functools.partial(_NATIVE, execution="eager", pass_="inference"),
}


def main(name, *asked):
    backend = backends.load(name)
    in_force = {"onednn": backend.facts()["onednn"]} if name == "tensorflow" else {}
    found = {}
    for one in asked:
        columns, call = ATTEMPTS[one](backend)

        def made(call=call):
            call()
            return {"status": "ok", "reason": None}

        columns |= {"backend": name, "in_force": json.dumps(in_force)}
        found[one] = {**attempt(backend, made), "columns": columns}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
