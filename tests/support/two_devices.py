"""Holds `group_parallel` against the reference with the processor split into two devices; a program of its own.

Devices are split before TensorFlow first uses one, which a process that has run other tests did.
"""

import tensorflow as tf
from cases import make_case
from conformance import compute

from grouped_bench import backends, variants
from grouped_bench.backends.code import define
from grouped_bench.measure.attempt import reason_of

CASES = (
    make_case(groups=4, channels=(8, 8), bias=True),
    make_case(groups=4, channels=(8, 8), pass_="inference"),
    make_case(rank=1, groups=3, channels=(6, 6), padding="causal", dilation=2),
    make_case(rank=3, groups=2, data_format="channels_first", stride=2),
    make_case(groups=2, dtype="mixed_bfloat16", bias=True),
)


def main():
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    backend = backends.load("tensorflow")
    for case in CASES:
        for execution in ("graph", "eager"):
            for cache in ("hot", "cold"):
                compute("group_parallel", case, backend, execution, cache=cache)
    layer = variants.get("group_parallel").layer(CASES[0], backend)
    layer.build(CASES[0].input_shape)
    print("weights", *(variable.value.device[-5:] for variable in layer.trainable_variables))
    step = tf.function(layer)
    graph = step.get_concrete_function(tf.zeros(CASES[0].input_shape)).graph
    print("convolutions", *(op.device[-5:] for op in graph.get_operations() if op.type == "Conv2D"))
    placed = define(backend.placement_code)
    with backend.on("cpu:1"):
        for part in range(3):
            with placed(part):
                print("devices" if part == 0 else "", tf.zeros([]).device[-5:], end="\n" if part == 2 else " ")
    try:
        compute("group_parallel", CASES[0], backend, "xla")
    except NotImplementedError as error:
        print("xla", backend.status_of(error), reason_of(error))


if __name__ == "__main__":
    main()
