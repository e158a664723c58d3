"""Variants that fail in every way a task can, run by a host through its files; each builds on the dense layer."""

import ctypes
import os

from grouped_bench.variants.base import Variant, keras_convolution, variant
from grouped_bench.variants.regular import Regular


class Faulty(Variant):
    """The dense layer, but for what a subclass breaks."""

    summary = "broken on purpose"
    computes = "dense"

    def layer(self, case, backend):
        return keras_convolution(case, filters=case.out_channels, bias=case.bias)


@variant
class Raises(Faulty):
    name = "raises"

    def layer(self, case, backend):
        raise RuntimeError("no such layer\nwith a second line")


@variant
class RunsOut(Faulty):
    name = "runs_out"

    def layer(self, case, backend):
        raise MemoryError("64 GiB wanted")


@variant
class Leaves(Faulty):
    name = "leaves"

    def layer(self, case, backend):
        print("last words")
        os._exit(7)


@variant
class Segfaults(Faulty):
    name = "segfaults"

    def layer(self, case, backend):
        ctypes.string_at(0)


@variant
class Hangs(Faulty):
    name = "hangs"

    def layer(self, case, backend):
        ctypes.CDLL(None).pause()


@variant
class Lies(Faulty):
    name = "lies"

    def to_layer(self, weights, case):
        return [array * 1.01 for array in super().to_layer(weights, case)]


@variant
class LiesLater(Regular):
    """Correct when built, then fails in its first visit."""

    name = "breaks_later"

    def layer(self, case, backend):
        import keras

        class Breaking(keras.layers.Layer):
            calls = 0

            def build(self, input_shape):
                self.inner = keras_convolution(case, filters=case.out_channels, bias=case.bias)
                self.inner.build(input_shape)

            def call(self, inputs):
                Breaking.calls += 1
                if Breaking.calls > 50:
                    raise RuntimeError("worn out")
                return self.inner(inputs)

        return Breaking()


@variant
class Allocates(Faulty):
    """Makes one tensor of 64 MiB on its way, which its output depends on."""

    name = "allocates_64_mib"

    def layer(self, case, backend):
        import keras

        class Allocating(keras.layers.Layer):
            def build(self, input_shape):
                self.inner = keras_convolution(case, filters=case.out_channels, bias=case.bias)
                self.inner.build(input_shape)

            def call(self, inputs):
                import tensorflow as tf

                outputs = self.inner(inputs)
                first = tf.reshape(outputs, [-1])[0]
                large = tf.fill([64 * 2**20 // 4], first)
                return outputs + (tf.gather(large, 12345) - first)

        return Allocating()
