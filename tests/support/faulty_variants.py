"""Variants that fail in every way a task can, run by a host through its files; each builds on the dense layer."""

import ctypes
import hashlib
import os
import signal
import subprocess
import sys

from grouped_bench.variants.base import Variant, keras_convolution, variant
from grouped_bench.variants.layers.regular import Regular


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
class Aborts(Faulty):
    name = "aborts"

    def layer(self, case, backend):
        os.write(2, b"terminate called\n")
        os.abort()


@variant
class IllegalInstruction(Faulty):
    name = "illegal"

    def layer(self, case, backend):
        signal.raise_signal(signal.SIGILL)


@variant
class Unpicklable(Faulty):
    """Raises what can neither be pickled nor told."""

    name = "unpicklable"

    def layer(self, case, backend):
        class OddError(Exception):
            def __init__(self, first, second):
                self.lock = sys.stdin

            def __str__(self):
                raise ValueError("no words")

            def __reduce__(self):
                raise TypeError("no pickle")

        raise OddError(1, 2)


@variant
class Shouts(Faulty):
    """Writes 64 MiB to stderr, then its last words, and ends."""

    name = "shouts"

    def layer(self, case, backend):
        for _ in range(64):
            os.write(2, b"x" * 1023 * 1024 + b"\n" * 1024)
        os.write(2, b"these are the last words\n")
        os._exit(3)


@variant
class Hoards(Faulty):
    """Takes memory, 64 MiB at a time, and gives none back."""

    name = "hoards"

    def layer(self, case, backend):
        kept = []
        while len(kept) < 64:
            kept.append(bytearray(os.urandom(1)) * (64 * 2**20))
        ctypes.CDLL(None).pause()


@variant
class Spins(Faulty):
    """Stays in a loop of C code."""

    name = "spins"

    def layer(self, case, backend):
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


@variant
class Spawns(Faulty):
    """Starts a process in a session of its own, tells its number, and hangs."""

    name = "spawns"

    def layer(self, case, backend):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print(f"child {child.pid}", flush=True)
        ctypes.CDLL(None).pause()


@variant
class Poisons(Faulty):
    """Leaves its process without a convolution that works, as a lost device would."""

    name = "poisons"

    def layer(self, case, backend):
        from keras.src import backend as keras_backend

        def lost(*positional, **keywords):
            raise RuntimeError("the device is lost")

        keras_backend.nn.conv = lost
        lost()


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


@variant
class Doubles(Faulty):
    """Holds its weights and doubles its input: what it allocates is its output."""

    name = "doubles"

    def layer(self, case, backend):
        import keras

        class Doubling(keras.layers.Layer):
            def build(self, input_shape):
                inner = keras_convolution(case, filters=case.out_channels, bias=case.bias)
                inner.build(input_shape)
                self.kernel = self.add_weight(shape=inner.kernel.shape)

            def call(self, inputs):
                return inputs * 2

        return Doubling()


@variant
class TellsItsAllocator(Faulty):
    """Fails with the words of the variable that chooses TensorFlow's allocator."""

    name = "tells_its_allocator"

    def layer(self, case, backend):
        raise RuntimeError(f"the variable is {os.environ.get('TF_CPU_ALLOCATOR_USE_BFC')}")
