"""A network beside its copy: a copy that is another function is caught, and one that is the same is not."""

import dataclasses
import types

import numpy as np
import pytest

from grouped_bench.measure.models import copies, whole_model
from grouped_bench.measure.models.whole_model import Subject

MAKING = """
import keras
def replace_layers(model):
    new = keras.models.clone_model(model)
    new.set_weights([{value} for number, one in enumerate(model.get_weights())])
    return new
"""


@pytest.fixture
def keras(backend):
    import keras

    return keras


@pytest.fixture
def saved(keras, tmp_path):
    layer = keras.layers
    inputs = keras.Input((8, 8, 4))
    x = layer.Conv2D(8, 3, groups=2, use_bias=True)(inputs)
    x = layer.BatchNormalization()(x)
    x = layer.Dropout(0.5)(layer.Activation("relu")(x))
    model = keras.Model(inputs, layer.Dense(3)(layer.GlobalAveragePooling2D()(x)))
    path = str(tmp_path / "net.keras")
    model.save(path)
    return path


def subject(file, backend, value="one", pass_="training"):
    making = MAKING.format(value=value)
    return Subject(file, making, batch_size=2, pass_=pass_, execution=backend.executions[0])


def test_a_copy_that_computes_the_same_is_proved(saved, backend):
    found = whole_model.prove(backend, subject(saved, backend))
    assert "status" not in found
    assert 0 <= found["error"] < 1e-5


def test_a_copy_with_a_wrong_state_is_given_the_right_one_first(saved, backend):
    """Weights are copied before both are called: what may differ is how the layers compute."""
    assert "status" not in whole_model.prove(backend, subject(saved, backend, "one * 2"))


def faulty(monkeypatch, fault):
    """Has the first convolution of every copy computed with a fault in its outputs."""
    own = whole_model.replaced

    def replaced(model, *how):
        copy = own(model, *how)
        call = copy.layers[1].call
        copy.layers[1].call = lambda inputs: fault(call(inputs))
        return copy

    monkeypatch.setattr(whole_model, "replaced", replaced)


@pytest.mark.parametrize("wrong", [1e-3, 1.0])
def test_a_copy_that_computes_something_else_is_caught(wrong, saved, backend, monkeypatch):
    faulty(monkeypatch, lambda outputs: outputs * (1 + wrong))
    found = whole_model.prove(backend, subject(saved, backend))
    assert found["status"] == "incorrect"
    assert found["reason"].startswith("inference: ")
    assert "against float64" in found["reason"]


def test_a_copy_with_wrong_gradients_alone_is_caught(saved, backend, keras, monkeypatch):
    stop = keras.ops.stop_gradient
    faulty(monkeypatch, lambda outputs: stop(outputs) + 1.01 * (outputs - stop(outputs)))
    found = whole_model.prove(backend, subject(saved, backend))
    assert found["status"] == "incorrect"
    assert found["reason"].startswith("training: gradient of ")


def test_an_original_that_is_far_from_float64_itself_proves_nothing():
    exact = {"output": np.ones(4)}
    told = {"exact": exact, "original": {"output": np.full(4, 1.5)}, "faster": {"output": np.full(4, 2.0)}}
    assert "says nothing of a copy" in whole_model._wrong(told, 1e-7)
    told["original"] = {"output": np.full(4, np.nan)}
    assert "says nothing of a copy" in whole_model._wrong(told, 1e-7)
    told = {"exact": exact, "original": {"output": np.ones(4)}, "faster": {"output": np.full(4, np.inf)}}
    assert "allowed" in whole_model._wrong(told, 1e-7)


@pytest.mark.onednn(True)
def test_parts_that_are_folded_are_compared_with_the_parts(keras, backend, tmp_path, monkeypatch):
    layer = keras.layers
    inputs = keras.Input((8, 8, 4))
    parts = [layer.Conv2D(2, 3, name=f"part_{n}")(part) for n, part in enumerate(keras.ops.split(inputs, 2, axis=-1))]
    x = layer.BatchNormalization()(layer.Concatenate()(parts))
    model = keras.Model(inputs, layer.Dense(3)(layer.GlobalAveragePooling2D()(x)))
    model.compile("adam", "mse", jit_compile=False)
    model.train_on_batch(np.ones((2, 8, 8, 4)), np.ones((2, 3)))
    file = str(tmp_path / "net.keras")
    model.save(file)
    told = copies.fold(file, str(tmp_path / "folded.keras"))
    ((fold),) = told["folds"]
    assert (fold["name"], fold["traits"]["groups"], fold["size"]) == ("part_0", 2, [8, 8])
    folded = dataclasses.replace(
        subject(file, backend), making="def replace_layers(model):\n    return model\n", folds=("part_0",)
    )
    found = whole_model.prove(backend, folded)
    assert "status" not in found, found
    told = copies.convert(file, folded.making, folded.folds, str(tmp_path / "faster.keras"))
    assert told == {"uncompiled": None, "has_state": False}
    assert keras.models.load_model(tmp_path / "faster.keras").get_layer("part_0").groups == 2
    own = copies.folding.folded
    monkeypatch.setattr(copies.folding, "folded", lambda *a: twice(own(*a)))
    assert whole_model.prove(backend, folded)["status"] == "incorrect"


def twice(model):
    """The model with the kernel of its folded layer doubled, as a fold that is none would have it."""
    layer = model.get_layer("part_0")
    layer.kernel.assign(2 * layer.kernel)
    return model


def test_a_network_that_cannot_be_called_is_refused_before_anything_is_measured(keras, backend, tmp_path):
    layer = keras.layers
    two = keras.Input((8, 4)), keras.Input((8, 4))
    whole = keras.Input((8,), dtype="int32")
    models = {
        "one input": keras.Model(two, layer.Add()(two)),
        "one output": keras.Model(two[0], [layer.ReLU()(two[0]), layer.Softmax()(two[0])]),
        "floating point": keras.Model(whole, layer.Embedding(9, 3)(whole)),
    }
    for words, model in models.items():
        model.save(tmp_path / "net.keras")
        found = whole_model.check(subject(str(tmp_path / "net.keras"), backend))
        assert found["status"] == "unsupported"
        assert words in found["reason"]


def test_a_visit_times_both_in_the_same_rounds(saved, backend, monkeypatch):
    monkeypatch.setattr(whole_model.rounds, "calibrate", lambda *_: (1, 0.01, 0.0))
    found = whole_model.visit(backend, dataclasses.replace(subject(saved, backend)), {})
    first, second = (found["samples"][name] for name in ("original", "faster"))
    assert len(first) == len(second) >= 3
    assert all(one > 0 for one in first + second)
    assert set(found["first_calls_s"]) == {"original", "faster"}
    for side in ("original", "faster"):
        assert set(whole_model.visit(backend, subject(saved, backend), {}, side)["samples"]) == {side}


def test_a_loss_of_one_s_own_leaves_the_copy_uncompiled_and_says_so(saved, backend, keras, tmp_path):
    model = keras.models.load_model(saved)
    model.compile("sgd", lambda y, found: keras.ops.mean(y - found), jit_compile=False)
    model.save(saved)
    told = copies.convert(saved, subject(saved, backend).making, (), str(tmp_path / "copy.keras"))
    assert told["uncompiled"]
    assert not keras.models.load_model(tmp_path / "copy.keras").compiled


def test_bare_operations_and_adapted_layers_are_copied(keras, backend, tmp_path):
    inputs = keras.Input((6, 6, 2))
    normalised = keras.layers.Normalization()
    normalised.adapt(np.random.default_rng(0).normal(3, 2, (8, 6, 6, 2)).astype("float32"))
    x = keras.layers.Conv2D(4, 3, groups=2, padding="same")(normalised(inputs))
    model = keras.Model(inputs, x * 2 + keras.ops.relu(x))
    x = np.ones((1, 6, 6, 2), "float32")
    again = copies.unchanged(model)
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    model.save(tmp_path / "net.keras")
    assert "status" not in whole_model.prove(backend, subject(str(tmp_path / "net.keras"), backend))


def test_models_within_models_are_compared_weight_by_weight(keras, backend, tmp_path):
    """Keras names the weights of a copy by other paths."""
    layer = keras.layers
    stem = keras.Sequential([layer.Conv2D(4, 3, name="c"), layer.LayerNormalization()], name="stem")
    again = keras.Sequential([layer.Conv2D(4, 3, groups=2, name="c")], name="again")
    inputs = keras.Input((9, 9, 3))
    keras.Model(inputs, layer.GlobalAveragePooling2D()(again(stem(inputs)))).save(tmp_path / "net.keras")
    assert "status" not in whole_model.prove(backend, subject(str(tmp_path / "net.keras"), backend))


def test_the_saved_copy_goes_on_where_the_original_stopped(saved, backend, keras, tmp_path):
    model = keras.models.load_model(saved)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.standard_normal((2, 8, 8, 4)), rng.standard_normal((2, 3)))
    model.save(saved)
    path = str(tmp_path / "copy.keras")
    copies.convert(saved, subject(saved, backend).making, (), path)
    copy = keras.models.load_model(path)
    for own, other in ((model.weights, copy.weights), (model.optimizer.variables, copy.optimizer.variables)):
        assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(own, other, strict=True))


def test_what_is_random_and_cannot_be_switched_off_is_found():
    noisy = types.SimpleNamespace(seed_generator=None)
    still = types.SimpleNamespace(seed_generator=None, rate=0.5)
    plain = types.SimpleNamespace()
    for layers, is_calm in (([plain, still], True), ([noisy, plain], False)):
        model = types.SimpleNamespace(_flatten_layers=lambda layers=layers: layers)
        assert whole_model._calmed([model]) is is_calm
    assert still.rate == 0.0
