"""A model that cannot be rebuilt, faster in a block: the same function, Keras put back, other threads left alone."""

import threading

import numpy as np
import pytest

import grouped_bench as gb
from grouped_bench.errors import UnavailableError
from grouped_bench.layers import choice


@pytest.fixture
def keras(backend, monkeypatch, tmp_path):
    import keras

    monkeypatch.setenv(choice.VARIABLE, str(tmp_path / "none"))
    return keras


@pytest.fixture
def model(keras):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = keras.layers.Conv2D(8, 3, groups=4, padding="same", activation="relu")
            self.second = keras.layers.Conv2D(3, 1)

        def call(self, inputs):
            return self.second(self.first(inputs))

    made = Own()
    made(np.zeros((1, 6, 6, 4), "float32"))
    return made


def calls(keras):
    return [vars(kind).get("call") for kind in (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)]


def convolved(model, keras, monkeypatch):
    """The output, and how often Keras' own operation computed it."""
    counted = []
    own = keras.src.ops.conv
    monkeypatch.setattr(keras.src.ops, "conv", lambda *a, **k: counted.append(1) or own(*a, **k))
    x = np.random.default_rng(1).standard_normal((2, 6, 6, 4)).astype("float32")
    found = np.asarray(keras.ops.convert_to_numpy(model(x)))
    monkeypatch.setattr(keras.src.ops, "conv", own)
    return found, len(counted)


def test_in_the_block_another_form_computes_the_same_and_after_it_keras(keras, model, monkeypatch):
    before, own = convolved(model, keras, monkeypatch), calls(keras)
    with gb.faster_convolutions():
        inside = convolved(model, keras, monkeypatch)
    after = convolved(model, keras, monkeypatch)
    assert (before[1], inside[1], after[1]) == (2, 1, 2)
    np.testing.assert_allclose(inside[0], before[0], rtol=1e-4, atol=1e-5)
    assert calls(keras) == own


def test_keras_is_put_back_whatever_happens(keras):
    own = calls(keras)
    with pytest.raises(ZeroDivisionError), gb.faster_convolutions(), gb.faster_convolutions():
        raise ZeroDivisionError
    assert calls(keras) == own


def test_other_threads_keep_keras_own(keras, model, monkeypatch):
    found = []
    with gb.faster_convolutions():
        thread = threading.Thread(target=lambda: found.append(convolved(model, keras, monkeypatch)[1]))
        thread.start()
        thread.join()
    assert found == [2]


def test_many_threads_open_and_close_without_leaving_anything(keras):
    own = calls(keras)

    def again():
        for _ in range(200):
            with gb.faster_convolutions():
                pass

    threads = [threading.Thread(target=again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls(keras) == own


def test_another_keras_is_refused(keras, monkeypatch):
    monkeypatch.setattr(keras.layers.Conv2D, "call", lambda self, inputs, training=None: inputs)
    with pytest.raises(UnavailableError, match="must compute a convolution in"), gb.faster_convolutions():
        pass
