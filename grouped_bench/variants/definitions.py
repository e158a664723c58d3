"""Layers that several variants build on; `grouped_bench.backends.code` says what a definition is."""

from typing import Any

from grouped_bench.backends.code import Code


def define_kernel_conv(Conv: Any) -> Any:
    """`KernelConv`, Keras' layer but for the convolution."""
    import keras

    class KernelConv(Conv):
        """Keras' layer, with its weights, by another convolution."""

        def __init__(self, *arguments, dilation_rate=1, **options):
            # Keras refuses to dilate with strides; the convolution decides.
            super().__init__(*arguments, **options)
            each = isinstance(dilation_rate, int)
            rates = (dilation_rate,) * self.rank if each else dilation_rate
            self.dilation_rate = tuple(rates)

        def call(self, inputs):
            kernel = keras.ops.cast(self.kernel, self.compute_dtype)
            outputs = self.convolve(inputs, kernel)
            if self.use_bias:
                shape = [1] * (self.rank + 2)
                shape[self.channel_axis] = self.filters
                bias = keras.ops.cast(self.bias, self.compute_dtype)
                outputs = outputs + keras.ops.reshape(bias, shape)
            return self.activation(outputs)

        @property
        def channel_axis(self):
            return 1 if self.data_format == "channels_first" else self.rank + 1

    return KernelConv


def define_kernel_depthwise_conv(Conv: Any) -> Any:
    """`KernelConv` for Keras' depthwise layer, which is the convolution of a group for each channel."""
    import keras

    class KernelConv(Conv):
        """Keras' depthwise layer, with its weights, by a grouped convolution."""

        def call(self, inputs):
            taps = (*self.kernel_size, 1, self.filters)
            kernel = keras.ops.cast(self.kernel, self.compute_dtype)
            outputs = self.convolve(inputs, keras.ops.reshape(kernel, taps))
            if self.use_bias:
                shape = [1] * (self.rank + 2)
                shape[self.channel_axis] = self.filters
                bias = keras.ops.cast(self.bias, self.compute_dtype)
                outputs = outputs + keras.ops.reshape(bias, shape)
            return self.activation(outputs)

        @property
        def groups(self):
            return self.kernel.shape[-2]

        @property
        def filters(self):
            return self.groups * self.depth_multiplier

        @property
        def channel_axis(self):
            return 1 if self.data_format == "channels_first" else self.rank + 1

    return KernelConv


def depthwise(code: Code) -> Code:
    """The steps of a layer with the weights of Keras' grouped convolution, for Keras' depthwise layer."""
    return tuple(define_kernel_depthwise_conv if step is define_kernel_conv else step for step in code)


def define_taps_conv(KernelConv: Any, pads: Any) -> Any:
    """`TapsConv`, whose subclasses multiply matrices."""
    import itertools

    import keras

    class TapsConv(KernelConv):
        """A convolution by matrices, from a slice of the input for each tap.

        A slice is (G, N·Πo, Cin/G), with a row for each output position. The
        groups are outermost, so that each group's matmul reads memory of its own.
        """

        def convolve(self, inputs, kernel):
            last = self.data_format == "channels_last"
            size = inputs.shape[1:-1] if last else inputs.shape[2:]
            steps = self.kernel_size, self.strides, self.dilation_rate
            around = pads(size, *steps, self.padding)
            taps, extents = [], []
            for n, zeros, k, s, d in zip(size, around, *steps, strict=True):
                extent = (n + sum(zeros) - d * (k - 1) - 1) // s + 1
                end = (extent - 1) * s + 1
                taps.append([slice(i * d, i * d + end, s) for i in range(k)])
                extents.append(extent)
            x = self.groups_outermost(inputs, size)
            if any(map(sum, around)):
                x = keras.ops.pad(x, ((0, 0), (0, 0), *around, (0, 0)))
            whole, shape = slice(None), (self.groups, -1, x.shape[-1])
            slices = (x[(whole, whole, *tap)] for tap in itertools.product(*taps))
            parts = [keras.ops.reshape(part, shape) for part in slices]
            return self.groups_joined(self.multiply(parts, kernel), extents)

        def groups_outermost(self, inputs, size):
            """The input as (G, N, *n, Cin/G)."""
            rank, width = self.rank, inputs.shape[self.channel_axis] // self.groups
            if self.data_format == "channels_first":
                x = keras.ops.reshape(inputs, (-1, self.groups, width, *size))
                return keras.ops.transpose(x, (1, 0, *range(3, 3 + rank), 2))
            x = keras.ops.reshape(inputs, (-1, *size, self.groups, width))
            return keras.ops.transpose(x, (rank + 1, *range(rank + 1), rank + 2))

        def groups_joined(self, products, extents):
            """Products (G, N·Πo, Cout/G) as the output."""
            shape = (self.groups, -1, *extents, self.filters // self.groups)
            x, spatial = keras.ops.reshape(products, shape), range(2, 2 + self.rank)
            if self.data_format == "channels_first":
                x = keras.ops.transpose(x, (1, 0, self.rank + 2, *spatial))
                return keras.ops.reshape(x, (-1, self.filters, *extents))
            x = keras.ops.transpose(x, (1, *spatial, 0, self.rank + 2))
            return keras.ops.reshape(x, (-1, *extents, self.filters))

    return TapsConv


def define_parts_conv(Conv: Any) -> Any:
    """`PartsConv`, whose subclasses say how wide each part is and how the outputs are joined."""
    import keras
    import numpy as np

    class PartsConv(keras.layers.Layer):
        """A convolution for each part of the channels; one bias for all."""

        def __init__(
            self,
            filters,
            kernel_size,
            groups=1,
            use_bias=True,
            activation=None,
            trainable=True,
            name=None,
            dtype=None,
            **options,
        ):
            super().__init__(trainable=trainable, name=name, dtype=dtype)
            self.filters, self.use_bias = filters, use_bias
            self.activation = keras.activations.get(activation)
            options |= {"use_bias": False, "trainable": trainable}
            options["dtype"] = self.dtype_policy
            each, parts = self.part_filters(groups), range(groups)
            self.branches = [Conv(each, kernel_size, **options) for _ in parts]

        def build(self, input_shape):
            first, part = self.branches[0], list(input_shape)
            part[self.channel_axis] //= len(self.branches)
            self.build_branches(tuple(part))
            if self.use_bias:
                self.bias = self.add_weight(
                    (self.filters,),
                    first.bias_initializer,
                    regularizer=first.bias_regularizer,
                    constraint=first.bias_constraint,
                    name="bias",
                )

        def build_branches(self, shape):
            for branch in self.branches:
                branch.build(shape)

        def call(self, inputs):
            axis, count = self.channel_axis, len(self.branches)
            parts = keras.ops.split(inputs, count, axis=axis)
            outputs = self.join(self.convolve(parts))
            if self.use_bias:
                shape = [1] * len(inputs.shape)
                shape[axis] = self.filters
                bias = keras.ops.cast(self.bias, self.compute_dtype)
                outputs = outputs + keras.ops.reshape(bias, shape)
            return self.activation(outputs)

        def convolve(self, parts):
            pairs = zip(self.branches, parts, strict=True)
            return [branch(part) for branch, part in pairs]

        def convert_weights(self, weights):
            """The weights of Keras' layer as those of this one."""
            kernel, *bias = weights
            parts = len(self.branches)
            return [*bias, *np.split(kernel, parts, axis=self.kernel_axis)]

        def get_config(self):
            own = {
                "name": self.name,
                "trainable": self.trainable,
                "filters": self.filters,
                "groups": len(self.branches),
                "use_bias": self.use_bias,
                "activation": keras.activations.serialize(self.activation),
            }
            return {**self.branches[0].get_config(), **own}

        @property
        def channel_axis(self):
            first = self.branches[0].data_format == "channels_first"
            return 1 if first else self.branches[0].rank + 1

    return PartsConv
