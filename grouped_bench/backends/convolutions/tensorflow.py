"""TensorFlow's own convolutions, and one function with the gradients of others."""

from typing import Any


def define_convolution() -> Any:
    """`convolution`, with arguments as `keras.ops.conv` has them."""
    import tensorflow as tf

    def convolution(inputs, kernel, strides, padding, data_format, dilation_rate):
        """TensorFlow's own; the kernel's channels say how many groups."""
        last = data_format == "channels_last"
        if padding == "causal":
            before = dilation_rate[0] * (kernel.shape[0] - 1)
            around = [[before, 0], [0, 0]] if last else [[0, 0], [before, 0]]
            inputs, padding = tf.pad(inputs, [[0, 0], *around]), "valid"
        spatial = "DHW"[3 - len(strides) :]
        return tf.nn.convolution(
            inputs,
            kernel,
            strides=strides,
            padding=padding.upper(),
            dilations=dilation_rate,
            data_format=f"N{spatial}C" if last else f"NC{spatial}",
        )

    return convolution


def define_depthwise() -> Any:
    """`depthwise`, as Keras' DepthwiseConv layers call it: of rank 1 along the second of two axes."""
    import tensorflow as tf

    def depthwise(inputs, kernel, strides, padding, data_format, dilation_rate):
        """TensorFlow's own, with a kernel (*k, Cin, M)."""
        last, flat = data_format == "channels_last", len(strides) == 1
        if len(strides) == 3:
            raise NotImplementedError("TensorFlow has no 3D depthwise convolution")
        if len(set(strides)) > 1:
            raise NotImplementedError("TensorFlow's has one stride for both axes")
        if padding == "causal":
            before = dilation_rate[0] * (kernel.shape[0] - 1)
            around = [[before, 0], [0, 0]] if last else [[0, 0], [before, 0]]
            inputs, padding = tf.pad(inputs, [[0, 0], *around]), "valid"
        if flat:
            inputs = tf.expand_dims(inputs, 1 if last else 2)
            kernel = tf.expand_dims(kernel, 0)
            strides, dilation_rate = strides * 2, (1, *dilation_rate)
        outputs = tf.nn.depthwise_conv2d(
            inputs,
            kernel,
            strides=(1, *strides, 1) if last else (1, 1, *strides),
            padding=padding.upper(),
            dilations=dilation_rate,
            data_format="NHWC" if last else "NCHW",
        )
        return tf.squeeze(outputs, 1 if last else 2) if flat else outputs

    return depthwise


def define_composed() -> Any:
    """`composed`: a convolution with the gradients of others."""
    import tensorflow as tf

    def composed(forward, of_input, of_kernel):
        """The convolution `forward`; `of_input` and `of_kernel` give its gradients.

        Each is a function of input and kernel, and whether XLA compiles it.
        """

        def compiled(function, by_xla):
            if not by_xla:
                return function
            return tf.function(function, autograph=False, jit_compile=True)

        def gradients(part, *places):
            convolve, by_xla = part

            def found(inputs, kernel, dy):
                # The forward pass in it is of no use, and no graph keeps it.
                sources = [(inputs, kernel)[place] for place in places]
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(sources)
                    outputs = convolve(inputs, kernel)
                return tape.gradient(outputs, sources, output_gradients=dy)

            return compiled(found, by_xla)

        whole = compiled(*forward)
        if of_input is of_kernel:
            parts = [gradients(of_input, 0, 1)]
        else:
            parts = [gradients(of_input, 0), gradients(of_kernel, 1)]

        @tf.custom_gradient
        def convolve(inputs, kernel):
            def back(dy):
                return [one for part in parts for one in part(inputs, kernel, dy)]

            return whole(inputs, kernel), back

        return convolve

    return composed


def define_placed() -> Any:
    """`placed`, the context of a part of a step on one of several devices."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util

    def devices():
        """All devices of the kind on which the step is placed."""
        # No public function says whether XLA compiles what is traced. It puts
        # all of it on one device without a word.
        graph = tf.compat.v1.get_default_graph()
        if control_flow_util.GraphOrParentsInXlaContext(graph):
            why = "XLA puts a step on one device; use the execution graph or eager"
            raise NotImplementedError(why)
        # Outside of the graph a tensor has the device of the step.
        with tf.init_scope():
            kind = tf.zeros([]).device.rsplit(":", 2)[-2]
        # Logical ones, since one processor may be split into several.
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        return [":".join(name.rsplit(":", 2)[-2:]).lower() for name in names]

    def placed(part):
        """The context of a part: its device is its number modulo theirs."""
        found = devices()
        if len(found) < 2:
            why = f"group_parallel needs two devices; there is one: {found[0]}"
            raise NotImplementedError(why)
        return tf.device(f"/{found[part % len(found)].upper()}")

    return placed
